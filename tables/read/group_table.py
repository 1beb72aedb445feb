"""Numbers for groups, and the groups that are left where fewer dimensions are asked for."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np

from tables.codec import Group
from tables.read.sketch_entries import Ints

MOST_PROJECTIONS = 8


class Projected(NamedTuple):
    """Groups by some of their values. `shown`: these, sorted, none twice; `place`: where a group's are among
    them, by its number.
    """

    shown: list[Group]
    place: Ints


@dataclass
class _Projection:
    """What is kept of a projection, so that new groups alone are looked at: for each of what is shown, in the
    order in which it came, its sorting key; for each group the number of what it shows as."""

    index: dict[Group, int] = field(default_factory=dict)
    keys: list[tuple[tuple[bool, Any], ...]] = field(default_factory=list)
    order: list[int] = field(default_factory=list)
    number_of: list[int] = field(default_factory=list)
    newest: Projected = field(default_factory=lambda: Projected([], np.zeros(0, np.int64)))


class GroupTable:
    """Numbers for groups (tuples of dimension values), in the order in which they were first seen."""

    def __init__(self) -> None:
        self.groups: list[Group] = []
        self._index: dict[Group, int] = {}
        self._values: dict[int, tuple[set[Any], int]] = {}
        self._projections: dict[tuple[int, ...], _Projection] = {}

    def index(self, group: Group) -> int:
        """The group's number, the next free one if it is new."""
        found = self._index.get(group)
        if found is None:
            found = self._index[group] = len(self.groups)
            self.groups.append(group)
        return found

    def values(self, at: int) -> set[Any]:
        """All values that groups have at a place. Each group is looked at once, however often one asks."""
        found, seen = self._values.get(at, (set(), 0))
        found.update(group[at] for group in self.groups[seen:])
        self._values[at] = (found, len(self.groups))
        return found

    def projected(self, places: Sequence[int]) -> Projected:
        """All groups by their values at these places. Each is looked at once, however often one asks."""
        key = tuple(places)
        kept = self._projections.pop(key, None) or _Projection()
        while len(self._projections) >= MOST_PROJECTIONS:
            del self._projections[next(iter(self._projections))]
        self._projections[key] = kept
        if len(kept.number_of) < len(self.groups):
            self._project(kept, key)
        return kept.newest

    def _project(self, kept: _Projection, places: tuple[int, ...]) -> None:
        known = len(kept.index)
        for group in self.groups[len(kept.number_of) :]:
            shown = tuple([group[at] for at in places])
            number = kept.index.setdefault(shown, len(kept.index))
            if number == len(kept.keys):
                kept.keys.append(sort_key(shown))
            kept.number_of.append(number)
        if len(kept.index) > known:  # what was sorted stays so, which makes it quick
            kept.order.extend(range(known, len(kept.index)))
            kept.order.sort(key=kept.keys.__getitem__)
        rank = np.empty(len(kept.order), np.int64)
        rank[kept.order] = np.arange(len(kept.order))
        arrived = list(kept.index)
        kept.newest = Projected([arrived[number] for number in kept.order], rank[kept.number_of])

    def __len__(self) -> int:
        return len(self.groups)


def sort_key(group: Group) -> tuple[tuple[bool, Any], ...]:
    """Sorts groups by their dimensions, null first; the values of one dimension are of one type."""
    return tuple([(value is not None, "" if value is None else value) for value in group])
