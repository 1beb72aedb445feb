"""Case by case: what is refused, what Avro's specification says, and what fastavro does with old data."""

from __future__ import annotations

import dataclasses
from typing import Annotated, Any, Literal, NamedTuple

import pytest
from pydantic import Field

from schemas.catalogue import OWN
from schemas.compatibility.changes import Change, Former, changes
from schemas.compatibility.problem import Rule
from schemas.json_schema import json_schema, whole_event
from schemas.spec import Adapter, EventSpec
from schemas.types import City, Currency, Instant
from tests.support.json_schema import schema_judge
from tests.support.schema_changes import event_of, former_of, reads_by_avro

Text = Annotated[str, Field(min_length=1, max_length=10)]
Box = Literal["box", "bag"]


class Case(NamedTuple):
    """A change of one field, `f`: what it was and is (None: not there), an old value, the rules it breaks.

    By Avro's specification: whether a reader with the new schema reads old data, and the other way around.
    """

    name: str
    old: Any
    new: Any
    value: Any
    rules: set[Rule]
    new_reads_old: bool = True
    old_reads_new: bool = True


CASES = [
    Case("nothing", str, str, "a", set()),
    # Schema resolution: a field that only the writer has is passed over; one that only the reader has needs a
    # default.
    Case("removed required", str, None, "a", {Rule.REMOVED_REQUIRED_FIELD}, True, False),
    Case("removed optional", (str | None, None), None, "a", set()),
    Case("new required", None, str, None, {Rule.NEW_REQUIRED_FIELD}, False, True),
    Case("new required, null allowed", None, str | None, None, {Rule.NEW_REQUIRED_FIELD}, False, True),
    Case("new optional", None, (str | None, None), None, set()),
    Case("new with a default", None, (int, 3), None, set()),
    # A default plays no part where both have the field; in JSON, what could be left out has to be there now.
    Case("optional becomes required", (int, 3), int, 4, {Rule.NEW_REQUIRED_FIELD}, True, True),
    Case("required becomes optional", int, (int, 3), 4, set()),
    Case("another default", (int, 3), (int, 4), 5, {Rule.CHANGED_DEFAULT}, True, True),
    Case(
        "a default of another type",
        (bool, True),
        (int, 1),
        True,
        {Rule.NARROWED_TYPE, Rule.CHANGED_DEFAULT},
        False,
        False,
    ),
    # A writer's union: each branch, and a reader's union: one of its branches.
    Case("null no more", str | None, str, None, {Rule.NARROWED_TYPE}, False, True),
    Case("null too", str, str | None, "a", set(), True, False),
    # Promotion: long to double, not back.
    Case("integer becomes number", int, float, 7, set(), True, False),
    Case("number becomes integer", float, int, 7.5, {Rule.NARROWED_TYPE}, False, True),
    Case("integer becomes text", int, str, 7, {Rule.NARROWED_TYPE}, False, False),
    Case("text becomes integer", str, int, "7", {Rule.NARROWED_TYPE}, False, False),
    Case("boolean becomes integer", bool, int, True, {Rule.NARROWED_TYPE}, False, False),
    # What Avro has no words for: its answer is yes, ours is in the JSON Schema.
    Case("text becomes a time", str, Instant, "soon", {Rule.NARROWED_TYPE}),
    Case("time becomes text", Instant, str, "2026-03-01T12:00:00Z", set()),
    Case("text becomes choices", str, Box, "crate", {Rule.NARROWED_TYPE}),
    Case("choices become text", Box, str, "box", set()),
    Case("a choice gone", Box, Literal["box"], "bag", {Rule.REMOVED_SYMBOL}),
    Case("a choice renamed", Box, Literal["box", "sack"], "bag", {Rule.REMOVED_SYMBOL}),
    Case("a choice more", Box, Literal["bag", "box", "tube"], "bag", set()),
    Case(
        "shorter", Text, Annotated[str, Field(min_length=1, max_length=9)], "a" * 10, {Rule.TIGHTENED_LIMIT}
    ),
    Case("longer", Text, Annotated[str, Field(max_length=11)], "a", set()),
    Case("a length at all", str, Annotated[str, Field(max_length=11)], "a" * 12, {Rule.TIGHTENED_LIMIT}),
    Case("not empty", str, Annotated[str, Field(min_length=1)], "", {Rule.TIGHTENED_LIMIT}),
    Case(
        "a higher minimum",
        Annotated[int, Field(ge=1)],
        Annotated[int, Field(ge=2)],
        1,
        {Rule.TIGHTENED_LIMIT},
    ),
    Case(
        "beyond the minimum",
        Annotated[int, Field(ge=1)],
        Annotated[int, Field(gt=1)],
        1,
        {Rule.TIGHTENED_LIMIT},
    ),
    Case("a lower minimum", Annotated[int, Field(gt=1)], Annotated[int, Field(ge=1)], 2, set()),
    Case("a maximum of numbers", float, Annotated[float, Field(lt=5)], 5.0, {Rule.TIGHTENED_LIMIT}),
    Case(
        "a lower maximum", Annotated[int, Field(le=9)], Annotated[int, Field(le=8)], 9, {Rule.TIGHTENED_LIMIT}
    ),
    Case("a pattern at all", str, Annotated[str, Field(pattern="^[a-z]+$")], "A", {Rule.TIGHTENED_PATTERN}),
    Case("no pattern any more", Annotated[str, Field(pattern="^[a-z]+$")], str, "a", set()),
    Case(
        "a wider pattern",
        Annotated[str, Field(pattern="^[a-z]+$")],
        Annotated[str, Field(pattern="^[a-z0-9]*$")],
        "a",
        set(),
    ),
    Case(
        "a narrower pattern",
        Annotated[str, Field(pattern="^[a-z]+$")],
        Annotated[str, Field(pattern="^[a-y]+$")],
        "z",
        {Rule.TIGHTENED_PATTERN},
    ),
    Case("another type of text", City, Currency, "oslo", {Rule.TIGHTENED_LIMIT, Rule.TIGHTENED_PATTERN}),
    Case(
        "within null or text",
        Text | None,
        Annotated[str, Field(max_length=9)] | None,
        "a" * 10,
        {Rule.TIGHTENED_LIMIT},
    ),
]


def declared(of: Any, value: Any) -> EventSpec:
    fields, example = {"parcel_id": str}, {"parcel_id": "p"}
    return event_of(fields, example) if of is None else event_of({**fields, "f": of}, {**example, "f": value})


@pytest.mark.parametrize("case", CASES, ids=[case.name for case in CASES])
def test_a_change_of_a_field(case: Case) -> None:
    old, new = declared(case.old, case.value), declared(case.new, case.value)
    found = changes({new.name: new}, {old.name: former_of(old)})
    assert {change.rule for change in found} == case.rules
    assert {change.event for change in found} <= {"parcel.sent"}
    assert {change.field for change in found} <= {"payload.f"}

    # What was sent before, read by Avro with the new schema, and judged by the new JSON Schema.
    schema, former = former_of(new), former_of(old)
    assert schema.avro
    assert former.avro
    sent = {**whole_event(old, 0), "trace_id": None}
    assert reads_by_avro(schema.avro, former.avro, sent) is case.new_reads_old
    backward = case.rules - {Rule.REMOVED_REQUIRED_FIELD, Rule.CHANGED_DEFAULT}
    without = {"parcel_id": "p"} if case.old is None or isinstance(case.old, tuple) else sent["payload"]
    accepts = schema_judge(json_schema(new))
    assert (accepts(sent) and accepts({**sent, "payload": without})) is not bool(backward)
    if not case.new_reads_old:
        assert backward


NEW_VALUES = {
    "new required": "a",
    "null too": None,
    "integer becomes number": 7.5,
    "text becomes integer": 7,
    "integer becomes text": "a",
    "boolean becomes integer": 1,
    "number becomes integer": 7,
    "new with a default": 3,
    "a default of another type": 1,
    "null no more": "a",
}


@pytest.mark.parametrize("case", CASES, ids=[case.name for case in CASES])
def test_old_consumers_of_a_change(case: Case) -> None:
    """The other way around: what is refused as a removed field is what old readers can't do without."""
    old, new = declared(case.old, case.value), declared(case.new, NEW_VALUES.get(case.name, case.value))
    former, schema = former_of(old), former_of(new)
    assert former.avro
    assert schema.avro
    sent = {**whole_event(new, 0), "trace_id": None}
    assert reads_by_avro(former.avro, schema.avro, sent) is case.old_reads_new


def test_an_event_that_is_gone_and_one_that_is_new() -> None:
    one = declared(str, "a")
    assert changes({}, {one.name: former_of(one)}) == [
        Change("parcel.sent", "", Rule.REMOVED_EVENT, "what was sent of it would be quarantined")
    ]
    assert changes({one.name: one}, {}) == []


def adapted(*steps: tuple[int, int], version: int = 3) -> EventSpec:
    plain = event_of({"grams": int}, {"grams": 1}, version)
    adapters = [Adapter(of=of, to=to, adapt=lambda event: event, examples=()) for of, to in steps]
    return dataclasses.replace(plain, adapters=tuple(adapters))


def test_a_version_needs_an_adapter_from_the_former_one() -> None:
    old = former_of(event_of({"kilos": float}, {"kilos": 1.5}))
    (refused,) = changes({"parcel.sent": adapted()}, {"parcel.sent": old})
    assert (refused.field, refused.rule) == ("version", Rule.VERSION_WITHOUT_ADAPTER)
    assert "version 1 is replaced by 3" in refused.detail
    assert changes({"parcel.sent": adapted((1, 3))}, {"parcel.sent": old}) == []
    assert changes({"parcel.sent": adapted((1, 2), (2, 3))}, {"parcel.sent": old}) == []
    (refused,) = changes({"parcel.sent": adapted((2, 3))}, {"parcel.sent": old})
    assert refused.rule is Rule.VERSION_WITHOUT_ADAPTER
    assert adapted((1, 2), (2, 3), (3, 4)).adapted_from == (1, 2)
    assert adapted((3, 3), (4, 5), (5, 4)).adapted_from == ()


def test_a_lower_version_is_refused() -> None:
    old = former_of(event_of({"grams": int}, {"grams": 1}, version=4))
    (refused,) = changes({"parcel.sent": adapted()}, {"parcel.sent": old})
    assert refused.rule is Rule.VERSION_WITHOUT_ADAPTER


def test_a_version_has_a_record_of_its_own_in_avro() -> None:
    assert (former_of(adapted(version=2)).avro or {})["name"] == "ParcelSentV2"
    assert (former_of(adapted(version=1)).avro or {})["name"] == "ParcelSent"


@pytest.mark.parametrize(
    "former",
    [Former(json={"title": "parcel.sent"}), Former(json={"properties": []}), Former(avro={"type": "record"})],
)
def test_a_former_schema_that_is_none_of_ours_is_told(former: Former) -> None:
    (refused,) = changes({"parcel.sent": declared(str, "a")}, {"parcel.sent": former})
    assert refused.rule is Rule.UNREADABLE_SCHEMA


def test_what_is_declared_is_compatible_with_itself() -> None:
    assert changes(OWN, {name: former_of(spec) for name, spec in OWN.items()}) == []
