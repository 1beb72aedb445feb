"""Lines of Bronze: the JSON as it came, `_kafka` at its end."""

from __future__ import annotations

import base64
import json

import pytest

from agents.bronze.lines import LineWriter, one_lined
from schemas.validation.adapting import Adapted
from schemas.validation.members import without_kafka
from schemas.validation.reasons import Reason, quarantined

KAFKA = {"topic": "events.raw", "partition": 3, "offset": 7, "timestamp_ms": 1700}


def line_of(value: bytes) -> bytes:
    (line,) = LineWriter("events.raw", 3).lines([value], [7], [1700])
    return line


@pytest.mark.parametrize(
    ("value", "line"),
    [
        (b'{"a":1}', b'{"a":1'),
        (b'{"a":1} \t ', b'{"a":1'),
        (b'{\n "a" : 1,\r\n "b":[1,\n2]\n}\n', b'{ "a" : 1, "b":[1,2]'),
        (b'{"b":{},"a":{}}', b'{"b":{},"a":{}'),
        (b'{"a":1e999,"a":"\\ud800\\n","n":123456789012345678901234567890}',) * 2,
    ],
)
def test_a_line_is_the_value_with_kafka_at_its_end(value: bytes, line: bytes) -> None:
    kafka = b',"_kafka":{"topic":"events.raw","partition":3,"offset":7,"timestamp_ms":1700}}\n'
    assert line_of(value) == line.removesuffix(b"}" if line == value else b"") + kafka


@pytest.mark.parametrize(
    ("value", "rest"),
    [
        (b'{"a":1,"_kafka":{"x":[1,"}"]}}', b'{"a":1}'),
        (b'{"_kafka":null,"a": 1 , "b":"\\""}', b'{"a": 1 , "b":"\\""}'),
        (b'{"a":1 ,"_kafka":"_kafka","b":{"_kafka":2},"_kafka":3}', b'{"a":1 ,"b":{"_kafka":2}}'),
        (b'{"\\u005Fk\\u0061f\\u006ba":[{"_kafka":1}], "a":"_kafka"}', b'{ "a":"_kafka"}'),
        (b'{"a":"\\u005f","b":[",\\"_kafka\\":1"]}',) * 2,
        (b'{"a_kafka":1,"_kafka2":2}',) * 2,
    ],
)
def test_a_kafka_of_its_own_is_left_out_and_no_other_byte(value: bytes, rest: bytes) -> None:
    assert without_kafka(value) == rest
    assert line_of(value) == line_of(rest)
    (line, *_) = LineWriter("events.raw", 3).lines([value, b'{"a":1}'], [7, 8], [1700, 1700])
    assert line == line_of(rest)


@pytest.mark.parametrize(
    "value", [b'{"_kafka":1', b'["_kafka"]', b'{"_kafka":1}}', b"\xff_kafka", b"_kafka", b""]
)
def test_what_is_no_object_is_left_as_it_is(value: bytes) -> None:
    assert without_kafka(value) == value


def test_a_chunk_with_one_odd_value_leaves_the_others_as_they_are() -> None:
    values = [b'{"a":%d}' % number for number in range(300)]
    odd = [*values[:200], b'{"a":\n200}  ', *values[201:]]
    assert one_lined(odd) == values
    assert one_lined(values) is values


@pytest.mark.parametrize("value", [None, b"", b"\xff\x00\n"])
def test_a_bad_line_has_the_value_untouched(value: bytes | None) -> None:
    why = quarantined(Reason.NOT_JSON, "the record is not JSON")
    line = LineWriter("events.raw", 3).bad(value, 7, 1700, why)
    assert line.endswith(b"\n")
    row = json.loads(line)
    encoded = row.pop("value_base64")
    assert (None if encoded is None else base64.b64decode(encoded)) == value
    assert row == {
        "code": "EVENT_ENVELOPE_INVALID",
        "reason": "not_json",
        "field": "",
        "detail": "the record is not JSON",
        "_kafka": KAFKA,
    }


def test_an_adapted_line_has_what_was_sent_and_is_read_back_without_it() -> None:
    payload = b'{"b":"\\u00e5 \\"x\\"", "_kafka":{"offset":1,"timestamp_ms":2}}'
    writer = LineWriter("events.raw", 3)
    lines = list(writer.lines([b'{"a":1}', b'{"a":2}'], [7, 8], [1700, 1800]))
    plain = lines[0]
    writer.mark_adapted(lines, {1: Adapted("payout.paid", 2, payload, b'{"a":2}')})
    assert lines[0] == plain
    line = json.loads(lines[1])
    assert line.pop("_kafka") == {
        "topic": "events.raw", "partition": 3, "offset": 8, "timestamp_ms": 1800,
        "adapted": {"version": 2, "payload": payload.decode()},
    }  # fmt: skip
    assert line == {"a": 2}
    assert lines[1].endswith(b"\n")
    assert lines[1].count(b"\n") == 1
