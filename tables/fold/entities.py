"""The latest state of each entity, of one view and one source partition.

A join: of all events of an entity the one with the greatest (occurred_at, rank, event_id) counts, and
`opened` is true once its opening event was among them. Order and repeats change nothing. A closed entity is
forgotten when the partition's watermark is `SLUICE_CLOSED_HOURS` past its closing event, if it was opened;
as if it had never been.

Each state is held as the value of its feed record (tables/codec.py).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from heapq import heapify, heappop, heappush
from operator import attrgetter
from struct import Struct
from typing import Any, NamedTuple

from schemas.times import micros
from tables.codec import decode_entity, encode_entity
from tables.spec.fields import Event, EventTypes, Kind, payload_fields
from tables.spec.tracked import EntityState, Kept, Tracked
from tables.times import MINUTE_US


class _Stage(NamedTuple):
    rank: int
    opens: bool
    id_of: Callable[[Any], str]
    readers: list[Callable[[Any], Any]]
    """What reads each kept field of a payload."""


class EntityStore:
    """All entities of a view. `prefix`: what an id is put behind to make a feed key."""

    def __init__(self, prefix: str, tracks: Tracked, event_types: EventTypes, closed_us: int) -> None:
        self.prefix = prefix.encode()
        self.states: dict[str, bytes] = {}
        self.stages = _compile(tracks, event_types)
        self._state = tracks.state
        self._closing = frozenset(stage.rank for stage in tracks.stages if stage.closes)
        self._closed_us = closed_us
        self._changed: set[str] = set()
        # Ids that closed, by minute: 8 bytes each. Those of a minute whose time has come are put on the heap.
        self._closed: dict[int, list[str]] = {}
        self._due: list[tuple[int, str]] = []
        self._due_until = -(1 << 62)

    def __len__(self) -> int:
        return len(self.states)

    def fold(self, items: Iterable[tuple[Event, int, int]]) -> None:
        """Join events, in the order of their offsets; those of no stage are passed over.

        An item: the event, its occurred_at in µs, the partition's watermark with it in, in µs.
        """
        states, stages, closing, make = self.states, self.stages, self._closing, self._state
        for event, occurred_us, watermark_us in items:
            stage = stages.get(event.__class__)
            if stage is None:
                continue
            payload = event.payload
            entity_id = stage.id_of(payload)
            rank, opened = stage.rank, stage.opens
            old = states.get(entity_id)
            if old is not None:
                was_opened, was_us, was_rank = _head(old)
                if was_opened and was_rank in closing and was_us < watermark_us - self._closed_us:
                    pass  # forgotten, if not yet deleted
                elif not _follows(old, (was_us, was_rank), (occurred_us, rank), event.event_id):
                    if opened and not was_opened:
                        state = decode_entity(old, self._state)
                        state.opened = True
                        self._put(entity_id, state)
                    continue
                else:
                    opened = opened or was_opened
            kept = [read(payload) for read in stage.readers]
            self._put(entity_id, make(opened, occurred_us, rank, event.event_id, event.city, *kept))

    def changes(self, watermark_us: int) -> Iterator[tuple[bytes, bytes | None]]:
        """Forget what is due, then the feed records that changed."""
        self._forget(watermark_us - self._closed_us)
        states, prefix = self.states, self.prefix
        for entity_id in self._changed:
            yield prefix + entity_id.encode(), states.get(entity_id)
        self._changed.clear()

    def restore(self, entity_id: str, value: bytes | None) -> None:
        """Take a record from the feed; None deletes it, the last word on an id counts."""
        if value is None:
            self.states.pop(entity_id, None)
        else:
            self.states[entity_id] = value

    def restored(self) -> None:
        """Call it when every record has been restored."""
        closing = self._closing
        for entity_id, value in self.states.items():
            opened, occurred_us, rank = _head(value)
            if opened and rank in closing:
                self._close(entity_id, occurred_us)

    def _put(self, entity_id: str, state: EntityState) -> None:
        self._changed.add(entity_id)
        self.states[entity_id] = encode_entity(state)
        if state.opened and state.rank in self._closing:
            self._close(entity_id, state.occurred_us)

    def _close(self, entity_id: str, occurred_us: int) -> None:
        if occurred_us < self._due_until:
            heappush(self._due, (occurred_us, entity_id))
        else:
            self._closed.setdefault(occurred_us // MINUTE_US, []).append(entity_id)

    def _forget(self, before_us: int) -> None:
        """Drop the opened entities that closed before this."""
        self._call_due(before_us)
        while self._due and self._due[0][0] < before_us:
            _, entity_id = heappop(self._due)
            value = self.states.get(entity_id)
            if value is None:
                continue
            opened, occurred_us, rank = _head(value)
            if opened and rank in self._closing and occurred_us < before_us:
                del self.states[entity_id]
                self._changed.add(entity_id)

    def _call_due(self, before_us: int) -> None:
        minute = before_us // MINUTE_US
        if (minute + 1) * MINUTE_US <= self._due_until:
            return
        self._due_until = (minute + 1) * MINUTE_US
        for number in [number for number in self._closed if number <= minute]:
            for entity_id in self._closed.pop(number):
                value = self.states.get(entity_id)
                if value is not None:
                    self._due.append((_head(value)[1], entity_id))
        heapify(self._due)


_HEAD = Struct(">BBBQB")


def _head(value: bytes) -> tuple[bool, int, int]:
    """opened, occurred_us and rank of a state, without decoding the rest of it."""
    array, opened, kind, occurred_us, rank = _HEAD.unpack_from(value)
    # 9x: an array; c2, c3: false, true; cf: 8 bytes of an unsigned int, as any time since 1970-01-01T01:12.
    if kind == 0xCF and array & 0xF0 == 0x90 and rank < 0x80:
        return opened == 0xC3, occurred_us, rank
    state = decode_entity(value)
    return state.opened, state.occurred_us, state.rank


def _follows(old: bytes, was: tuple[int, int], now: tuple[int, int], event_id: str) -> bool:
    """Whether an event at `now` (occurred_us, rank) comes after the one that `old` is of."""
    return now > was or (now == was and event_id > decode_entity(old).event_id)


def _compile(tracks: Tracked, event_types: EventTypes) -> dict[type[Any], _Stage]:
    id_of = _id_getter(tracks.id_fields)
    stages = {}
    for stage in tracks.stages:
        event_type = event_types[stage.event]
        fields = payload_fields(event_type)
        readers = [_field_reader(kept) if kept.field in fields else _null for kept in tracks.keep]
        stages[event_type] = _Stage(stage.rank, stage.opens, id_of, readers)
    return stages


def _id_getter(id_fields: tuple[str, ...]) -> Callable[[Any], str]:
    fields_of: Callable[[Any], Any] = attrgetter(*id_fields)
    return fields_of if len(id_fields) == 1 else lambda payload: ":".join(fields_of(payload))


def _null(_payload: Any) -> None:
    """Reads a field that the payload does not have."""


def _field_reader(kept: Kept) -> Callable[[Any], Any]:
    value_of: Callable[[Any], Any] = attrgetter(kept.field)
    if kept.kind is not Kind.TIME:
        return value_of

    def micros_of(payload: Any) -> int | None:
        instant = value_of(payload)
        return None if instant is None else micros(instant)

    return micros_of
