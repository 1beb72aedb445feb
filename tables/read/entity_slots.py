"""Which entities a reader's slots hold, and the records that they are filled from, merged over all sources.

Where an entity is on several sources (its producer's keys or the partition count changed), the newest state
by (occurred_at, rank, event_id) counts, and in each city the newest one there.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import NamedTuple

from tables.codec import decode_entity
from tables.entity_cities import joined
from tables.spec.tracked import EntityState, Tracked, elsewhere

FREE = -1
"""Stands for no entity."""
CHUNK = 4096
"""Entities taken at a time: enough for numpy, few enough to keep the decoded ones out of old generations."""


class Filled(NamedTuple):
    """What comes into slots. `freed`: those that nothing is in any more, before `states` come.

    `parted`: those of entities that have, or had, several cities → the entity's first slot, and how many of
    its cities are newer.
    """

    states: dict[int, EntityState]
    freed: list[int]
    parted: dict[int, tuple[int, int]]


class EntitySlots:
    """The slots of one view's entities. `ids`: whose each is, None where it is free."""

    def __init__(self, tracks: Tracked) -> None:
        self.ids: list[str | None] = []
        self._tracks = tracks
        self._records: list[bytes] = []
        self._owner: list[int] = []
        self._first: dict[str, int] = {}
        self._behind: dict[str, list[int]] = {}
        self._shared: dict[str, dict[int, bytes]] = {}
        self._free: list[int] = []

    def __len__(self) -> int:
        return len(self._first)

    @property
    def parted(self) -> bool:
        """Whether any entity has several cities."""
        return bool(self._behind)

    def put_many(self, source: int, items: Iterable[tuple[str, bytes | None]]) -> Iterator[Filled]:
        """Take entities' newest records on one source, no id twice; None: that source has forgotten it.

        What each says is to be taken before the next one. Raises `FeedFormatError`.
        """
        filled = Filled({}, [], {})
        states, firsts, behind, by_city = filled.states, self._first, self._behind, self._tracks.state_by_city
        for entity_id, value in items:
            if len(states) >= CHUNK:
                yield filled
                for part in filled:
                    part.clear()
            slot = firsts.get(entity_id)
            record = value
            if slot is not None and (entity_id in self._shared or self._owner[slot] != source):
                record = self._merged(source, entity_id, value)
            if record is None:
                if slot is not None:
                    self._forget(entity_id, filled)
                continue
            state = decode_entity(record, by_city)
            if slot is None:
                slot = firsts[entity_id] = self._take(entity_id)
                self._owner[slot] = source
            self._records[slot] = record
            states[slot] = state
            if entity_id in behind or elsewhere(state):
                self._part(entity_id, state, filled)
        yield filled

    def state(self, slot: int, behind: int) -> EntityState:
        """The state in a slot, before which so many of the entity's cities are newer."""
        if not behind:
            return decode_entity(self._records[slot], self._tracks.state)
        return elsewhere(decode_entity(self._records[slot], self._tracks.state_by_city))[behind - 1]

    def _merged(self, source: int, entity_id: str, value: bytes | None) -> bytes | None:
        """The record of an entity that several sources have, or had."""
        slot = self._first[entity_id]
        known = self._shared.get(entity_id, {self._owner[slot]: self._records[slot]})
        shares = {of: record for of, record in {**known, source: value}.items() if record is not None}
        record = joined(shares.values(), self._tracks.state_by_city) if shares else None
        if len(shares) > 1:
            self._shared[entity_id] = shares
        else:
            self._shared.pop(entity_id, None)
            self._owner[slot] = next(iter(shares), FREE)
        return record

    def _part(self, entity_id: str, state: EntityState, filled: Filled) -> None:
        """Give an entity a slot for each other city that it has now."""
        first, slots, others = self._first[entity_id], self._behind.pop(entity_id, []), elsewhere(state)
        while len(slots) < len(others):
            slots.append(self._take(entity_id))
        for slot in slots[len(others) :]:
            self._release(slot, filled)
        del slots[len(others) :]
        if slots:
            self._behind[entity_id] = slots
        filled.parted[first] = (first, 0)
        for number, (slot, other) in enumerate(zip(slots, others, strict=True), 1):
            self._records[slot] = self._records[first]
            filled.states[slot] = other
            filled.parted[slot] = (first, number)

    def _take(self, entity_id: str) -> int:
        if self._free:
            slot = self._free.pop()
            self.ids[slot] = entity_id
            return slot
        self.ids.append(entity_id)
        self._records.append(b"")
        self._owner.append(FREE)
        return len(self.ids) - 1

    def _forget(self, entity_id: str, filled: Filled) -> None:
        for slot in (self._first.pop(entity_id), *self._behind.pop(entity_id, ())):
            self._release(slot, filled)

    def _release(self, slot: int, filled: Filled) -> None:
        self.ids[slot], self._records[slot] = None, b""
        self._free.append(slot)
        filled.freed.append(slot)
