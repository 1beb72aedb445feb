"""The log of schemas decides: what it says first of an id holds, for every reader and for ever."""

from __future__ import annotations

import json

import pytest

from schemas.validation.avro.known_schemas import KnownSchemas, UndecidedError
from schemas.validation.avro.log_entries import SchemaEntry, UnknownEntry, decode_entry, encode_entry
from schemas.validation.avro.writer_schema import AvroRecordError
from schemas.validation.reasons import Quarantined, Reason, UnreadBatch, quarantined
from schemas.validation.validator import Validator
from tests.support.wire import encoded, framed

SCHEMA = {"type": "record", "name": "R", "fields": [{"name": "a", "type": "string"}]}
OTHER = {"type": "record", "name": "R", "fields": [{"name": "b", "type": "string"}]}
RECORD = encoded(7, SCHEMA, {"a": "x"})


def schema(number: int = 7, of: object = SCHEMA) -> SchemaEntry:
    return SchemaEntry(number, "AVRO", json.dumps(of))


def unknown(before_ms: int, *ids: int) -> UnknownEntry:
    return UnknownEntry(ids, before_ms, "not there")


def told(known: KnownSchemas, timestamp_ms: int, value: bytes = RECORD) -> str:
    """The record as JSON, or the reason against it, or `undecided`."""
    try:
        return known.schema_of(value, timestamp_ms).json(value).decode()
    except AvroRecordError as error:
        return error.reason
    except UndecidedError as error:
        return f"undecided {error.ids}"


def folded(*entries: SchemaEntry | UnknownEntry, final: bool = False) -> KnownSchemas:
    known = KnownSchemas(final=final)
    for entry in entries:
        known.take(entry)
    return known


def test_a_schema_reads_every_record_of_its_id() -> None:
    known = folded(schema())
    assert told(known, -1) == told(known, 5) == '{"a":"x"}'
    assert told(known, 5, framed(8, b"")) == "undecided {8: 5}"
    assert told(folded(schema(), final=True), 5, framed(8, b"")) == Reason.UNKNOWN_SCHEMA_ID


def test_an_id_keeps_its_first_meaning() -> None:
    assert told(folded(schema(), schema(of=OTHER)), 5) == '{"a":"x"}'


def test_what_was_given_up_stays_so_whatever_follows() -> None:
    known = folded(unknown(100, 7))
    assert told(known, 99) == told(known, -1) == Reason.UNKNOWN_SCHEMA_ID
    assert told(known, 100) == "undecided {7: 100}"
    known.take(schema())
    assert told(known, 99) == Reason.UNKNOWN_SCHEMA_ID
    assert told(known, 100) == '{"a":"x"}'
    known.take(unknown(1000, 7))  # of one that had not read the schema yet
    assert told(known, 100) == '{"a":"x"}'


def test_a_flood_gives_up_all_ids_but_those_that_are_known() -> None:
    known = folded(schema(), unknown(100))
    assert told(known, 50) == '{"a":"x"}'
    assert told(known, 50, framed(8, b"")) == Reason.UNKNOWN_SCHEMA_ID
    known.take(SchemaEntry(8, "AVRO", json.dumps(OTHER)))
    assert told(known, 99, encoded(8, OTHER, {"b": "y"})) == Reason.UNKNOWN_SCHEMA_ID
    assert told(known, 100, encoded(8, OTHER, {"b": "y"})) == '{"b":"y"}'


def test_a_batch_says_all_that_is_undecided() -> None:
    known = folded(schema())
    with pytest.raises(UndecidedError) as raised:
        known.as_json(
            [RECORD, None, b"{}", framed(8, b""), framed(9, b""), framed(8, b"")], [1, 2, 3, 4, 5, 6]
        )
    assert raised.value.ids == {8: 6, 9: 5}
    bad = UnreadBatch.of(b"\x00" * 30, quarantined(Reason.NOT_JSON, ""))
    values = [RECORD, None, b"", b"{}", bad, framed(7, b"\xff")]
    assert known.as_json(values, [0] * 6) == [b'{"a":"x"}', *values[1:]]


def test_entries_are_read_back() -> None:
    for entry in (schema(), SchemaEntry(2**32 - 1, "JSON", "{}", ('"a"',)), unknown(5), unknown(-5, 1, 2)):
        assert decode_entry(encode_entry(entry)) == entry
    for value in (None, b"", b"{}", b"[]", b"\xff", b'{"entry":"other"}', b'{"entry":"schema","id":-1}'):
        assert decode_entry(value) is None


def test_json_schema_frames_json_and_protobuf_is_refused_by_its_name() -> None:
    known = folded(SchemaEntry(1, "JSON", "{}"), SchemaEntry(2, "PROTOBUF", ""), SchemaEntry(3, "OTHER", ""))
    validator = Validator(schemas=known)

    def verdict(value: bytes) -> tuple[str, str]:
        found = validator.validate(value, 0)
        assert isinstance(found, Quarantined)
        return found.reason, found.detail

    assert verdict(framed(1, b"[]"))[0] == Reason.NOT_OBJECT
    assert verdict(framed(1, b"{"))[0] == Reason.NOT_JSON
    assert verdict(framed(1, b"{}"))[0] == Reason.ENVELOPE_FIELD
    assert verdict(framed(1, b""))[0] == Reason.EMPTY
    assert verdict(framed(2, b"\x00"))[0] == Reason.AVRO_UNDECODABLE
    assert "Protobuf" in verdict(framed(2, b"\x00"))[1]
    assert "not known" in verdict(framed(3, b"\x00"))[1]
