"""What is said to be readable is read by fastavro, whatever was written."""

from __future__ import annotations

import copy
import io
from typing import Any

import fastavro
import pytest
from hypothesis import event, given
from hypothesis import strategies as st

from schemas.compatibility.avro import unreadable
from schemas.compatibility.problem import Rule
from tests.support.examples import examples
from tests.support.schema_changes import reads_by_avro

PRIMITIVES = ["null", "boolean", "int", "long", "float", "double", "bytes", "string"]
SYMBOLS = ["A", "B", "C"]


@st.composite
def schemas(draw: st.DrawFn, depth: int, path: str = "N") -> Any:
    """A schema whose named types are called by where they are."""
    kinds = ["primitive"] * 3 + (["record", "array", "map", "union", "enum", "fixed"] if depth else ["enum"])
    kind = draw(st.sampled_from(kinds))
    if kind == "primitive":
        return draw(st.sampled_from(PRIMITIVES))
    if kind == "enum":
        symbols = draw(st.lists(st.sampled_from(SYMBOLS), min_size=1, unique=True))
        default = {"default": symbols[0]} if draw(st.booleans()) else {}
        return {"type": "enum", "name": f"{path}E", "symbols": symbols, **default}
    if kind == "fixed":
        return {"type": "fixed", "name": f"{path}F", "size": draw(st.integers(1, 2))}
    if kind in ("array", "map"):
        return {"type": kind, {"array": "items", "map": "values"}[kind]: draw(schemas(depth - 1, f"{path}I"))}
    if kind == "union":
        return draw(st.lists(st.sampled_from(PRIMITIVES), min_size=1, max_size=3, unique=True))
    names = draw(st.lists(st.sampled_from("xyz"), unique=True))
    fields = [{"name": name, "type": draw(schemas(depth - 1, path + name))} for name in names]
    for field in fields:
        if field["type"] == "string" and draw(st.booleans()):
            field["default"] = "d"
    return {"type": "record", "name": f"{path}R", "fields": fields}


@st.composite
def changed(draw: st.DrawFn, schema: Any, path: str = "N") -> Any:
    """The schema with changes here and there."""
    if draw(st.integers(0, 9)) == 0:
        return draw(schemas(1, path))
    if schema == "null":
        return schema
    if isinstance(schema, str):
        return draw(st.sampled_from([schema, schema, "double", "long", "string", ["null", schema]]))
    if isinstance(schema, list):
        return draw(st.permutations(schema)) + draw(st.sampled_from([[], ["null"]])) * ("null" not in schema)
    made = copy.deepcopy(schema)
    if made["type"] == "enum":
        made["symbols"] = draw(st.sampled_from([made["symbols"], SYMBOLS, made["symbols"][:1]]))
    elif made["type"] == "record":
        made["fields"] = draw(changed_fields(made["fields"], path))
    for inner in ("items", "values"):
        if inner in made:
            made[inner] = draw(changed(made[inner], f"{path}I"))
    return made


@st.composite
def changed_fields(draw: st.DrawFn, fields: list[Any], path: str) -> list[Any]:
    made = [
        {"name": field["name"], "type": draw(changed(field["type"], path + field["name"]))}
        for field in fields
    ]
    more = {"name": "w", "type": "long"}
    return draw(
        st.sampled_from([made, made, made[1:], [*made, more], [*made, {**more, "default": 1}]]),
    )


OF_PRIMITIVES: dict[str, st.SearchStrategy[Any]] = {
    "null": st.none(),
    "boolean": st.booleans(),
    "int": st.integers(-9, 9),
    "long": st.integers(-9, 9),
    "float": st.sampled_from([0.5, 2.0]),
    "double": st.sampled_from([0.5, 2.0]),
    "bytes": st.sampled_from([b"", b"a"]),
    "string": st.sampled_from(["", "a"]),
}


def values_of(schema: Any) -> st.SearchStrategy[Any]:
    if isinstance(schema, list):
        return st.one_of(*map(values_of, schema))
    if isinstance(schema, str):
        return OF_PRIMITIVES[schema]
    if schema["type"] == "enum":
        return st.sampled_from(schema["symbols"])
    if schema["type"] == "fixed":
        return st.just(b"x" * schema["size"])
    if schema["type"] == "record":
        return st.fixed_dictionaries({field["name"]: values_of(field["type"]) for field in schema["fields"]})
    inner = values_of(schema.get("items") or schema["values"])
    is_map = schema["type"] == "map"
    return (
        st.dictionaries(st.sampled_from("ab"), inner, max_size=2) if is_map else st.lists(inner, max_size=2)
    )


@examples(600)
@given(st.data())
def test_what_is_readable_is_read(data: st.DataObject) -> None:
    writer = data.draw(schemas(2))
    reader = data.draw(changed(writer))
    assert unreadable(writer, writer) == []
    problems = unreadable(reader, writer)
    event("readable" if not problems else problems[0].rule.value)
    if problems:
        return
    body = io.BytesIO()
    fastavro.schemaless_writer(body, fastavro.parse_schema(writer, {}), data.draw(values_of(writer)))
    body.seek(0)
    fastavro.schemaless_reader(body, fastavro.parse_schema(writer, {}), fastavro.parse_schema(reader, {}))


def record(*fields: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"type": "record", "name": "R", "fields": list(fields), **more}


F = {"name": "f", "type": "string"}
AB = {"type": "enum", "name": "E", "symbols": ["A", "B"]}
CASES: list[tuple[str, Any, Any, Any, Rule | None]] = [
    ("a record of another name", record(F, name="S"), record(F), {"f": "a"}, Rule.RENAMED),
    ("an alias of the record", record(F, name="S", aliases=["R"]), record(F), {"f": "a"}, None),
    ("another namespace", record(F, namespace="new"), record(F, namespace="old"), {"f": "a"}, None),
    ("an alias of the field", record({**F, "name": "g", "aliases": ["f"]}), record(F), {"f": "a"}, None),
    ("a field of another name", record({**F, "name": "g"}), record(F), {"f": "a"}, Rule.NEW_REQUIRED_FIELD),
    ("a symbol gone", {**AB, "symbols": ["A"]}, AB, "B", Rule.REMOVED_SYMBOL),
    ("a symbol gone, a default", {**AB, "symbols": ["A"], "default": "A"}, AB, "B", None),
    ("a symbol more", {**AB, "symbols": ["A", "B", "C"]}, AB, "B", None),
    ("a longer fixed", {"type": "fixed", "name": "F", "size": 3}, {"type": "fixed", "name": "F", "size": 2},
     b"ab", Rule.NARROWED_TYPE),
    ("bytes for text", "bytes", "string", "a", None),
    ("text for bytes", "string", "bytes", b"a", None),
    ("int for long", "int", "long", 7, Rule.NARROWED_TYPE),
    ("items", {"type": "array", "items": "int"}, {"type": "array", "items": "string"}, ["a"],
     Rule.NARROWED_TYPE),
]  # fmt: skip


@pytest.mark.parametrize(
    ("reader", "writer", "value", "rule"), [c[1:] for c in CASES], ids=[c[0] for c in CASES]
)
def test_cases_of_the_specification(reader: Any, writer: Any, value: Any, rule: Rule | None) -> None:
    assert [problem.rule for problem in unreadable(reader, writer)] == ([rule] if rule else [])
    assert reads_by_avro(reader, writer, value) is (rule is None)


def test_a_schema_that_holds_itself() -> None:
    def tree(*fields: dict[str, Any]) -> dict[str, Any]:
        return record({"name": "next", "type": ["null", "R"]}, *fields)

    assert unreadable(tree(F), tree(F)) == []
    assert [one.rule for one in unreadable(tree(F), tree())] == [Rule.NEW_REQUIRED_FIELD]
