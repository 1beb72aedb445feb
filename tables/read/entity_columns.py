"""What a reader holds of tracked entities: one slot each, its numbers in columns, merged over all sources.

Where an entity is on several sources (its producer's keys or the partition count changed), the newest state
by (occurred_at, rank, event_id) counts. A slot's columns hold what aggregates need; the rest stays packed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from operator import attrgetter
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from schemas.times import SECOND_US
from tables.codec import Group, decode_entity
from tables.read.pane_sums import LOW_BITS, LOW_MASK, GroupTable
from tables.spec.entity_measures import EntityMeasure, PerGroup
from tables.spec.fields import Kind
from tables.spec.tracked import Deadline, EntityState, Selection, Tracked

FREE = -1
"""Rank of a slot that holds no entity."""

NULL = -(1 << 63)
"""A null in an int64 column."""

FIRST_CAPACITY = 1024
CHUNK = 4096
"""Entities stored at a time: enough for numpy, few enough to keep the decoded ones out of old generations."""

Mask = npt.NDArray[np.bool_]
Column = npt.NDArray[Any]


class EntityColumns:
    """All entities of one view. `group_fields`: what they are grouped by, `city` and kept fields."""

    def __init__(self, tracks: Tracked, group_fields: tuple[str, ...]) -> None:
        self.tracks = tracks
        self.groups = GroupTable()
        self.ids: list[str | None] = []
        self.packed: list[bytes | None] = []
        self._owner: list[int] = []
        self._slots: dict[str, int] = {}
        self._free: list[int] = []
        self._shared: dict[str, dict[int, bytes]] = {}
        self._group_of = _values_of(group_fields)
        compared = {field for selection in tracks.selections for field, _ in selection.where}
        self._codes = {field: GroupTable() for field in sorted(compared)}
        numbers = [kept.field for kept in tracks.keep if kept.kind in (Kind.WHOLE, Kind.TIME)]
        self._numbers = [(f"n:{field}", attrgetter(field)) for field in numbers]
        self._columns: dict[str, Column] = {
            "rank": np.full(FIRST_CAPACITY, FREE, np.int16),
            "occurred": np.zeros(FIRST_CAPACITY, np.int64),
            "group": np.zeros(FIRST_CAPACITY, np.int32),
            **{f"n:{field}": np.zeros(FIRST_CAPACITY, np.int64) for field in numbers},
            **{f"c:{field}": np.zeros(FIRST_CAPACITY, np.int32) for field in self._codes},
        }

    def __len__(self) -> int:
        return len(self._slots)

    def put_many(self, source: int, items: Iterable[tuple[str, bytes | None]]) -> None:
        """Take entities' newest values on one source, no id twice; None: that source has forgotten it."""
        changed: dict[int, EntityState] = {}
        for entity_id, value in items:
            if len(changed) >= CHUNK:
                self._store(changed)
                changed = {}
            if value is None:
                self._forget(source, entity_id, changed)
                continue
            state = decode_entity(value, self.tracks.state)
            slot = self._slots.get(entity_id)
            if slot is None:
                slot = self._take_slot(entity_id)
            elif entity_id in self._shared or self._owner[slot] != source:
                packed = self.packed[slot]
                assert packed is not None
                shares = self._shared.setdefault(entity_id, {self._owner[slot]: packed})
                shares[source] = value
                self._settle(slot, shares, changed)
                continue
            self._owner[slot] = source
            self.packed[slot] = value
            changed[slot] = state
        self._store(changed)

    def _take_slot(self, entity_id: str) -> int:
        if self._free:
            slot = self._free.pop()
            self.ids[slot] = entity_id
        else:
            slot = len(self.ids)
            self.ids.append(entity_id)
            self.packed.append(None)
            self._owner.append(FREE)
        self._slots[entity_id] = slot
        return slot

    def _settle(self, slot: int, shares: dict[int, bytes], changed: dict[int, EntityState]) -> None:
        """Let the newest of several sources' states fill the slot."""
        decoded = {source: decode_entity(value, self.tracks.state) for source, value in shares.items()}
        winner = max(decoded, key=lambda source: decoded[source].place)
        self._owner[slot] = winner
        self.packed[slot] = shares[winner]
        changed[slot] = decoded[winner]

    def _forget(self, source: int, entity_id: str, changed: dict[int, EntityState]) -> None:
        slot = self._slots.get(entity_id)
        if slot is None:
            return
        shares = self._shared.get(entity_id)
        if shares is not None:
            shares.pop(source, None)
            self._settle(slot, shares, changed)
            if len(shares) == 1:
                del self._shared[entity_id]
        elif self._owner[slot] == source:
            del self._slots[entity_id]
            self.ids[slot] = self.packed[slot] = None
            self._columns["rank"][slot] = FREE
            self._free.append(slot)

    def _store(self, changed: dict[int, EntityState]) -> None:
        self._grow(len(self.ids))
        columns, slots, states = self._columns, list(changed), list(changed.values())
        columns["rank"][slots] = [state.rank for state in states]
        columns["occurred"][slots] = [state.occurred_us for state in states]
        index, group_of = self.groups.index, self._group_of
        columns["group"][slots] = [index(group_of(state)) for state in states]
        for name, value_of in self._numbers:
            values = [value_of(state) for state in states]
            columns[name][slots] = [NULL if value is None else value for value in values]
        for field, codes in self._codes.items():
            columns[f"c:{field}"][slots] = [codes.index((getattr(state, field),)) for state in states]

    def _grow(self, needed: int) -> None:
        """Double the columns until they have room."""
        while len(self._columns["rank"]) < needed:
            for name, column in self._columns.items():
                fresh = np.full_like(column, FREE if name == "rank" else 0)
                self._columns[name] = np.concatenate((column, fresh))

    def column(self, name: str) -> Column:
        """A column over all slots, free ones included: `rank`, `occurred` (µs) or `group` (number)."""
        return self._columns[name][: len(self.ids)]

    def live(self) -> Mask:
        """Slots that hold an entity."""
        mask: Mask = self.column("rank") != FREE
        return mask

    def select(self, selection: Selection, as_of_us: int) -> Mask:
        """Slots whose entity is in the selection at `as_of_us`."""
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

    def measure(self, measures: Sequence[EntityMeasure], as_of_us: int) -> dict[int, dict[str, int | None]]:
        """Group number → measure → what is kept of it, for every group that has an entity."""
        group = self.column("group")
        size = len(self.groups)
        present = np.flatnonzero(np.bincount(group[self.live()], minlength=size))
        table: dict[int, dict[str, int | None]] = {int(number): {} for number in present}
        chosen: dict[str, ChosenSlots] = {}
        for measure in measures:
            if measure.of not in chosen:
                slots = np.flatnonzero(self.select(self.tracks.by_selection[measure.of], as_of_us))
                chosen[measure.of] = ChosenSlots(self, slots, group[slots], size)
            values = measure.over(chosen[measure.of])
            for number, row in table.items():
                row[measure.name] = values[number]
        return table

    def state(self, slot: int) -> EntityState:
        """The entity in a slot."""
        packed = self.packed[slot]
        assert packed is not None
        return decode_entity(packed, self.tracks.state)


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
