"""Many sketches in three columns: the key that each is of, its items, and their numbers."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import chain, pairwise
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from tables.sketches.kind import Sparse, State

Ints = npt.NDArray[np.int64]

FEW_CELLS = 1 << 14
CELLS_PER_ENTRY = 4
"""Where all combinations of keys and items are no more than this, they are a table: no sorting."""


class Entries(NamedTuple):
    """int64 [n] each. Combined: ascending by key and item, none twice."""

    keys: Ints
    items: Ints
    numbers: Ints

    def moved(self, to: Callable[[Ints], Ints], dropped: int) -> Entries:
        """The same under other keys, those left out that become `dropped`; in any order."""
        keys = to(self.keys)
        kept = keys != dropped
        return Entries(keys[kept], self.items[kept], self.numbers[kept])

    def by_key(self) -> Iterator[tuple[int, Sparse]]:
        """Each key with its sketch."""
        keys, starts = np.unique(self.keys, return_index=True)
        spans = pairwise([*starts.tolist(), len(self.keys)])
        for key, (start, end) in zip(keys.tolist(), spans, strict=True):
            yield key, Sparse(self.items[start:end], self.numbers[start:end])


def entries_of(keys: Ints, states: Sequence[State]) -> Entries:
    """The sketches of these keys."""
    items = np.array(list(chain.from_iterable(states)), np.int64)
    numbers = np.array(list(chain.from_iterable(state.values() for state in states)), np.int64)
    return Entries(np.repeat(keys, [len(state) for state in states]), items, numbers)


def combine(parts: Sequence[Entries], how: np.ufunc) -> Entries:
    """Sketches merged by key; numbers of one item by `how`. Commutative and associative."""
    keys, items, numbers = (np.concatenate(columns) for columns in zip(*parts, strict=True))
    if not len(keys):
        return Entries(keys, items, numbers)
    first_key, first_item = int(keys.min()), int(items.min())
    span = int(items.max()) - first_item + 1
    cells = (int(keys.max()) - first_key + 1) * span
    if cells <= max(FEW_CELLS, CELLS_PER_ENTRY * len(keys)):
        dense = np.zeros(cells, np.int64)  # a number is at least 1
        how.at(dense, (keys - first_key) * span + (items - first_item), numbers)
        there = np.flatnonzero(dense)
        keys, items = np.divmod(there, span)
        return Entries(keys + first_key, items + first_item, dense[there])
    order = np.lexsort((items, keys))
    keys, items = keys[order], items[order]
    new = (keys[1:] != keys[:-1]) | (items[1:] != items[:-1])
    starts = np.flatnonzero(np.concatenate(([True], new)))
    return Entries(keys[starts], items[starts], how.reduceat(numbers[order], starts))
