"""Validation of Kafka record values (docs/contract.md §1): the fast decoder and batch checks first, and the complete
judgement for what they refuse. Both give the same verdict on every record.
"""

from __future__ import annotations

import re
from operator import attrgetter, methodcaller
from typing import NamedTuple

import msgspec

from schemas.avro import AvroDecoder, AvroRefused
from schemas.decode import DECODER, EVENT_TYPES, PAYLOAD_PATTERNS, Event, pattern_of
from schemas.judge import FUTURE_SECONDS, is_future, judge_json, judge_object
from schemas.reasons import Quarantined, Reason, quarantined
from schemas.types import Envelope

DEFAULT_MAX_EVENT_BYTES = 65536


class Decoded(NamedTuple):
    """A batch's verdicts. `events` and `times` are aligned with the batch: an event and its time in seconds UTC, or
    None and 0.0 for a bad record. `bad` holds (index, verdict), ascending."""

    events: list[Event | None]
    times: list[float]
    bad: list[tuple[int, Quarantined]]


class Validator:
    """Judges records. `avro` reads those in Confluent's wire format; without it every schema id is unknown."""

    def __init__(self, max_event_bytes: int = DEFAULT_MAX_EVENT_BYTES, avro: AvroDecoder | None = None) -> None:
        self.max_event_bytes = max_event_bytes
        self._avro = avro or AvroDecoder({})

    def validate(self, value: bytes | None, timestamp_ms: int) -> Event | Quarantined:
        """Judge one record; `timestamp_ms` is its Kafka timestamp (−1: it has none)."""
        events, _, bad = self.decode_batch([value], [timestamp_ms])
        return bad[0][1] if events[0] is None else events[0]

    def judge(self, value: bytes | None, timestamp_ms: int) -> Event | Quarantined:
        """The complete judgement, without the fast decoder; the verdict is that of `validate`."""
        if value is not None and len(value) > self.max_event_bytes:
            return quarantined(
                Reason.TOO_LARGE, f"the record has {len(value)} bytes; {self.max_event_bytes} are allowed"
            )
        if not value:
            return quarantined(Reason.EMPTY, "the record has no value")
        if value[0] != 0:
            return judge_json(value, timestamp_ms)
        try:
            members = self._avro.decode(value)
        except AvroRefused as refused:
            return quarantined(refused.reason, str(refused))
        return judge_object(members, timestamp_ms)

    def decode_batch(self, values: list[bytes | None], timestamps_ms: list[int]) -> Decoded:
        """Judge the records of a batch; `timestamps_ms` are their Kafka timestamps, aligned with `values`."""
        if not values:
            return Decoded([], [], [])
        events, suspects = _decode(values)
        times = list(map(_timestamp, map(_occurred_at, events)))
        suspects |= _bad_bytes(values, self.max_event_bytes)
        suspects |= _bad_texts(events)
        suspects |= _in_future(times, timestamps_ms)
        if not suspects:
            return Decoded(events, times, [])  # type: ignore[arg-type]
        bad: list[tuple[int, Quarantined]] = []
        judged: list[Event | None] = [*events]
        for index in sorted(suspects):
            verdict = self.judge(values[index], timestamps_ms[index])
            if isinstance(verdict, Quarantined):
                judged[index], times[index] = None, 0.0
                bad.append((index, verdict))
            else:
                judged[index], times[index] = verdict, verdict.occurred_at.timestamp()
        return Decoded(judged, times, bad)


_occurred_at = attrgetter("occurred_at")
_timestamp = methodcaller("timestamp")
_PLACEHOLDER = DECODER.decode(
    b'{"event_id":"-","event":"booking.expired","version":1,"occurred_at":"1970-01-01T00:00:00Z","source":"-",'
    b'"payload":{"booking_id":"-"}}'
)
"""Stands in a batch for a record that the decoder refused: it passes every check."""


def _decode(values: list[bytes | None]) -> tuple[list[Event], set[int]]:
    """Decode all records; those refused are placeholders, and their indexes are returned too.

    `list.extend` keeps what it had before an iterator raised, so a bad record costs one exception and no restart.
    """
    events: list[Event] = []
    refused: set[int] = set()
    rest = map(DECODER.decode, values)  # type: ignore[arg-type]
    while True:
        try:
            events.extend(rest)
            return events, refused
        except (msgspec.MsgspecError, ValueError, TypeError, RecursionError):
            refused.add(len(events))
            events.append(_PLACEHOLDER)


_NO_COLON = re.compile(rb'[+-][0-9]{4}"')


def _bad_bytes(values: list[bytes | None], limit: int) -> set[int]:
    """Indexes of records that are too large, not UTF-8, or may have an offset without a colon."""
    try:
        joined = b"\n".join(values)  # type: ignore[arg-type]
    except TypeError:
        values = [value or b"" for value in values]
        joined = b"\n".join(values)  # type: ignore[arg-type]
    suspects: set[int] = set()
    if max(map(len, values)) > limit:  # type: ignore[arg-type]
        suspects.update(index for index, value in enumerate(values) if value and len(value) > limit)
    if not joined.isascii():
        suspects.update(index for index, value in enumerate(values) if value and not _is_utf8(value))
    if _NO_COLON.search(joined):
        suspects.update(index for index, value in enumerate(values) if value and _NO_COLON.search(value))
    return suspects


def _is_utf8(value: bytes) -> bool:
    try:
        value.decode()
    except UnicodeDecodeError:
        return False
    return True


_EVENT_ID = re.compile(pattern_of(Envelope.model_fields["event_id"]) or "")
_ID_BYTES = bytes(code for code in range(128) if _EVENT_ID.fullmatch(chr(code)))
_event_id = attrgetter("event_id")
_PATTERNED = [
    (attrgetter("city"), re.compile(pattern_of(Envelope.model_fields["city"]) or "")),
    *((attrgetter(f"payload.{name}"), pattern) for name, pattern in PAYLOAD_PATTERNS.items()),
]


def _bad_texts(events: list[Event]) -> set[int]:
    """Indexes of events with a text outside its pattern."""
    suspects: set[int] = set()
    if "".join(map(_event_id, events)).encode().translate(None, _ID_BYTES):
        suspects.update(index for index, event in enumerate(events) if not _EVENT_ID.fullmatch(event.event_id))
    for get, pattern in _PATTERNED:
        texts = set(map(get, events))
        wrong = {text for text in texts if text is not None and not pattern.fullmatch(text)}
        if wrong:
            suspects.update(index for index, event in enumerate(events) if get(event) in wrong)
    return suspects


def _in_future(times: list[float], timestamps_ms: list[int]) -> set[int]:
    if max(times) <= min(timestamps_ms) / 1000 + FUTURE_SECONDS:
        return set()
    return {index for index, time in enumerate(times) if is_future(time, timestamps_ms[index])}


