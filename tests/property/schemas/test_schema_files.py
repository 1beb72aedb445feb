"""The generated schemas say what validation does: JSON Schema of every record, Avro of every accepted one."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import Any

from hypothesis import example, given
from hypothesis import strategies as st

from schemas.avro_schema import wire_schema
from schemas.catalogue import EVENTS
from schemas.json_schema import json_schema
from schemas.times import parse_instant
from schemas.validation.fast_path import Event
from schemas.validation.reasons import Quarantined, Reason
from schemas.validation.validator import Validator
from tests.support.examples import examples
from tests.support.json_schema import schema_judge
from tests.support.value_strategy import NOW_MS, records
from tests.support.wire import encoded, known

JUDGES = {name: schema_judge(json_schema(spec)) for name, spec in EVENTS.items()}
IDS = {name: number for number, name in enumerate(EVENTS, 1)}
VALIDATOR = Validator()
OF_SCHEMAS = Validator(schemas=known({IDS[name]: wire_schema(spec) for name, spec in EVENTS.items()}))
LAX = st.sampled_from([NOW_MS, NOW_MS, -1])


def _member(record: dict[str, Any], field: str) -> Any:
    if field in record:
        return record[field]
    payload = record["payload"]
    return payload.get(field) if isinstance(payload, dict) else None


def _is_far_instant(text: Any) -> bool:
    """A time that is one, but in no year that we have, once its offset is taken off."""
    try:
        parse_instant(text)
    except ValueError:
        return isinstance(text, str) and text[:4] in ("0001", "9999")
    return False


NOT_SAID: dict[str, Callable[[Quarantined, dict[str, Any]], bool]] = {
    "how far ahead of Kafka's timestamp it may be": lambda bad, _: bad.reason is Reason.IN_FUTURE,
    "what JSON readers disagree about": lambda bad, _: (
        bad.reason is Reason.NOT_JSON or "is there twice" in bad.detail
    ),
    "1.0 is no integer": lambda bad, record: (
        isinstance(found := _member(record, bad.field), float) and found.is_integer()
    ),
    "a number with a fraction is a double; an integer of its size has to fit 64 bits": lambda bad, record: (
        bad.field == "covariate" and isinstance(_member(record, bad.field), int)
    ),
    "the offset leads out of the years 0001 to 9999": lambda bad, record: _is_far_instant(
        _member(record, bad.field)
    ),
}
"""The rules that JSON Schema cannot say; nothing else may be accepted by it and refused by us."""


@examples(900)
@given(records(), LAX)
@example(
    b'{"event_id":"e","event":"booking.expired","version":1.0,"occurred_at":"2026-03-01T12:00:00Z",'
    b'"source":"s","payload":{"booking_id":"b"}}',
    NOW_MS,
)
@example(
    b'{"event_id":"e","event":"booking.expired","version":1,"occurred_at":"0001-01-01T00:00:00+01:00",'
    b'"source":"s","payload":{"booking_id":"b"}}',
    NOW_MS,
)
@example(
    b'{"event_id":"e\\n","event":"booking.expired","version":1,"occurred_at":"2026-02-29T12:00:00Z",'
    b'"source":"s","payload":{"booking_id":"b"}}',
    NOW_MS,
)
def test_json_schema_accepts_what_we_do(value: bytes, timestamp_ms: int) -> None:
    verdict = VALIDATOR.validate(value, timestamp_ms)
    try:
        record = json.loads(value)
    except (ValueError, RecursionError):
        assert isinstance(verdict, Quarantined)
        return
    if not isinstance(record, dict) or record.get("event") not in list(EVENTS):
        assert isinstance(verdict, Quarantined)
        return
    accepted = JUDGES[record["event"]](record)
    if isinstance(verdict, Event):
        assert accepted
    elif accepted:
        assert any(holds(verdict, record) for holds in NOT_SAID.values()), verdict


@examples(600)
@given(records())
def test_an_accepted_event_goes_through_avro_unchanged(value: bytes) -> None:
    event = VALIDATOR.validate(value, NOW_MS)
    if isinstance(event, Quarantined):
        return
    schema = wire_schema(EVENTS[event.event])
    back = OF_SCHEMAS.validate(encoded(IDS[event.event], schema, json.loads(value)), NOW_MS)
    assert isinstance(back, Event), back
    assert back.occurred_at == event.occurred_at
    assert _plain(back) == _plain(event)


def _plain(event: Event) -> str:
    """All of an event; a number of any length counts as the double that it is read as."""
    return re.sub(r"(-?\d{16,})", lambda found: str(float(found[0])), str(event))
