"""Schemas that nobody should have, and bytes that nobody should send."""

from __future__ import annotations

import json
from typing import Any

import pytest

from schemas.validation.avro.transcoder import DEEPEST
from schemas.validation.avro.writer_schema import (
    LARGEST_SCHEMA_BYTES,
    TOO_LARGE,
    AvroRecordError,
    WriterSchema,
)
from tests.support.wire import encoded, framed

MONEY = {"type": "record", "name": "Money", "namespace": "x", "fields": [{"name": "minor", "type": "long"}]}
NODE = {"type": "record", "name": "Node", "fields": [{"name": "next", "type": ["null", "Node"]}]}


def record(kind: Any) -> dict[str, Any]:
    return {"type": "record", "name": "R", "fields": [{"name": "a", "type": kind}]}


def made(schema: Any, *references: Any) -> WriterSchema:
    return WriterSchema(7, "AVRO", json.dumps(schema), list(map(json.dumps, references)))


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", "not an Avro schema"),
        ("17", "not an Avro schema"),
        ("{}", "not an Avro schema"),
        ('{"type":"nothing"}', "not an Avro schema"),
        ('{"type":"record","name":"R","fields":[{"name":"a","type":"Missing"}]}', "not an Avro schema"),
        ("[" * 100_000, "not an Avro schema"),
        (json.dumps(record({"type": "array", "items": "null"})), "any length"),
        (json.dumps(record({"type": "array", "items": record("null") | {"name": "S"}})), "any length"),
        (
            json.dumps(record({"type": "array", "items": {"type": "fixed", "name": "F", "size": 0}})),
            "any length",
        ),
    ],
)
def test_a_schema_that_is_of_no_use_says_why(text: str, problem: str) -> None:
    schema = WriterSchema(7, "AVRO", text)
    with pytest.raises(AvroRecordError, match=f"schema 7 .*{problem}"):
        schema.json(framed(7, b"\x80\x80\x80\x80\x80\x80\x80\x80\x01\x00"))


def test_one_that_is_too_large_was_not_kept() -> None:
    with pytest.raises(AvroRecordError, match=f"larger than {LARGEST_SCHEMA_BYTES >> 10} KiB"):
        WriterSchema(7, TOO_LARGE, "").json(framed(7, b""))


def test_a_schema_that_refers_to_itself_reads_what_is_not_too_deep() -> None:
    schema = made(NODE)
    assert schema.json(framed(7, b"\x02\x02\x00")) == b'{"next":{"next":{"next":null}}}'
    with pytest.raises(AvroRecordError, match="does not fit"):
        schema.json(framed(7, b"\x02" * 60_000 + b"\x00"))
    always = {"type": "record", "name": "N", "fields": [{"name": "next", "type": "N"}]}
    with pytest.raises(AvroRecordError):
        made(always).json(framed(7, b""))


def test_references_are_types_by_name() -> None:
    schema = made(record("x.Money"), MONEY)
    assert schema.json(framed(7, b"\x0a")) == b'{"a":{"minor":5}}'


@pytest.mark.parametrize(
    ("kind", "body"),
    [
        ("string", b"\x09abcdefgh"),  # of -5 bytes
        ("string", b"\x80\x80\x80\x80\x80\x80\x80\x01abc"),
        ("long", b"\xff" * 30 + b"\x01"),
        ("long", b"\xff\xff\xff\xff\xff\xff\xff\xff\xff\x7f"),
        ("boolean", b"\x02"),
        ("double", b"\x00\x00"),
        ({"type": "enum", "name": "E", "symbols": ["A"]}, b"\x01"),
        ({"type": "enum", "name": "E", "symbols": ["A"]}, b"\x02"),
        (["null", "string"], b"\x01"),
        (["null", "string"], b"\x04"),
        ("string", b"\x06abcd"),
        ({"type": "array", "items": "boolean"}, b"\x80\x80\x80\x80\x80\x80\x80\x01\x01"),
    ],
)
def test_bytes_that_do_not_fit(kind: Any, body: bytes) -> None:
    with pytest.raises(AvroRecordError, match="does not fit"):
        made(record(kind)).json(framed(7, body))


@pytest.mark.parametrize("text", ['"', "\\", "\n", "\x00", "é€😀", '","a":"', "%b", "{}"])
def test_texts_are_escaped_as_json_needs_it(text: str) -> None:
    schema = record(["null", "string"])
    assert json.loads(made(schema).json(encoded(7, schema, {"a": text}))) == {"a": text}


@pytest.mark.parametrize("number", [float("nan"), float("inf"), -float("inf")])
@pytest.mark.parametrize("kind", ["double", {"type": "array", "items": "double"}])
def test_a_number_that_json_lacks_is_refused(kind: Any, number: float) -> None:
    schema = record(kind)
    value = encoded(7, schema, {"a": number if kind == "double" else [number]})
    with pytest.raises(AvroRecordError, match="JSON cannot say"):
        made(schema).json(value)


def test_records_within_records_are_read_however_deep() -> None:
    schema, value = record("string"), {"a": "x"}
    for depth in range(DEEPEST + 2):
        schema = record(schema) | {"name": f"R{depth}"}
        value = {"a": value}  # type: ignore[dict-item]
    assert json.loads(made(schema).json(encoded(7, schema, value))) == value
