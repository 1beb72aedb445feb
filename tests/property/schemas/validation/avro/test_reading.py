"""Two ways to read Avro agree: compiled for the schema, and by fastavro. No bytes lead to anything else."""

from __future__ import annotations

import json
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from schemas.avro_schema import avro_schema
from schemas.catalogue import EVENTS
from schemas.validation.avro.known_schemas import KnownSchemas
from schemas.validation.avro.writer_schema import AvroRecordError, WriterSchema
from schemas.validation.fast_path import Event
from schemas.validation.reasons import Quarantined
from schemas.validation.validator import Validator
from tests.support.wire import body_of, framed, known

OF_PRIMITIVES = {
    "null": st.none(),
    "boolean": st.booleans(),
    "int": st.integers(-(2**31), 2**31 - 1),
    "long": st.integers(-(2**63), 2**63 - 1),
    "float": st.floats(width=32),
    "double": st.floats(width=32),
    "string": st.text(max_size=200),
}
PRIMITIVES = st.sampled_from(list(OF_PRIMITIVES))
WITH_BYTES = PRIMITIVES.filter(lambda kind: kind != "null")
NAMES = st.sampled_from("abcdefgh")


@st.composite
def schemas(draw: st.DrawFn) -> dict[str, Any]:
    """A record whose named types have names of their own."""
    count = iter(range(1000))

    def kind(depth: int) -> Any:
        which = draw(st.integers(0, 9 if depth < 3 else 5))
        if which <= 4:
            return draw(PRIMITIVES)
        if which == 5:
            return {"type": "enum", "name": f"E{next(count)}", "symbols": ["A", "B", "C"]}
        if which == 6:
            return ["null", draw(WITH_BYTES)]
        if which == 7:
            return [record(depth + 1), "null", "string"]
        if which == 8:
            return {"type": "array", "items": draw(WITH_BYTES)}
        return record(depth + 1)

    def record(depth: int) -> dict[str, Any]:
        names = draw(st.lists(NAMES, max_size=5, unique=True))
        fields = [{"name": name, "type": kind(depth)} for name in names]
        return {"type": "record", "name": f"R{next(count)}", "fields": fields}

    return record(0)


@st.composite
def values(draw: st.DrawFn, schema: Any) -> Any:
    """A value that a schema describes."""
    if isinstance(schema, list):
        return draw(values(draw(st.sampled_from(schema))))
    kind = schema if isinstance(schema, str) else schema["type"]
    if kind in OF_PRIMITIVES:
        return draw(OF_PRIMITIVES[kind])
    match kind:
        case "enum":
            return draw(st.sampled_from(schema["symbols"]))
        case "array":
            return [draw(values(schema["items"])) for _ in range(draw(st.integers(0, 3)))]
    return {field["name"]: draw(values(field["type"])) for field in schema["fields"]}


def read(reader: Any, value: bytes) -> Any:
    """What it says, or why not: the two may say that in other words."""
    try:
        return json.loads(reader(value))
    except AvroRecordError as error:
        return error.reason


@given(st.data())
def test_the_compiled_reader_says_what_fastavro_says(data: st.DataObject) -> None:
    schema = data.draw(schemas())
    value = data.draw(values(schema))
    writer = WriterSchema(7, "AVRO", json.dumps(schema))
    record = framed(7, body_of(schema, value))
    found = read(writer.json, record)
    assert repr(found) == repr(read(writer.json_with_care, record))


@given(st.data())
def test_damaged_records_never_raise_anything_else(data: st.DataObject) -> None:
    schema = data.draw(schemas())
    writer = WriterSchema(7, "AVRO", json.dumps(schema))
    body = bytearray(body_of(schema, data.draw(values(schema))))
    for place in data.draw(st.lists(st.integers(0, max(0, len(body) - 1)), max_size=4)) if body else []:
        body[place] = data.draw(st.integers(0, 255))
    body = body[: data.draw(st.integers(0, len(body)))] + data.draw(st.binary(max_size=3))
    found, careful = (
        read(writer.json, framed(7, bytes(body))),
        read(writer.json_with_care, framed(7, bytes(body))),
    )
    # The compiled one is the stricter: fastavro takes any byte for true, and counts enums from their end.
    assert found == "avro_undecodable" or repr(found) == repr(careful)


SPEC = EVENTS["payout.initiated"]
VALIDATOR = Validator(schemas=known({7: avro_schema(SPEC)}))
ENVELOPE = {
    "event_id": "e-1", "event": SPEC.name, "version": 1, "occurred_at": "2026-03-01T12:00:00Z",
    "source": "test", "city": "rome", "trace_id": None,
}  # fmt: skip


@given(st.binary(max_size=300))
def test_arbitrary_bytes_have_a_verdict(body: bytes) -> None:
    assert isinstance(VALIDATOR.validate(framed(7, body), 0), Quarantined | Event)
    assert isinstance(Validator(schemas=KnownSchemas(final=True)).validate(b"\x00" + body, 0), Quarantined)


@given(
    st.dictionaries(
        st.sampled_from(["payout_id", "provider_id", "currency", "due_at", "booking_id"]),
        st.text(max_size=140) | st.sampled_from(["EUR", "2026-03-01T00:00:00Z"]),
    ),
    st.sampled_from([0, 5, 2**53 - 1, 2**53, -1]),
    st.text(max_size=70) | st.none(),
)
def test_avro_has_the_verdict_of_its_json(patch: dict[str, str], amount: int, city: str | None) -> None:
    payload = {"booking_id": None, **SPEC.examples[0], **patch, "amount_minor": amount}
    record = {**ENVELOPE, "city": city, "payload": payload}
    avro = VALIDATOR.validate(framed(7, body_of(avro_schema(SPEC), record)), 1_800_000_000_000)
    plain = VALIDATOR.validate(json.dumps(record).encode(), 1_800_000_000_000)
    assert avro == plain
