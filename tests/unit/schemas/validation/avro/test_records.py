"""Records in Confluent's Avro wire format are judged like the JSON they stand for."""

from __future__ import annotations

import json
from typing import Any

import pytest

from schemas.avro_schema import avro_schema
from schemas.catalogue import EVENTS
from schemas.spec import EventSpec
from schemas.validation.avro.known_schemas import UndecidedError
from schemas.validation.fast_path import Event
from schemas.validation.reasons import Quarantined, Reason
from schemas.validation.validator import Validator
from tests.support.wire import encoded, known

NOW_MS = 1_800_000_000_000
IDS = {name: number for number, name in enumerate(EVENTS, start=1)}
VALIDATOR = Validator(schemas=known({IDS[name]: avro_schema(spec) for name, spec in EVENTS.items()}))


def members(spec: EventSpec, example: Any) -> dict[str, Any]:
    return {
        "event_id": "evt-1",
        "event": spec.name,
        "version": 1,
        "occurred_at": "2026-03-01T12:00:00Z",
        "source": "test",
        "city": None,
        "payload": example,
    }


@pytest.mark.parametrize("spec", EVENTS.values(), ids=EVENTS)
def test_avro_gives_the_same_event_as_json(spec: EventSpec) -> None:
    for example in spec.examples:
        record = members(spec, example)
        from_avro = VALIDATOR.validate(encoded(IDS[spec.name], avro_schema(spec), record), NOW_MS)
        assert isinstance(from_avro, Event)
        assert from_avro == VALIDATOR.validate(json.dumps(record).encode(), NOW_MS)


def reason(value: bytes, validator: Validator = VALIDATOR) -> tuple[str, str]:
    verdict = validator.validate(value, NOW_MS)
    assert isinstance(verdict, Quarantined)
    return verdict.reason, verdict.field


def test_payload_rules_hold_for_avro_too() -> None:
    spec = EVENTS["charge.succeeded"]
    bad = encoded(IDS[spec.name], avro_schema(spec), members(spec, {**spec.examples[0], "currency": "eur"}))
    assert reason(bad) == (Reason.PAYLOAD_FIELD, "currency")


def test_undecodable_and_unknown() -> None:
    spec = EVENTS["booking.expired"]
    good = encoded(IDS[spec.name], avro_schema(spec), members(spec, spec.examples[0]))
    assert reason(b"\x00") == (Reason.AVRO_UNDECODABLE, "")
    assert reason(good[:4]) == (Reason.AVRO_UNDECODABLE, "")
    assert reason(good[:-1]) == (Reason.AVRO_UNDECODABLE, "")
    assert reason(good + b"\x00") == (Reason.AVRO_UNDECODABLE, "")
    assert reason(good[:5] + b"\xff" * 30) == (Reason.AVRO_UNDECODABLE, "")
    with pytest.raises(UndecidedError):
        VALIDATOR.validate(b"\x00\x00\x00\xff\xff" + good[5:], NOW_MS)
    assert reason(good, Validator()) == (Reason.UNKNOWN_SCHEMA_ID, "")


def test_a_time_in_an_avro_logical_type_is_an_instant() -> None:
    spec = EVENTS["booking.expired"]
    schema = avro_schema(spec)
    for field in schema["fields"]:
        if field["name"] == "occurred_at":
            field["type"] = {"type": "long", "logicalType": "timestamp-millis"}
    validator = Validator(schemas=known({9: schema}))
    event = validator.validate(
        encoded(9, schema, members(spec, spec.examples[0]) | {"occurred_at": 1_772_366_400_000}), NOW_MS
    )
    assert isinstance(event, Event)
    assert event.occurred_at.isoformat() == "2026-03-01T12:00:00+00:00"


def test_a_schema_that_is_no_record_gives_nothing_to_judge() -> None:
    validator = Validator(schemas=known({9: {"type": "string"}}))
    assert reason(encoded(9, {"type": "string"}, "text"), validator) == (Reason.AVRO_UNDECODABLE, "")


def with_more(more: dict[str, Any], value: dict[str, Any]) -> tuple[str, str]:
    """The verdict on a record with other fields beside the envelope's."""
    spec = EVENTS["booking.expired"]
    schema = avro_schema(spec)
    schema["fields"] = [*schema["fields"], *({"name": name, "type": kind} for name, kind in more.items())]
    validator = Validator(schemas=known({900: schema}))
    verdict = validator.validate(encoded(900, schema, members(spec, spec.examples[0]) | value), NOW_MS)
    return (verdict.reason, verdict.field) if isinstance(verdict, Quarantined) else ("accepted", "")


def test_what_json_readers_would_not_read_alike_is_refused_in_avro_too() -> None:
    texts = {"type": "map", "values": "string"}
    assert with_more({"x": texts}, {"x": {"a": "1", "b": "2"}}) == ("accepted", "")
    assert with_more({"x": texts}, {"x": {"a": "1", "A": "2"}}) == ("avro_undecodable", "")
    assert with_more({"x": texts}, {"x": {"": "1"}}) == ("avro_undecodable", "")
    assert with_more({"x": "string", "X": "string"}, {"x": "1", "X": "1"}) == ("avro_undecodable", "")
    assert with_more({"City": "string"}, {"City": "rome"}) == ("envelope_field", "city")
    # JSON has no such number, and null would be something else.
    assert with_more({"x": "double"}, {"x": float("nan")}) == ("avro_undecodable", "")
    # Written as base64: every reader has the same.
    assert with_more({"x": "bytes"}, {"x": b"\xff\x00"}) == ("accepted", "")
    node = {"type": "record", "name": "Node", "fields": [{"name": "next", "type": ["null", "Node"]}]}
    deep: dict[str, Any] = {"next": None}
    for _ in range(62):
        deep = {"next": deep}
    assert with_more({"x": node}, {"x": deep}) == ("accepted", "")
    assert with_more({"x": node}, {"x": {"next": deep}}) == ("avro_undecodable", "")


def test_bytes_that_fastavro_takes_and_avro_has_not_are_refused() -> None:
    spec = EVENTS["promo.click"]
    good = encoded(IDS[spec.name], avro_schema(spec), members(spec, {**spec.examples[0], "valid": True}))
    assert isinstance(VALIDATOR.validate(good, NOW_MS), Event)
    assert good.endswith(b"\x01")
    assert reason(good[:-1] + b"\x02") == (Reason.AVRO_UNDECODABLE, "")
