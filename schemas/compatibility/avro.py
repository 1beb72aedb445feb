"""Avro's schema resolution, asked beforehand: whether a reader's schema reads all that a writer's may hold.

After "Schema Resolution" of Avro's specification. Names are compared without their namespace, as Avro's own
libraries do.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from schemas.compatibility.problem import Problem, Rule, below

Schema = str | list[Any] | dict[str, Any]

_PROMOTED = {
    "int": {"long", "float", "double"},
    "long": {"float", "double"},
    "float": {"double"},
    "string": {"bytes"},
    "bytes": {"string"},
}
"""Writer's type → the other types of readers that read it."""
_PRIMITIVES = {"null", "boolean", "int", "long", "float", "double", "bytes", "string"}
_NAMED = {"record", "error", "enum", "fixed"}


class _Sides(NamedTuple):
    """The named types of both sides, by full name, and the pairs that are being compared already."""

    reader: dict[str, dict[str, Any]]
    writer: dict[str, dict[str, Any]]
    begun: set[tuple[str, str]]


def unreadable(reader: Schema, writer: Schema) -> list[Problem]:
    """Why a reader with the one schema can't read what was written with the other; empty if it can.

    Both are valid Avro schemas. Attributes that Avro does not know are passed over.
    """
    return list(_compare(reader, writer, "", _Sides(_named(reader), _named(writer), set())))


def _named(schema: Schema, space: str = "") -> dict[str, dict[str, Any]]:
    """All named types that are defined in a schema."""
    found: dict[str, dict[str, Any]] = {}
    if isinstance(schema, list):
        for branch in schema:
            found |= _named(branch, space)
    elif isinstance(schema, dict):
        if schema["type"] in _NAMED:
            name = _full_name(schema, space)
            space = name.rpartition(".")[0]
            found[name] = schema
        for inner in (schema.get("items"), schema.get("values")):
            found |= _named(inner, space) if inner is not None else {}
        for field in schema.get("fields", ()):
            found |= _named(field["type"], space)
        if isinstance(schema["type"], list | dict):
            found |= _named(schema["type"], space)
    return found


def _full_name(schema: Mapping[str, Any], space: str) -> str:
    name: str = schema["name"]
    space = schema.get("namespace", space)
    return name if "." in name or not space else f"{space}.{name}"


def _resolved(schema: Schema, named: dict[str, dict[str, Any]]) -> Schema:
    """A schema as a list of branches, a dict, or the name of a primitive."""
    if isinstance(schema, dict) and isinstance(schema["type"], list | dict):
        return _resolved(schema["type"], named)
    if isinstance(schema, dict) and schema["type"] in _PRIMITIVES:
        return str(schema["type"])
    if isinstance(schema, str) and schema not in _PRIMITIVES:
        found = named.get(schema)
        return found or next(one for name, one in named.items() if name.rpartition(".")[2] == schema)
    return schema


def _compare(reader: Schema, writer: Schema, field: str, sides: _Sides) -> Iterator[Problem]:
    reader, writer = _resolved(reader, sides.reader), _resolved(writer, sides.writer)
    if isinstance(writer, list):  # whatever was written, it has to be read
        for branch in writer:
            yield from _compare(reader, branch, field, sides)
    elif isinstance(reader, list):
        if not any(_reads(branch, writer, field, sides) for branch in reader):
            yield Problem(field, Rule.NARROWED_TYPE, f"{_type(writer)} is none of its types any more")
    elif _type(reader) != _type(writer):
        if _type(reader) not in _PROMOTED.get(_type(writer), ()):
            yield Problem(field, Rule.NARROWED_TYPE, f"{_type(writer)} was written, {_type(reader)} is read")
    elif isinstance(reader, dict) and isinstance(writer, dict):
        yield from _compare_complex(reader, writer, field, sides)


def _reads(reader: Schema, writer: Schema, field: str, sides: _Sides) -> bool:
    """Whether it reads all of it; what was begun on the way is forgotten, if not."""
    tried = _Sides(sides.reader, sides.writer, set(sides.begun))
    return not any(_compare(reader, writer, field, tried))


def _compare_complex(
    reader: dict[str, Any], writer: dict[str, Any], field: str, sides: _Sides
) -> Iterator[Problem]:
    kind = _type(reader)
    if kind == "array":
        yield from _compare(reader["items"], writer["items"], below(field, "[]"), sides)
    elif kind == "map":
        yield from _compare(reader["values"], writer["values"], below(field, "{}"), sides)
    elif not _same_name(reader, writer):
        yield Problem(field, Rule.RENAMED, f"the {kind} {writer['name']} is called {reader['name']} now")
    elif kind == "fixed":
        if reader["size"] != writer["size"]:
            yield Problem(field, Rule.NARROWED_TYPE, f"{writer['size']} bytes were written")
    elif kind == "enum":
        gone = [symbol for symbol in writer["symbols"] if symbol not in reader["symbols"]]
        if gone and "default" not in reader:
            yield Problem(field, Rule.REMOVED_SYMBOL, f"it no longer has {', '.join(gone)}")
    elif (pair := (str(reader["name"]), str(writer["name"]))) not in sides.begun:
        sides.begun.add(pair)
        yield from _compare_fields(reader, writer, field, sides)


def _compare_fields(
    reader: dict[str, Any], writer: dict[str, Any], at: str, sides: _Sides
) -> Iterator[Problem]:
    written = {field["name"]: field for field in writer["fields"]}
    for field in reader["fields"]:
        names = [field["name"], *field.get("aliases", ())]
        found = next((written[name] for name in names if name in written), None)
        path = below(at, field["name"])
        if found is not None:
            yield from _compare(field["type"], found["type"], path, sides)
        elif "default" not in field:
            yield Problem(path, Rule.NEW_REQUIRED_FIELD, "what was written before does not have it")


def _same_name(reader: dict[str, Any], writer: dict[str, Any]) -> bool:
    name = _plain_name(writer["name"])
    return name in map(_plain_name, [reader["name"], *reader.get("aliases", ())])


def _plain_name(name: str) -> str:
    return name.rpartition(".")[2]


def _type(schema: Schema) -> str:
    if isinstance(schema, dict):
        kind = str(schema["type"])
        return "record" if kind == "error" else kind
    return schema if isinstance(schema, str) else "union"
