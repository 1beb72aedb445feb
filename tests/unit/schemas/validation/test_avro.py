"""Records in Confluent's Avro wire format are judged like the JSON they stand for."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import fastavro
import pytest

from schemas.catalogue import EVENTS
from schemas.render import avro_schema
from schemas.spec import EventSpec
from schemas.validation.avro import AvroDecoder, AvroSchemaError
from schemas.validation.fast_path import Event
from schemas.validation.reasons import Quarantined, Reason
from schemas.validation.validator import Validator

NOW_MS = 1_800_000_000_000
IDS = {name: number for number, name in enumerate(EVENTS, start=1)}
DECODER = AvroDecoder({IDS[name]: avro_schema(spec) for name, spec in EVENTS.items()})
VALIDATOR = Validator(avro=DECODER)


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


def encoded(schema_id: int, schema: dict[str, Any], record: dict[str, Any]) -> bytes:
    body = io.BytesIO()
    fastavro.schemaless_writer(body, fastavro.parse_schema(schema, {}), record)
    return b"\x00" + schema_id.to_bytes(4, "big") + body.getvalue()


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
    assert reason(b"\x00\x00\x00\xff\xff" + good[5:]) == (Reason.UNKNOWN_SCHEMA_ID, "")
    assert reason(good, Validator()) == (Reason.UNKNOWN_SCHEMA_ID, "")


def test_a_time_in_an_avro_logical_type_is_an_instant() -> None:
    spec = EVENTS["booking.expired"]
    schema = avro_schema(spec)
    for field in schema["fields"]:
        if field["name"] == "occurred_at":
            field["type"] = {"type": "long", "logicalType": "timestamp-millis"}
    validator = Validator(avro=AvroDecoder({9: schema}))
    event = validator.validate(
        encoded(9, schema, members(spec, spec.examples[0]) | {"occurred_at": 1_772_366_400_000}), NOW_MS
    )
    assert isinstance(event, Event)
    assert event.occurred_at.isoformat() == "2026-03-01T12:00:00+00:00"


def test_a_schema_that_is_no_record_gives_nothing_to_judge() -> None:
    validator = Validator(avro=AvroDecoder({9: {"type": "string"}}))
    assert reason(encoded(9, {"type": "string"}, "text"), validator) == (Reason.AVRO_UNDECODABLE, "")  # type: ignore[arg-type]


def test_schemas_are_loaded_from_a_folder(tmp_path: Path) -> None:
    spec = EVENTS["booking.expired"]
    (tmp_path / "17.avsc").write_text(json.dumps(avro_schema(spec)), "utf-8")
    (tmp_path / "README.md").write_text("not a schema", "utf-8")
    validator = Validator(avro=AvroDecoder.load(str(tmp_path)))
    value = encoded(17, avro_schema(spec), members(spec, spec.examples[0]))
    assert isinstance(validator.validate(value, NOW_MS), Event)


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("seventeen.avsc", "{}", "seventeen.avsc: its name should be"),
        ("17.avsc", "{", "17.avsc is not readable JSON"),
        ("17.avsc", '{"type": "nothing"}', "17.avsc is not an Avro schema"),
        ("17.avsc", "5", "17.avsc is not an Avro schema"),
        ("17.txt", "", "holds no <schema id>.avsc file"),
    ],
)
def test_a_wrong_folder_is_told_apart(tmp_path: Path, name: str, content: str, said: str) -> None:
    (tmp_path / name).write_text(content, "utf-8")
    with pytest.raises(AvroSchemaError, match=said):
        AvroDecoder.load(str(tmp_path))


def test_no_folder(tmp_path: Path) -> None:
    with pytest.raises(AvroSchemaError, match="is not a folder"):
        AvroDecoder.load(str(tmp_path / "missing"))


def with_more(more: dict[str, Any], value: dict[str, Any]) -> tuple[str, str]:
    """The verdict on a record with other fields beside the envelope's."""
    spec = EVENTS["booking.expired"]
    schema = avro_schema(spec)
    schema["fields"] = [*schema["fields"], *({"name": name, "type": kind} for name, kind in more.items())]
    validator = Validator(avro=AvroDecoder({900: schema}))
    verdict = validator.validate(encoded(900, schema, members(spec, spec.examples[0]) | value), NOW_MS)
    return (verdict.reason, verdict.field) if isinstance(verdict, Quarantined) else ("accepted", "")


def test_what_json_readers_would_not_read_alike_is_refused_in_avro_too() -> None:
    texts = {"type": "map", "values": "string"}
    assert with_more({"x": texts}, {"x": {"a": "1", "b": "2"}}) == ("accepted", "")
    assert with_more({"x": texts}, {"x": {"a": "1", "A": "2"}}) == ("avro_undecodable", "")
    assert with_more({"x": texts}, {"x": {"": "1"}}) == ("avro_undecodable", "")
    assert with_more({"x": "string", "X": "string"}, {"x": "1", "X": "1"}) == ("avro_undecodable", "")
    assert with_more({"City": "string"}, {"City": "rome"}) == ("envelope_field", "city")
    # Written as null, as base64 and as text: every reader has the same.
    assert with_more({"x": "double"}, {"x": float("nan")}) == ("accepted", "")
    assert with_more({"x": "bytes"}, {"x": b"\xff\x00"}) == ("accepted", "")
    node = {"type": "record", "name": "Node", "fields": [{"name": "next", "type": ["null", "Node"]}]}
    deep: dict[str, Any] = {"next": None}
    for _ in range(62):
        deep = {"next": deep}
    assert with_more({"x": node}, {"x": deep}) == ("accepted", "")
    assert with_more({"x": node}, {"x": {"next": deep}}) == ("avro_undecodable", "")
