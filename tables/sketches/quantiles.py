"""Quantiles of whole numbers within 1 % of the value: counts by buckets whose width grows with the value.

DDSketch (Masson, Rim, Lee: "DDSketch: a fast and fully-mergeable quantile sketch with relative-error
guarantees", PVLDB 12, 2019), with the edges in whole numbers: no logarithm, so no rounding, and nothing that
differs between machines. Negative values have the same buckets mirrored, 0 has its own, and so has each value
up to 98, which is therefore exact. There is no collapsing: 64 bits have 4,101 buckets in all.
"""

from __future__ import annotations

from bisect import bisect_left
from fractions import Fraction
from functools import lru_cache, partial
from math import ceil

import numpy as np

from tables.sketches.kind import SketchKind, Sparse, State

_MOST = 1 << 63


def _buckets() -> tuple[list[int], list[int], list[int]]:
    """Lowest value, highest value and the value that stands for both of each bucket of positive numbers."""
    lows, highs, middles = [], [], []
    low = 1
    while low <= _MOST:
        middle = low + low // 100  # within 1 % of the lowest …
        high = middle * 100 // 99  # … and of the highest
        lows.append(low)
        highs.append(high)
        middles.append(middle)
        low = high + 1
    return lows, highs, middles


_LOWS, _HIGHS, _MIDDLES = _buckets()
EDGES = [*(-low for low in reversed(_LOWS)), 0, *_HIGHS]
"""The highest value of each bucket, from the lowest to the highest bucket."""
VALUES = [*(-middle for middle in reversed(_MIDDLES)), 0, *_MIDDLES]
"""The value that stands for a bucket: within 1 % of every value in it."""


def _add(state: State, item: int, number: int) -> None:
    state[item] = state.get(item, 0) + number


QUANTILES = SketchKind(
    name="ddsketch-1%",
    most_bytes=len(EDGES) * 8,  # a bucket in 3 bytes, 65,536 or more of it in 5
    item_of=partial(bisect_left, EDGES),
    add=_add,
    combine=np.add,
)
"""Item: a bucket's place in `EDGES`; number: how many values lie in it."""


_exactly = lru_cache(maxsize=None)(Fraction)


def quantile(sketch: Sparse, q: float) -> int:
    """The value of rank max(1, ⌈q·n⌉) of n values in ascending order, within 1 % of it; n is not 0.

    q is what its decimal text says, so that 0.95 of 20 values is the 19th.
    """
    ranks = np.cumsum(sketch.numbers)
    rank = max(1, ceil(_exactly(repr(q)) * int(ranks[-1])))
    return VALUES[int(sketch.items[np.searchsorted(ranks, rank)])]
