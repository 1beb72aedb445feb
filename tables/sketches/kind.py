"""What a kind of sketch is made of."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

State = dict[int, int]
"""A sketch that is being added to: item → number."""


class Sparse(NamedTuple):
    """A sketch that was read: int64 `items`, ascending, none twice, and their `numbers`."""

    items: npt.NDArray[np.int64]
    numbers: npt.NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class SketchKind:
    """How values are kept. `name`: it and its parameters, for the hash of a view's definition.

    `most_bytes`: what one takes in a feed record at most. `item_of`: the item of a field's value, None for a
    value that does not count. `add`: adds an item, with its number, to a sketch. `combine`: how those who
    read merge the numbers of one item.
    """

    name: str
    most_bytes: int
    item_of: Callable[[Any], int | None]
    add: Callable[[State, int, int], None]
    combine: np.ufunc
