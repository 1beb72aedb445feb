"""What a reader holds of one windowed view: the partials of every pane, and what they come to over time.

A record of the feed stays packed until a query needs its pane; what was merged once is kept until one of its
panes changes, so that a query over a day adds up a few dozen arrays. Sums are exact: each is two 64-bit
columns, `value >> 32` and `value & 0xffffffff`, which neither 2^53-1 minor units nor billions of rows
overflow. Sketches lie beside them (tables/read/sketch_entries.py).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from operator import itemgetter
from typing import NamedTuple

import numpy as np

from tables.codec import (
    Row,
    decode_partial,
    partial_groups,
)
from tables.read.group_table import GroupTable
from tables.read.sketch_entries import Entries, Ints, combine, entries_of
from tables.times import HOUR_MINUTES

LOW_BITS = 32
LOW_MASK = (1 << LOW_BITS) - 1

DROPPED = -(1 << 63)
"""A key that `moved` leaves out."""

RECENT_HOURS = 2
"""The hours at a window's end that are left out of its span: they change with every checkpoint."""
MOST_SPANS = 8


StartOf = Callable[[int], int]


class CutHourError(ValueError):
    """An hour is kept as a whole, and a query would cut it."""

    def __init__(self, hour: int) -> None:
        super().__init__(f"epoch hour {hour} is kept as a whole; it can't be cut")
        self.hour = hour


class Part(NamedTuple):
    """What is kept by key. `keys`: int64 [n], ascending, none twice; `limbs`: int64 [n, 2 x sums], high
    halves first; `sketches`: those of the same keys, one after the other.
    """

    keys: Ints
    limbs: Ints
    sketches: tuple[Entries, ...] = ()

    def moved(self, to: Callable[[Ints], Ints]) -> Part:
        """The same under other keys, which may come twice: `PaneSums.merged` puts them in order."""
        keys = to(self.keys)
        kept = keys != DROPPED
        return Part(
            keys[kept], self.limbs[kept], tuple(entries.moved(to, DROPPED) for entries in self.sketches)
        )


def split(rows: list[list[int]]) -> Ints:
    """The limbs of integer sums: [n][sums] -> int64 [n, 2 x sums]."""
    try:
        values = np.array(rows, dtype=np.int64)
        return np.concatenate((values >> LOW_BITS, values & LOW_MASK), axis=1)
    except OverflowError:  # a sum of 2^63 or more
        high = [[value >> LOW_BITS for value in row] for row in rows]
        low = [[value & LOW_MASK for value in row] for row in rows]
        return np.concatenate((np.array(high, dtype=np.int64), np.array(low, dtype=np.int64)), axis=1)


def join(limbs: Ints) -> list[list[int]]:
    """The exact integers of limbs: int64 [n, 2 x sums] -> [n][sums]."""
    return [list(row) for row in zip(*join_columns(limbs), strict=True)]


def join_columns(limbs: Ints) -> list[list[int]]:
    """The same by sum: [sums][n]."""
    half = limbs.shape[1] // 2
    high, low = limbs[:, :half], limbs[:, half:]
    if not len(limbs) or (high.min(initial=0) > -(1 << 30) and high.max(initial=0) < 1 << 30):
        joined: list[list[int]] = ((high << LOW_BITS) + low).T.tolist()
        return joined
    exact = (high.astype(object) << LOW_BITS) + low.astype(object)
    return [[int(value) for value in column] for column in exact.T]


@dataclass(slots=True)
class _Pane:
    """One pane: packed partials by (source, shard), and their sum once it was asked for. `named`: all its
    groups are in the table of groups."""

    packed: dict[tuple[int, int], bytes] = field(default_factory=dict)
    merged: Part | None = None
    named: bool = False


@dataclass(slots=True)
class _Hour:
    """The panes of one hour: those of its minutes, and the one they are rolled into; by unit and number."""

    panes: dict[tuple[str, int], _Pane] = field(default_factory=dict)
    merged: Part | None = None


class _Span(NamedTuple):
    """What the hours before `end_hour` come to, from the hour under which it is kept."""

    end_hour: int
    part: Part


class PaneSums:
    """All panes of one windowed view with `sums` sums, and sketches that are combined by `combines`, over all
    sources (a source: a raw topic's partition).
    """

    def __init__(self, sums: int, combines: Sequence[np.ufunc] = ()) -> None:
        self.width = 2 * sums
        self.combines = combines
        self.groups = GroupTable()
        self._hours: dict[int, _Hour] = {}
        self._spans: dict[int, _Span] = {}
        """By first hour: what windows that began there were made of, as long as none of it changes."""

    def put(self, unit: str, number: int, source: int, shard: int, value: bytes | None) -> None:
        """Take a partial's value (None: it expired). `unit` m or h, `number`: epoch minute or hour."""
        at_hour = number if unit == "h" else number // HOUR_MINUTES
        hour = self._hours.setdefault(at_hour, _Hour())
        pane = hour.panes.setdefault((unit, number), _Pane())
        hour.merged = pane.merged = None
        for start in [start for start, span in self._spans.items() if start <= at_hour < span.end_hour]:
            del self._spans[start]
        if value is not None:
            pane.named = False
            pane.packed[source, shard] = value
        else:
            pane.packed.pop((source, shard), None)
            if not pane.packed:
                del hour.panes[unit, number]
            if not hour.panes:
                del self._hours[at_hour]

    def name_all_groups(self) -> None:
        """Put the groups of all panes into `groups`, also of those that no query has needed yet."""
        for hour in self._hours.values():
            for pane in hour.panes.values():
                if not pane.named:
                    for value in pane.packed.values():
                        for group in partial_groups(value):
                            self.groups.index(group)
                    pane.named = True

    def parts(self, first: int, end: int) -> dict[int, Part]:
        """What the epoch minutes [first, end) are made of, by first minute: hours, and minutes at the ends.

        A part that has not changed since is the same object.
        """
        return dict(self._parts(first, end, None))

    def total(self, first: int, end: int) -> Part:
        """Sums by group number over the epoch minutes [first, end)."""
        start, until = -(-first // HOUR_MINUTES), end // HOUR_MINUTES - RECENT_HOURS
        if start >= until:
            return self.merged(self.parts(first, end).values())
        return self.merged(
            [
                *self.parts(first, start * HOUR_MINUTES).values(),
                self._span(start, until),
                *self.parts(until * HOUR_MINUTES, end).values(),
            ]
        )

    def _span(self, start: int, until: int) -> Part:
        """Sums over the whole epoch hours [start, until), merged with what is kept of earlier calls."""
        known = self._spans.pop(start, None)
        if known is None or known.end_hour > until:
            known = _Span(start, self.merged(()))
        if known.end_hour < until:
            new = self.parts(known.end_hour * HOUR_MINUTES, until * HOUR_MINUTES)
            known = _Span(until, self.merged([known.part, *new.values()]))
        while len(self._spans) >= MOST_SPANS:
            del self._spans[next(iter(self._spans))]
        self._spans[start] = known
        return known.part

    def merged(self, parts: Iterable[Part]) -> Part:
        """Parts of this view, merged by key. Commutative and associative."""
        kept = [part for part in parts if len(part.keys)]
        if not kept:
            nothing = np.empty(0, np.int64)
            sketches = (Entries(nothing, nothing, nothing),) * len(self.combines)
            return Part(nothing, np.empty((0, self.width), np.int64), sketches)
        keys = np.concatenate([part.keys for part in kept])
        limbs = np.concatenate([part.limbs for part in kept])
        order = np.argsort(keys, kind="stable")
        keys = keys[order]
        starts = np.flatnonzero(np.concatenate(([True], keys[1:] != keys[:-1])))
        sums = np.add.reduceat(limbs[order], starts, axis=0)
        half = self.width // 2
        sums[:, :half] += sums[:, half:] >> LOW_BITS
        sums[:, half:] &= LOW_MASK
        entries = zip(*(part.sketches for part in kept), strict=True)
        merged = [combine(those, how) for those, how in zip(entries, self.combines, strict=True)]
        return Part(keys[starts], sums, tuple(merged))

    def steps(self, first: int, end: int, start_of: StartOf) -> Part:
        """Sums by `start_of(minute) * len(groups) + group number` over the epoch minutes [first, end).

        `start_of`: an epoch minute → the one at which its step begins. Raises `CutHourError`.
        """
        parts = [(start_of(at), part) for at, part in self._parts(first, end, start_of)]
        groups = len(self.groups)  # after decoding, which may have found new groups
        return self.merged(part.moved(partial(np.add, start * groups)) for start, part in parts)

    def _parts(self, first: int, end: int, start_of: StartOf | None) -> Iterator[tuple[int, Part]]:
        for at_hour in sorted(self._hours):
            start = at_hour * HOUR_MINUTES
            if start + HOUR_MINUTES <= first or start >= end:
                continue
            hour = self._hours[at_hour]
            in_one = start_of is None or start_of(start) == start_of(start + HOUR_MINUTES - 1)
            if in_one and first <= start and start + HOUR_MINUTES <= end:
                yield start, self._hour_sum(hour)
                continue
            if ("h", at_hour) in hour.panes:
                raise CutHourError(at_hour)
            for (_, minute), pane in sorted(hour.panes.items(), key=itemgetter(0)):
                if first <= minute < end:
                    yield minute, self._pane_sum(pane)

    def _hour_sum(self, hour: _Hour) -> Part:
        if hour.merged is None:
            hour.merged = self.merged(self._pane_sum(pane) for pane in hour.panes.values())
        return hour.merged

    def _pane_sum(self, pane: _Pane) -> Part:
        if pane.merged is None:
            pane.merged = self.merged(self._decode(value) for value in pane.packed.values())
        return pane.merged

    def _decode(self, value: bytes) -> Part:
        rows = decode_partial(value)
        keys = np.array([self.groups.index(group) for group, _ in rows], dtype=np.int64)
        sums = self.width // 2
        if not self.combines:
            return Part(keys, self._limbs([row for _, row in rows]))
        sketches = [entries_of(keys, [row[sums + at] for _, row in rows]) for at in range(len(self.combines))]
        return Part(keys, self._limbs([row[:sums] for _, row in rows]), tuple(sketches))

    def _limbs(self, rows: list[Row]) -> Ints:
        return split(rows) if rows else np.empty((0, self.width), np.int64)
