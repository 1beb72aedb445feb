"""How many different values: exact up to 256 of them, and with a standard error of 1.6 % above.

HyperLogLog (Flajolet, Fusy, Gandouet, Meunier 2007) over 64-bit hashes, which are kept themselves while they
are few (as by Heule, Nunkesser, Hall: "HyperLogLog in practice", 2013). The estimate is Ertl's ("New
cardinality estimation algorithms for HyperLogLog sketches", 2017, algorithm 6): it has no bias that a table
would have to correct. Which of the two forms is kept is a matter of the values alone, not of their order.
"""

from __future__ import annotations

from collections.abc import Iterable
from math import inf, log, sqrt
from typing import Any

import numpy as np
from xxhash import xxh3_64_intdigest

from tables.sketches.kind import SketchKind, Sparse, State

MOST_EXACT = 256
"""So many values are counted exactly, but for two in 2^63 that are taken for one."""
INDEX_BITS = 12
REGISTERS = 1 << INDEX_BITS
STANDARD_ERROR = 1.04 / sqrt(REGISTERS)
_RANK_BITS = 63 - INDEX_BITS
_LARGEST_RANK = _RANK_BITS + 1


def _register(item: int) -> tuple[int, int]:
    """The register of a hash, and its rank: the place of its first one behind the register's bits."""
    hash63 = -1 - item
    rest = hash63 & ((1 << _RANK_BITS) - 1)
    return hash63 >> _RANK_BITS, _LARGEST_RANK - rest.bit_length()


def _ranks(items: Iterable[int], numbers: Iterable[int]) -> State:
    """Register → its largest rank, of hashes and registers."""
    ranks: State = {}
    for item, number in zip(items, numbers, strict=True):
        index, rank = _register(item) if item < 0 else (item, number)
        ranks[index] = max(rank, ranks.get(index, 0))
    return ranks


def _item_of(value: Any) -> int | None:
    """The hash of a value, of which 63 bits are kept; null is no value."""
    return None if value is None else -1 - (xxh3_64_intdigest(str(value).encode()) >> 1)


def _add(state: State, item: int, number: int) -> None:
    exact = not state or next(iter(state)) < 0
    if exact and item < 0 and len(state) < MOST_EXACT:
        state[item] = 1
    elif item not in state or state[item] < number:
        if exact:
            ranks = _ranks(state, state.values())
            state.clear()
            state.update(ranks)
        for index, rank in _ranks((item,), (number,)).items():
            state[index] = max(rank, state.get(index, 0))


DISTINCT = SketchKind(
    name=f"hyperloglog-{INDEX_BITS}-{MOST_EXACT}",
    most_bytes=REGISTERS * 4,  # a register in 3 bytes, its rank in 1
    item_of=_item_of,
    add=_add,
    combine=np.maximum,
)
"""Item: below 0 a hash, with number 1; from 0 on a register, its number the largest rank of its hashes. A
sketch that is written has only the one or the other."""


def distinct(sketch: Sparse) -> int:
    """How many different values a sketch has seen."""
    items = sketch.items.tolist()
    if len(items) <= MOST_EXACT and (not items or items[-1] < 0):
        return len(items)
    counts = [0] * (_LARGEST_RANK + 1)
    ranks = _ranks(items, sketch.numbers.tolist())
    for rank in ranks.values():
        counts[rank] += 1
    counts[0] = REGISTERS - len(ranks)
    return round(_estimate(counts))


def _estimate(counts: list[int]) -> float:
    """`counts[k]`: how many registers have rank k."""
    z = REGISTERS * _tau(1 - counts[-1] / REGISTERS)
    for count in reversed(counts[1:-1]):
        z = (z + count) / 2
    z += REGISTERS * _sigma(counts[0] / REGISTERS)
    return REGISTERS * REGISTERS / (2 * log(2) * z)


def _sigma(x: float) -> float:
    if x == 1:
        return inf
    total, weight, before = x, 1.0, -1.0
    while total != before:
        x *= x
        before = total
        total += x * weight
        weight *= 2
    return total


def _tau(x: float) -> float:
    if x in (0, 1):
        return 0.0
    total, weight, before = 1 - x, 1.0, -1.0
    while total != before:
        x = sqrt(x)
        before = total
        weight /= 2
        total -= (1 - x) ** 2 * weight
    return total / 3
