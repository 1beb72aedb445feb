"""The latest state of each entity, of one view and one source partition.

A join: of all events of an entity the one with the greatest (occurred_at, rank, event_id) counts, and
`opened` is true once its opening event was among them. Order and repeats change nothing. A closed entity is
forgotten when the partition's watermark is `SLUICE_CLOSED_HOURS` past its closing event, if it was opened;
as if it had never been.

So it is with the events of each city, for whoever may see some cities alone (tables/entity_cities.py),
but for one thing: when an entity is forgotten, all its cities at once, its newest event of all decides.

Each state is held as the value of its feed record (tables/codec.py).
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Iterator, Mapping
from heapq import heapify, heappop, heappush
from typing import Any, NamedTuple

from tables.codec import decode_entity, encode_city, encode_entity
from tables.entity_cities import State, joined
from tables.fold.readers import field, instant, tuple_of
from tables.fold.times import Times
from tables.keys import of_topic
from tables.spec.fields import CITY, EventTypes, Kind, payload_fields
from tables.spec.tracked import Kept, Tracked
from tables.times import MINUTE_US


class _Stage(NamedTuple):
    rank: int
    opens: bool
    kept: str
    """What is kept of an event: the entity's id, and a tuple of event_id, city and the kept fields."""


Item = tuple[int, type[Any], tuple[Any, ...], int]
"""An event's place in its batch, its class, what is kept of it, and its occurred_at in µs."""


class EntityStore:
    """All entities of a view. `prefix`: what an id is put behind to make a feed key."""

    def __init__(self, prefix: str, tracks: Tracked, event_types: EventTypes, closed_us: int) -> None:
        self.prefix = prefix.encode()
        self.states: dict[str, bytes] = {}
        self.stages = _compile(tracks, event_types)
        self._state = tracks.state
        self._by_city = tracks.state_by_city
        members = len(tracks.state.__struct_fields__)
        # With what a record begins that has no other cities.
        self._one_city = _ARRAY | members if members <= _MOST_MEMBERS else 0
        self._closing = frozenset(stage.rank for stage in tracks.stages if stage.closes)
        self._closed_us = closed_us
        self._changed: dict[str, bytes | None] = {}
        # Ids that closed, by minute: 8 bytes each. Those of a minute whose time has come are put on the heap.
        self._closed: dict[int, list[str]] = {}
        self._due: list[tuple[int, str]] = []
        self._due_until = -(1 << 62)

    def __len__(self) -> int:
        return len(self.states)

    def fold(self, items: Iterable[Item], times: Times, at: Mapping[type[Any], int]) -> None:
        """Join events, in the order of their offsets; those of no stage are passed over.

        `times`: of the batch; `at`: where among what is kept of an event of a class this view's values are.
        """
        states, changed, stages, closing = self.states, self._changed, self.stages, self._closing
        one_city = self._one_city
        forgotten_us = times.watermark - self._closed_us
        for place, kind, kept, occurred_us in items:
            stage = stages.get(kind)
            if stage is None:
                continue
            entity_id, values = kept[at[kind]]
            rank, opened = stage.rank, stage.opens
            old = states.get(entity_id)
            if old is not None:
                was_opened, was_us, was_rank, city_at = _head(old)
                if (
                    was_us < forgotten_us
                    and was_opened
                    and was_rank in closing
                    and was_us < times.watermark_at(place) - self._closed_us
                ):
                    pass  # forgotten, if not yet deleted
                elif old[0] != one_city or not old.startswith(encode_city(values[1]), city_at):
                    self._join_city(entity_id, old, (opened, occurred_us, rank, *values))
                    continue
                elif not _follows(old, (was_us, was_rank), (occurred_us, rank), values[0]):
                    if opened and not was_opened:
                        state = decode_entity(old, self._state)
                        state.opened = True
                        states[entity_id] = changed[entity_id] = encode_entity(state)
                        if was_rank in closing:
                            self._close(entity_id, was_us)
                    continue
                else:
                    opened = opened or was_opened
            states[entity_id] = changed[entity_id] = encode_entity((opened, occurred_us, rank, *values))
            if opened and rank in closing:
                self._close(entity_id, occurred_us)

    def changes(self, watermark_us: int) -> Iterator[tuple[bytes, bytes | None]]:
        """Forget what is due, then the feed records that changed."""
        self._forget(watermark_us - self._closed_us)
        prefix = self.prefix
        for entity_id, value in self._changed.items():
            yield prefix + entity_id.encode(), value
        self._changed.clear()

    def records(self, topic: str | None = None) -> Iterator[tuple[bytes, bytes]]:
        """All entities, as feed records, of this source topic or of another one."""
        before = self.prefix if topic is None else of_topic(self.prefix, topic)
        for entity_id, value in self.states.items():
            yield before + entity_id.encode(), value

    def restore(self, records: Mapping[bytes, bytes | None]) -> Mapping[bytes, bytes | None]:
        """Take this view's records of the feed and return the others; None deletes an entity, the last word
        on it counts."""
        prefix, size = self.prefix, len(self.prefix)
        mine = [key for key in records if key.startswith(prefix)]
        if not mine:
            return records
        states, closing = self.states, self._closing
        found = [(key[size:].decode(), records[key]) for key in mine]
        states.update((entity_id, value) for entity_id, value in found if value is not None)
        for entity_id, value in found:
            if value is None:
                states.pop(entity_id, None)
            elif value[2] != _UINT64 or (value[1] == _TRUE and value[_RANK_AT] in closing):
                opened, occurred_us, rank, _ = _head(value)
                if opened and rank in closing:
                    self._close(entity_id, occurred_us)
        return {key: value for key, value in records.items() if not key.startswith(prefix)}

    def _join_city(self, entity_id: str, old: bytes, event: State) -> None:
        """Join an event of another city than the newest one, or of an entity that has several."""
        record = joined([old], self._by_city, event)
        if record == old:
            return
        self.states[entity_id] = self._changed[entity_id] = record
        opened, occurred_us, rank, _ = _head(record)
        if opened and rank in self._closing:
            self._close(entity_id, occurred_us)

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
            opened, occurred_us, rank, _ = _head(value)
            if opened and rank in self._closing and occurred_us < before_us:
                del self.states[entity_id]
                self._changed[entity_id] = None

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


_unpack_head = struct.Struct(">BBBQBB").unpack_from
_RANK_AT, _ID_AT = 11, 12
_MOST_MEMBERS = 15
_ARRAY, _TRUE, _UINT64, _TEXT, _LONG_TEXT = 0x90, 0xC3, 0xCF, 0xA0, 0xC0
"""msgpack's codes: an array, by its length up to 15; true; the 8 bytes of an unsigned int, as any time since
1970-01-01T01:12 is; a text, by its length up to 31; what comes after these: a longer one, which has its
length in the next byte."""
_BEHIND_TEXT = _ID_AT + 1 - _TEXT
_BEHIND_LONG_TEXT = _ID_AT + 2


def _head(value: bytes) -> tuple[bool, int, int, int]:
    """opened, occurred_us and rank of a state, without decoding the rest of it, and where its city is; that
    is the end where the rest has to be decoded for it."""
    try:
        array, opened, kind, occurred_us, rank, text = _unpack_head(value)
        if kind == _UINT64 and array & 0xF0 == _ARRAY and rank < 0x80:
            city_at = text + _BEHIND_TEXT if text < _LONG_TEXT else value[_ID_AT + 1] + _BEHIND_LONG_TEXT
            return opened == _TRUE, occurred_us, rank, city_at
    except struct.error:
        pass  # it has a short time
    state = decode_entity(value)
    return state.opened, state.occurred_us, state.rank, len(value)


def _follows(old: bytes, was: tuple[int, int], now: tuple[int, int], event_id: str) -> bool:
    """Whether an event at `now` (occurred_us, rank) comes after the one that `old` is of."""
    return now > was or (now == was and event_id > decode_entity(old).event_id)


def _compile(tracks: Tracked, event_types: EventTypes) -> dict[type[Any], _Stage]:
    ids = [f"payload.{name}" for name in tracks.id_fields]
    entity_id = ids[0] if len(ids) == 1 else f"':'.join({tuple_of(ids)})"
    stages = {}
    for stage in tracks.stages:
        event_type = event_types[stage.event]
        fields = payload_fields(event_type)
        kept = [_value_of(one) if one.field in fields else "None" for one in tracks.keep]
        values = tuple_of([entity_id, tuple_of(["event.event_id", field(CITY), *kept])])
        stages[event_type] = _Stage(stage.rank, stage.opens, values)
    return stages


def _value_of(kept: Kept) -> str:
    return instant(kept.field) if kept.kind is Kind.TIME else f"payload.{kept.field}"
