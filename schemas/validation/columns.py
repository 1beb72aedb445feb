"""Decoding a batch of records into columns, and what is checked of all together."""

from __future__ import annotations

import re
from operator import attrgetter
from threading import Lock
from typing import Any

import msgspec

from schemas.fields import pattern_of
from schemas.types import Envelope
from schemas.validation.decoded import Readers
from schemas.validation.fast_path import ABSENCES, DECODER, PATTERNS, Event, known_texts
from schemas.validation.undeclared import differing

_FEW = 128
"""Records decoded at a time, and then let go of: few enough for all that they are made of to stay in the
processor's cache, where the next few take its place; enough to spread numpy's fixed costs."""


class Columns:
    """What is taken from each event of a batch, before it is let go of.

    `suspects`: indexes of records that are perhaps bad. In place of one that was not decoded stands some
    other event, so that the checks of all find all alike.
    """

    def __init__(self) -> None:
        self.kinds: list[type[Event]] = []
        self.kept: list[Any] = []
        self.ids: list[bytes] = []
        self.occurred: list[str] = []
        self.cities: list[str | None] = []
        self.sources: list[str] = []
        self.suspects: set[int] = set()
        self._texts: dict[str, list[str | None]] = {name: [] for name in PATTERNS}

    def fill(self, values: list[bytes | None], readers: Readers | None, *, with_sources: bool) -> None:
        """Decode all records; for `readers` and `with_sources` see `Validator.decode_batch`."""
        for start in range(0, len(values), _FEW):
            few = values[start : start + _FEW]
            with _decoding:
                events, refused, absent = _decode(few)
            if refused:
                self.suspects.update(start + index for index in refused)
                few = [value or b"" for value in few]
            found = differing(few, events, absent, refused)  # type: ignore[arg-type]
            self.suspects.update(start + index for index in found)
            self._take(events, readers)
            if with_sources:
                self.sources += map(_source, events)

    def _take(self, events: list[Event], readers: Readers | None) -> None:
        self.kinds += map(type, events)
        self.ids += map(str.encode, map(_event_id, events))
        self.occurred += map(_occurred_text, events)
        self.cities += map(_city, events)
        for name, read in _TEXTS:
            self._texts[name] += map(read, events)
        self.kept += kept_of(events, readers)

    def bad_texts(self) -> set[int]:
        """Indexes of events with a text that does not match its pattern; lengths have been checked."""
        found: set[int] = set()
        if b"".join(self.ids).translate(None, _ID_BYTES):
            found.update(index for index, text in enumerate(self.ids) if text.translate(None, _ID_BYTES))
        columns = [(_CITIES, self.cities)]
        columns += [(known, self._texts[name]) for name, known in PATTERNS.items()]
        for known, texts in columns:
            wrong = {text for text in {*texts} - known.good if not known.matches(text)}
            if wrong:
                found.update(index for index, text in enumerate(texts) if text in wrong)
        return found


def kept_of(events: list[Event], readers: Readers | None) -> list[Any]:
    """What is kept of each event; without readers the event."""
    if readers is None:
        return events
    return [
        None if read is None else read(event)
        for read, event in zip(map(readers.get, map(type, events)), events, strict=True)
    ]


_BLANK = DECODER.decode(
    b'{"event_id":"-","event":"booking.expired","version":1,"occurred_at":"1970-01-01T00:00:00Z","source":"-",'
    b'"payload":{"booking_id":"-"}}'
)
_REFUSALS = (msgspec.MsgspecError, ValueError, TypeError, RecursionError)
_decoding = Lock()
"""Absent members are counted for one decoding at a time."""


def _decode(values: list[bytes | None]) -> tuple[list[Event], list[int], int]:
    """Decode records: their events, the indexes of those that are refused, ascending, and how many optional
    members the others did not have.

    `list.extend` keeps what it had before its iterator raised: a bad record costs two exceptions, no restart.
    """
    events: list[Event] = []
    refused: list[int] = []
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


def _absent_in_refused(value: bytes | None) -> int:
    """How many absences a refused record added before it was refused, twice: the second time here."""
    before = ABSENCES.count()
    try:
        DECODER.decode(value)  # type: ignore[arg-type]
    except _REFUSALS:
        return 2 * (ABSENCES.count() - before)
    raise AssertionError("a record was refused and is no longer")


def _envelope_pattern(name: str) -> str:
    pattern = pattern_of(Envelope.model_fields[name])
    assert pattern is not None
    return pattern


_event_id, _occurred_text, _city = attrgetter("event_id"), attrgetter("occurred_text"), attrgetter("city")
_source = attrgetter("source")
_TEXTS = [(name, attrgetter(f"payload.{name}")) for name in PATTERNS]
_ID = re.compile(_envelope_pattern("event_id"))
_ID_BYTES = bytes(code for code in range(128) if _ID.fullmatch(chr(code)))
_CITIES = known_texts(_envelope_pattern("city"))
