"""A record that was written with another schema than ours is read as Avro's schema resolution reads it.

Sluice decodes with the writer's schema alone, and judges the JSON that comes of it. fastavro resolves to the
schema that is generated from our declaration, and what it gives is judged as JSON. Where the two differ is
said below, case by case.
"""

from __future__ import annotations

import io
import json
from typing import Any

import fastavro
import pytest
from hypothesis import event, given
from hypothesis import strategies as st

from schemas.avro_schema import wire_schema
from schemas.catalogue import EVENTS
from schemas.json_schema import whole_event
from schemas.validation.fast_path import Event
from schemas.validation.reasons import Quarantined, Reason
from schemas.validation.validator import Validator
from tests.support.examples import examples
from tests.support.value_strategy import NOW_MS
from tests.support.wire import body_of, encoded, framed, known

SELDOM = 17
"""Of the numbers to 40, one that Hypothesis does not prefer."""
PROMOTED = {
    "double": ["int", "long", "float", "double"], "long": ["int", "long"],
    "string": ["string", "string", "bytes"],
}  # fmt: skip
"""What may have been written where we declare this."""
OF_PRIMITIVES: dict[str, st.SearchStrategy[Any]] = {
    "null": st.none(),
    "boolean": st.booleans(),
    "int": st.integers(-1, 5) | st.integers(-(2**31), 2**31 - 1),
    "long": st.integers(-1, 5) | st.integers(-(2**63), 2**63 - 1),
    "float": st.floats(width=32, allow_nan=False, allow_infinity=False),
    "double": st.floats(allow_nan=False, allow_infinity=False),
    "string": st.sampled_from(["", "EUR", "email", "2026-03-01T12:00:00+02:00"]) | st.text(max_size=80),
}
TAKES: dict[str, tuple[type, ...]] = {
    "int": (int,), "long": (int,), "float": (float,), "double": (float, int), "string": (str,),
    "boolean": (bool,),
}  # fmt: skip
OF_MORE: dict[str, st.SearchStrategy[Any]] = {
    "bytes": st.binary(max_size=9),
    "array": st.lists(st.integers(-9, 9), max_size=3),
    "map": st.dictionaries(st.sampled_from(["a", "b"]), st.text(max_size=3), max_size=2),
    "enum": st.sampled_from(["A", "B"]),
    "record": st.fixed_dictionaries({"city": st.just("rome")}),
}


def types_of_more(name: str) -> st.SearchStrategy[Any]:
    """What a field that is not ours may be; a type's name is made of the field's."""
    return st.sampled_from(
        [
            *OF_PRIMITIVES,
            "bytes",
            ["null", "string"],
            {"type": "array", "items": "long"},
            {"type": "map", "values": "string"},
            {"type": "enum", "name": f"E{name}", "symbols": ["A", "B"]},
            {"type": "record", "name": f"R{name}", "fields": [{"name": "city", "type": "string"}]},
        ]
    )


def seldom(draw: st.DrawFn) -> bool:
    return draw(st.integers(0, 40)) == SELDOM


@st.composite
def types(draw: st.DrawFn, ours: Any) -> Any:
    """What a field may have been written as: narrower numbers, unions in any order, with more or less."""
    branches = ours if isinstance(ours, list) else [ours]
    made = [draw(st.sampled_from(PROMOTED.get(one, [one]))) for one in branches]
    if draw(st.booleans()) and "null" not in made:
        made.append("null")
    elif draw(st.booleans()) and len(made) > 1:
        made.remove("null")
    if seldom(draw):
        made.append(draw(st.sampled_from([one for one in OF_PRIMITIVES if one not in made])))
    made = draw(st.permutations(made))
    return made[0] if len(made) == 1 else made


@st.composite
def fields(draw: st.DrawFn, ours: list[dict[str, Any]], more: str) -> list[dict[str, Any]]:
    """The fields of an older or a wider schema: some of ours are missing, and one may be more."""
    made = []
    for field in ours:
        if field["name"] == "payload":
            made.append({**field, "type": draw(records(field["type"], "y"))})
        elif not (draw(st.booleans()) if "default" in field else seldom(draw)):
            made.append({"name": field["name"], "type": draw(types(field["type"]))})
    if draw(st.booleans()):
        made.append({"name": more, "type": draw(types_of_more(more))})
    return draw(st.permutations(made))


@st.composite
def records(draw: st.DrawFn, ours: dict[str, Any], more: str) -> dict[str, Any]:
    """A record as it may have been written. `more`: the name of a field that is not ours."""
    named: dict[str, Any] = {name: ours[name] for name in ("type", "name", "namespace") if name in ours}
    return {**named, "fields": draw(fields(ours["fields"], more))}


@st.composite
def values(draw: st.DrawFn, schema: Any, example: Any) -> Any:
    """A value of this schema: the example's where it fits, as a rule."""
    if isinstance(schema, list):
        fitting = [one for one in schema if isinstance(example, TAKES.get(one, (type(None),)))]
        return draw(values(draw(st.sampled_from(fitting or schema)), example))
    if isinstance(schema, dict) and schema["type"] == "record" and isinstance(example, dict):
        return {
            field["name"]: draw(values(field["type"], example.get(field["name"])))
            for field in schema["fields"]
        }
    kind = schema if isinstance(schema, str) else schema["type"]
    if kind == "bytes" and isinstance(example, str) and not seldom(draw):
        return example.encode()
    fits = isinstance(example, TAKES.get(kind, ())) and (kind == "boolean" or not isinstance(example, bool))
    if fits and not (kind == "int" and abs(example) >= 2**31) and not seldom(draw):
        return example
    return draw({**OF_PRIMITIVES, **OF_MORE}[kind])


def resolved(writer: Any, reader: Any, body: bytes) -> Any:
    """What fastavro reads. Raises what it raises."""
    parsed = fastavro.parse_schema(writer, {}), fastavro.parse_schema(reader, {})
    return fastavro.schemaless_reader(io.BytesIO(body), *parsed)


def verdicts(writer: Any, reader: Any, value: Any) -> tuple[Event | Quarantined, Event | Quarantined | None]:
    """Ours, and that on what fastavro resolves; None: it cannot."""
    body = body_of(writer, value)
    ours = Validator(schemas=known({7: writer})).validate(framed(7, body), NOW_MS)
    try:
        text = json.dumps(resolved(writer, reader, body)).encode()
    except Exception:  # noqa: BLE001 - what it raises depends on what does not fit
        return ours, None
    return ours, Validator().validate(text, NOW_MS)


@examples(600)
@given(st.data())
def test_other_writers_are_read_as_avro_resolves_them(data: st.DataObject) -> None:
    spec = EVENTS[data.draw(st.sampled_from(sorted(EVENTS)))]
    reader = wire_schema(spec)
    writer = data.draw(records(reader, "x"))
    example = whole_event(spec, data.draw(st.integers(0, len(spec.examples) - 1)))
    ours, theirs = verdicts(writer, reader, data.draw(values(writer, example)))
    event("accepted" if isinstance(ours, Event) else ours.reason.value)
    if theirs is None:
        assert isinstance(ours, Quarantined), "it has no value that our schema describes"
    elif isinstance(theirs, Event):
        assert ours == theirs
    else:
        assert isinstance(ours, Quarantined)
        assert (ours.reason, ours.field) == (theirs.reason, theirs.field)


PAID = EVENTS["payout.paid"]
OURS = wire_schema(PAID)
ACCEPTED = None
"""In the place of a reason."""
UNRESOLVED = "not resolved"
Change = dict[str, Any]
"""Name of a field of the envelope, or of the payload behind `payload.`, to its type."""
DIFFERENCES: list[tuple[str, Change, dict[str, Any], str | None, str | None]] = [
    ("an enum for a text is its symbol; Avro resolves none to a string",
     {"payload.currency": {"type": "enum", "name": "Currency", "symbols": ["EUR", "USD"]}},
     {"payload.currency": "USD"}, ACCEPTED, UNRESOLVED),
    ("a time of a logical type is an instant",
     {"occurred_at": {"type": "long", "logicalType": "timestamp-millis"}},
     {"occurred_at": 1_772_366_400_000}, ACCEPTED, UNRESOLVED),
    ("a number that JSON lacks is refused, in whatever member",
     {"x": "double"}, {"x": float("nan")}, Reason.AVRO_UNDECODABLE, ACCEPTED),
    ("so is what readers of JSON would not read alike: a declared name in another letter case",
     {"City": "string"}, {"City": "rome"}, Reason.ENVELOPE_FIELD, ACCEPTED),
    ("keys of a map that differ in letter case alone",
     {"x": {"type": "map", "values": "int"}}, {"x": {"a": 1, "A": 2}}, Reason.AVRO_UNDECODABLE, ACCEPTED),
    ("an array whose items take no bytes may be of any length",
     {"x": {"type": "array", "items": "null"}}, {"x": [None]}, Reason.AVRO_UNDECODABLE, ACCEPTED),
]  # fmt: skip


def changed(change: Change, values: dict[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """A writer's schema and a record of it."""
    payload = next(field["type"] for field in OURS["fields"] if field["name"] == "payload")

    def with_types(fields: list[dict[str, Any]], place: str) -> list[dict[str, Any]]:
        here = {name.removeprefix(place): kind for name, kind in change.items() if is_at(name, place)}
        return [
            *({**field, "type": here.pop(field["name"], field["type"])} for field in fields),
            *({"name": name, "type": kind} for name, kind in here.items()),
        ]

    def is_at(name: str, place: str) -> bool:
        return name.startswith("payload.") == bool(place)

    inner = {**payload, "fields": with_types(payload["fields"], "payload.")}
    writer = {**OURS, "fields": with_types(OURS["fields"], "")}
    writer["fields"] = [
        {**field, "type": inner} if field["name"] == "payload" else field for field in writer["fields"]
    ]
    record = whole_event(PAID, 0)
    for name, value in values.items():
        if is_at(name, "payload."):
            record["payload"][name.removeprefix("payload.")] = value
        else:
            record[name] = value
    return writer, record


@pytest.mark.parametrize(
    ("change", "value", "ours", "theirs"), [c[1:] for c in DIFFERENCES], ids=[c[0] for c in DIFFERENCES]
)
def test_where_sluice_and_resolution_differ(
    change: Change, value: dict[str, Any], ours: str | None, theirs: str | None
) -> None:
    writer, record = changed(change, value)
    found = verdicts(writer, OURS, record)
    assert [told(verdict) for verdict in found] == [ours, theirs]


def told(verdict: Event | Quarantined | None) -> str | None:
    if verdict is None:
        return UNRESOLVED
    return verdict.reason if isinstance(verdict, Quarantined) else ACCEPTED


def test_bytes_are_texts_where_texts_are_declared_and_base64_elsewhere() -> None:
    change = {"payload.payout_id": ["null", "bytes"], "trace_id": ["null", "bytes"], "payload.x": "bytes"}
    values = {"payload.payout_id": "pö-1".encode(), "trace_id": b"t", "payload.x": b"\xff"}
    writer, record = changed(change, values)
    ours, theirs = verdicts(writer, OURS, record)
    assert isinstance(ours, Event)
    assert ours == theirs
    assert (ours.payload.payout_id, ours.trace_id) == ("pö-1", "t")
    batch = Validator(schemas=known({7: writer})).decode_batch([encoded(7, writer, record)], [NOW_MS])
    assert json.loads(batch.texts[0] or b"")["payload"]["x"] == "/w=="
    writer, record = changed({"payload.payout_id": "bytes"}, {"payload.payout_id": b"\xff"})
    assert [told(one) for one in verdicts(writer, OURS, record)] == [Reason.AVRO_UNDECODABLE, UNRESOLVED]


def test_a_record_may_have_any_name() -> None:
    """What it is says its member `event`; Avro resolves records of one name alone."""
    writer = {**OURS, "name": "Paid", "namespace": "billing"}
    ours, theirs = verdicts(writer, OURS, whole_event(PAID, 0))
    assert isinstance(ours, Event)
    assert theirs is None


@pytest.mark.parametrize("number", [2**53 + 1, 2**62 + 1, 2**63 - 1, -(2**63)])
def test_whole_numbers_for_fractions_are_the_nearest_double(number: int) -> None:
    spec = EVENTS["experiment.exposure"]
    reader = wire_schema(spec)
    written = json.loads(json.dumps(reader).replace('"double"', '"long"'))
    assert written != reader
    record = whole_event(spec, 0)
    record["payload"]["covariate"] = number
    ours, theirs = verdicts(written, reader, record)
    assert isinstance(ours, Event)
    assert ours == theirs
