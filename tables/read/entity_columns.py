"""What a reader holds of tracked entities: their numbers in columns, merged over all sources.

An entity has a slot, and one more for each other city that its events are of. All see the newest of what they
may see: who may see all, the first slot; who may see some cities, the newest of those. A slot's columns hold
what aggregates need; the rest stays packed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from operator import attrgetter
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from schemas.times import SECOND_US
from tables.codec import Group
from tables.entity_cities import MOST_CITIES
from tables.read.entity_slots import FREE, EntitySlots, Filled
from tables.read.group_table import GroupTable
from tables.read.pane_sums import LOW_BITS, LOW_MASK
from tables.scope import Scope, sees
from tables.spec.entity_measures import EntityMeasure, PerGroup
from tables.spec.fields import CITY, Kind
from tables.spec.tracked import Deadline, EntityState, Selection, Tracked

NULL = -(1 << 63)
"""A null in an int64 column."""

FIRST_CAPACITY = 1024

Mask = npt.NDArray[np.bool_]
Column = npt.NDArray[Any]

_EMPTY = {"rank": FREE, "first": FREE}
"""What is in a column where there is no entity; 0 in the others."""


class EntityColumns:
    """All entities of one view. `group_fields`: what they are grouped by, `city` and kept fields.

    Columns, by slot: `rank`; `occurred`, µs; `group`, its number in `groups`; `first`: the first slot of an
    entity that has or had several cities, `FREE` of others; `behind`: how many of its cities are newer.
    """

    def __init__(self, tracks: Tracked, group_fields: tuple[str, ...]) -> None:
        self.tracks = tracks
        self.groups = GroupTable()
        self._slots = EntitySlots(tracks)
        self._city = group_fields.index(CITY)
        self._group_of = _values_of(group_fields)
        compared = {field for selection in tracks.selections for field, _ in selection.where}
        self._codes = {field: GroupTable() for field in sorted(compared)}
        numbers = [kept.field for kept in tracks.keep if kept.kind in (Kind.WHOLE, Kind.TIME)]
        self._numbers = [(f"n:{field}", attrgetter(field)) for field in numbers]
        types: dict[str, type[np.signedinteger[Any]]] = {
            "rank": np.int16,
            "occurred": np.int64,
            "group": np.int32,
            "first": np.int32,
            "behind": np.int16,
            **{f"n:{field}": np.int64 for field in numbers},
            **{f"c:{field}": np.int32 for field in self._codes},
        }
        self._columns: dict[str, Column] = {
            name: np.full(FIRST_CAPACITY, _EMPTY.get(name, 0), kind) for name, kind in types.items()
        }

    def __len__(self) -> int:
        return len(self._slots)

    @property
    def ids(self) -> list[str | None]:
        """The entity of each slot; None where it is free."""
        return self._slots.ids

    def put_many(self, source: int, items: Iterable[tuple[str, bytes | None]]) -> None:
        """Take entities' newest records on one source, no id twice; None: that source has forgotten it.

        Raises `FeedFormatError`.
        """
        for filled in self._slots.put_many(source, items):
            self._grow(len(self.ids))
            self._store(filled)

    def _store(self, filled: Filled) -> None:
        columns, slots, states = self._columns, list(filled.states), list(filled.states.values())
        for name in ("rank", "first", "behind"):
            columns[name][filled.freed] = _EMPTY.get(name, 0)
        columns["rank"][slots] = [state.rank for state in states]
        columns["occurred"][slots] = [state.occurred_us for state in states]
        index, group_of = self.groups.index, self._group_of
        columns["group"][slots] = [index(group_of(state)) for state in states]
        for name, value_of in self._numbers:
            values = [value_of(state) for state in states]
            columns[name][slots] = [NULL if value is None else value for value in values]
        for field, codes in self._codes.items():
            columns[f"c:{field}"][slots] = [codes.index((getattr(state, field),)) for state in states]
        for slot, (first, behind) in filled.parted.items():
            columns["first"][slot], columns["behind"][slot] = first, behind

    def _grow(self, needed: int) -> None:
        """Double the columns until they have room."""
        while len(self._columns["rank"]) < needed:
            for name, column in self._columns.items():
                fresh = np.full_like(column, _EMPTY.get(name, 0))
                self._columns[name] = np.concatenate((column, fresh))

    def column(self, name: str) -> Column:
        """A column over all slots, free ones included."""
        return self._columns[name][: len(self.ids)]

    def seen(self, scope: Scope) -> Mask:
        """Slots that hold what entities are to whoever has this scope: one at most of each."""
        mask: Mask = self.column("rank") != FREE
        if scope is None:
            return mask & (self.column("behind") == 0) if self._slots.parted else mask
        permitted = np.array([sees(scope, group[self._city]) for group in self.groups.groups] or [False])
        mask &= permitted[self.column("group")]
        if self._slots.parted:
            slots = np.flatnonzero(mask & (self.column("first") != FREE))
            first, behind = self.column("first")[slots], self.column("behind")[slots]
            newest = np.full(len(mask), MOST_CITIES, np.int16)
            np.minimum.at(newest, first, behind)
            mask[slots[behind != newest[first]]] = False
        return mask

    def select(self, selection: Selection | None, as_of_us: int, scope: Scope = None) -> Mask:
        """Slots of the entities that are in the selection at `as_of_us`, as they are seen; None: of all."""
        seen = self.seen(scope)
        return seen if selection is None else seen & self._selected(selection, as_of_us)

    def _selected(self, selection: Selection, as_of_us: int) -> Mask:
        rank = self.column("rank")
        mask: Mask = np.zeros(len(rank), np.bool_)
        for number, stage in self.tracks.by_rank.items():  # isin takes ten times as long
            if stage.state in selection.states:
                mask |= rank == number
        for field, value in selection.where:
            mask &= self.column(f"c:{field}") == self._codes[field].index((value,))
        if selection.deadline is not None:
            mask &= self._due(selection.deadline, as_of_us)
        return mask

    def _due(self, deadline: Deadline, as_of_us: int) -> Mask:
        due = self.column(f"n:{deadline.field}")
        mask: Mask = due != NULL
        if deadline.since_seconds is not None:
            mask &= due >= as_of_us + deadline.since_seconds * SECOND_US
        if deadline.until_seconds is not None:
            mask &= due < as_of_us + deadline.until_seconds * SECOND_US
        return mask

    def count(self, selection: Selection, as_of_us: int) -> int:
        """How many entities are in the selection at `as_of_us`, over all groups."""
        return int(np.count_nonzero(self.select(selection, as_of_us)))

    def measure(
        self, measures: Sequence[EntityMeasure], as_of_us: int, scope: Scope = None
    ) -> dict[int, dict[str, int | None]]:
        """Group number → measure → what is kept of it, for every group that has an entity, as it is seen."""
        group, seen = self.column("group"), self.seen(scope)
        size = len(self.groups)
        present = np.flatnonzero(np.bincount(group[seen], minlength=size))
        table: dict[int, dict[str, int | None]] = {int(number): {} for number in present}
        chosen: dict[str, ChosenSlots] = {}
        for measure in measures:
            if measure.of not in chosen:
                selected = self._selected(self.tracks.by_selection[measure.of], as_of_us)
                slots = np.flatnonzero(selected & seen)
                chosen[measure.of] = ChosenSlots(self, slots, group[slots], size)
            values = measure.over(chosen[measure.of])
            for number, row in table.items():
                row[measure.name] = values[number]
        return table

    def state(self, slot: int) -> EntityState:
        """The entity in a slot."""
        return self._slots.state(slot, int(self.column("behind")[slot]))


class ChosenSlots(NamedTuple):
    """The entities of a selection: their slots, the group of each, and how many groups there are."""

    columns: EntityColumns
    slots: Column
    groups: Column
    size: int

    def counts(self) -> PerGroup:
        """How many, by group number."""
        counts: PerGroup = np.bincount(self.groups, minlength=self.size).tolist()
        return counts

    def earliest(self) -> PerGroup:
        """The earliest times of their latest events, in µs; None where there is none."""
        earliest = np.full(self.size, np.iinfo(np.int64).max)
        np.minimum.at(earliest, self.groups, self.columns.column("occurred")[self.slots])
        return [at if count else None for at, count in zip(earliest.tolist(), self.counts(), strict=True)]

    def totals(self, field: str) -> PerGroup:
        """The exact sums of a kept int; None where no entity has one."""
        values = self.columns.column(f"n:{field}")[self.slots]
        there = values != NULL
        values, groups = values[there], self.groups[there]
        high, low = np.zeros(self.size, np.int64), np.zeros(self.size, np.int64)
        np.add.at(high, groups, values >> LOW_BITS)
        np.add.at(low, groups, values & LOW_MASK)
        found = np.bincount(groups, minlength=self.size).tolist()
        sums = zip(high.tolist(), low.tolist(), found, strict=True)
        return [(h << LOW_BITS) + n if count else None for h, n, count in sums]


def _values_of(fields: tuple[str, ...]) -> Callable[[EntityState], Group]:
    values: Callable[[EntityState], Any] = attrgetter(*fields)
    return values if len(fields) > 1 else lambda state: (values(state),)
