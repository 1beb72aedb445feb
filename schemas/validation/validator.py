"""Validation of Kafka record values (docs/contract.md §1): the fast decoder and checks of whole batches, and
the complete judgement for what they refuse. Both give the same verdict on every record.
"""

from __future__ import annotations

import re
from operator import attrgetter
from threading import Lock
from typing import NamedTuple

import msgspec
import numpy as np

from schemas.fields import pattern_of
from schemas.times import parse_all, to_seconds
from schemas.types import Envelope
from schemas.validation.avro import AvroDecoder, AvroRecordError
from schemas.validation.fast_path import ABSENCES, DECODER, Event, known_texts
from schemas.validation.reasons import Quarantined, Reason, UnreadBatch, quarantined
from schemas.validation.slow_path import FUTURE_SECONDS, is_future, validate_json, validate_object
from schemas.validation.undeclared import differing


class Decoded(NamedTuple):
    """A batch's verdicts. `events` and `times` are aligned with the batch: an event and its time in seconds
    since 1970 UTC, or None and 0.0 for a bad record. `bad` holds (index, verdict), ascending."""

    events: list[Event | None]
    times: list[float]
    bad: list[tuple[int, Quarantined]]


class Validator:
    """Judges records of up to `max_event_bytes`. `avro` reads those in Confluent's wire format; without it
    every schema id is unknown."""

    def __init__(self, max_event_bytes: int = 65536, avro: AvroDecoder | None = None) -> None:
        self.max_event_bytes = max_event_bytes
        self._avro = avro or AvroDecoder({})

    def validate(self, value: bytes | None, timestamp_ms: int) -> Event | Quarantined:
        """Judge one record; `timestamp_ms` is its Kafka timestamp (-1: it has none)."""
        decoded = self.decode_batch([value], [timestamp_ms])
        return decoded.events[0] or decoded.bad[0][1]

    def validate_one(self, value: bytes | None, timestamp_ms: int) -> Event | Quarantined:
        """The complete judgement, without the fast decoder; the verdict is that of `validate`."""
        if isinstance(value, UnreadBatch):
            return value.why
        if value is not None and len(value) > self.max_event_bytes:
            return quarantined(
                Reason.TOO_LARGE, f"the record has {len(value)} bytes; {self.max_event_bytes} are allowed"
            )
        if not value:
            return quarantined(Reason.EMPTY, "the record has no value")
        if value[0] != 0:
            return validate_json(value, timestamp_ms)
        try:
            members = self._avro.decode(value)
        except AvroRecordError as error:
            return quarantined(error.reason, str(error))
        return validate_object(members, timestamp_ms)

    def decode_batch(self, values: list[bytes | None], timestamps_ms: list[int]) -> Decoded:
        """Judge the records of a batch; `timestamps_ms` are their Kafka timestamps, aligned with `values`."""
        if not values:
            return Decoded([], [], [])
        events: list[Event] = []
        occurred: list[str] = []
        suspects: set[int] = set()
        for start in range(0, len(values), _CHUNK):
            decoded, found = _decode_chunk(values[start : start + _CHUNK], self.max_event_bytes)
            events += decoded
            occurred += map(_occurred_text, decoded)
            if found:
                suspects.update(start + index for index in found)
        times, without_time = parse_all(occurred)
        suspects |= without_time
        suspects |= _in_future(times, timestamps_ms)
        judged: list[Event | None] = events  # type: ignore[assignment]
        bad: list[tuple[int, Quarantined]] = []
        for index in sorted(suspects):
            verdict = self.validate_one(values[index], timestamps_ms[index])
            if isinstance(verdict, Quarantined):
                judged[index], times[index] = None, 0.0
                bad.append((index, verdict))
            else:
                judged[index], times[index] = verdict, to_seconds(verdict.occurred_at)
        return Decoded(judged, times, bad)


_BLANK = DECODER.decode(
    b'{"event_id":"-","event":"booking.expired","version":1,"occurred_at":"1970-01-01T00:00:00Z","source":"-",'
    b'"payload":{"booking_id":"-"}}'
)


_decoding = Lock()
"""Absent members are counted for one chunk at a time."""


def _decode(values: list[bytes | None]) -> tuple[list[Event], list[int], int]:
    """Decode all records: their events, the indexes of those that are refused, ascending, and how many
    optional members the others did not have.

    In place of a refused record stands another event of the chunk, so that the chunk stays uniform for the
    checks. `list.extend` keeps what it had before its iterator raised: a bad record costs two exceptions, no
    restart.
    """
    events: list[Event] = []
    refused: list[int] = []
    with _decoding:
        absent = -ABSENCES.count()
        rest = map(DECODER.decode, values)  # type: ignore[arg-type]
        while len(events) < len(values):
            try:
                events.extend(rest)
            except _REFUSALS:
                refused.append(len(events))
                absent -= _absent_in_refused(values[len(events)])
                events.append(_BLANK)
        absent += ABSENCES.count()
    if refused:
        stand_in = next((event for event in events if event is not _BLANK), _BLANK)
        for index in refused:
            events[index] = stand_in
    return events, refused, absent


_REFUSALS = (msgspec.MsgspecError, ValueError, TypeError, RecursionError)


def _absent_in_refused(value: bytes | None) -> int:
    """How many absences a refused record added before it was refused, twice: the second time here."""
    before = ABSENCES.count()
    try:
        DECODER.decode(value)  # type: ignore[arg-type]
    except _REFUSALS:
        return 2 * (ABSENCES.count() - before)
    raise AssertionError("a record was refused and is no longer")


_CHUNK = 256
"""Records decoded and looked at together: enough to spread a call's cost, few enough to stay in a cache."""


def _decode_chunk(values: list[bytes | None], limit: int) -> tuple[list[Event], set[int]]:
    """The records' events, and the indexes of those that are perhaps bad: these hold some other event."""
    events, refused, absent = _decode(values)
    cities = list(map(_city, events))
    suspects = {*refused}
    try:
        joined = b",".join(values)  # type: ignore[arg-type]
        texts: list[bytes] = values  # type: ignore[assignment]
    except TypeError:
        texts = [value or b"" for value in values]
        joined = b",".join(texts)
    if not _is_utf8(joined) or (len(joined) > limit and max(map(len, texts)) > limit):
        suspects.update(
            index for index, value in enumerate(texts) if len(value) > limit or not _is_utf8(value)
        )
    suspects.update(differing(joined, texts, events, absent, refused))
    suspects |= _bad_texts(events, cities)
    return events, suspects


def _is_utf8(value: bytes) -> bool:
    if value.isascii():
        return True
    try:
        value.decode()
    except UnicodeDecodeError:
        return False
    return True


def _envelope_pattern(name: str) -> str:
    pattern = pattern_of(Envelope.model_fields[name])
    assert pattern is not None
    return pattern


_occurred_text, _event_id, _city = attrgetter("occurred_text"), attrgetter("event_id"), attrgetter("city")
_EVENT_ID = re.compile(_envelope_pattern("event_id"))
_EVENT_ID_BYTES = bytes(code for code in range(128) if _EVENT_ID.fullmatch(chr(code)))
_CITIES = known_texts(_envelope_pattern("city"))


def _bad_texts(events: list[Event], cities: list[str | None]) -> set[int]:
    """Indexes of events whose id or city has a character that is not allowed. Lengths have been checked."""
    suspects: set[int] = set()
    if "".join(map(_event_id, events)).encode().translate(None, _EVENT_ID_BYTES):
        suspects.update(
            index for index, event in enumerate(events) if not _EVENT_ID.fullmatch(event.event_id)
        )
    unknown = set(cities) - _CITIES.good
    wrong = {city for city in unknown if not _CITIES.matches(city)}
    if wrong:
        suspects.update(index for index, event in enumerate(events) if event.city in wrong)
    return suspects


def _in_future(times: list[float], timestamps_ms: list[int]) -> set[int]:
    if max(times) <= min(timestamps_ms) / 1000 + FUTURE_SECONDS:
        return set()
    ahead = is_future(np.array(times), np.array(timestamps_ms, np.float64))
    return set(np.flatnonzero(ahead).tolist())
