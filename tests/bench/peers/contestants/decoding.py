"""Decoders of events, built from the committed JSON Schemas alone: one tagged union of msgspec Structs."""

from __future__ import annotations

import json
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any, Literal, Union

import msgspec

Schema = dict[str, Any]
SCALARS = {"number": float, "boolean": bool}


def schemas_in(folder: Path) -> dict[str, Schema]:
    """Event name → its JSON Schema."""
    files = sorted(folder.rglob("*.json"))
    return {file.stem: json.loads(file.read_text(encoding="utf-8")) for file in files}


def plain_type(schema: Schema) -> Any:
    """The type of a member, without its limits; instants are datetimes."""
    if "anyOf" in schema:
        return Union[tuple(map(plain_type, schema["anyOf"]))]  # noqa: UP007
    if "enum" in schema or "const" in schema:
        return Literal[tuple(schema.get("enum") or [schema["const"]])]
    if schema.get("format") == "date-time":
        return datetime
    return {"null": None, "string": str, "integer": int, **SCALARS}[schema["type"]]


def checked_type(schema: Schema) -> Any:
    """The same with lengths and ranges, which msgspec checks itself; instants are texts."""
    if "anyOf" in schema:
        return Union[tuple(map(checked_type, schema["anyOf"]))]  # noqa: UP007
    if schema.get("type") == "string" and "enum" not in schema:
        limits = msgspec.Meta(min_length=schema.get("minLength"), max_length=schema.get("maxLength"))
        return Annotated[str, limits]
    if schema.get("type") in {"integer", "number"}:
        limits = msgspec.Meta(ge=schema.get("minimum"), le=schema.get("maximum"))
        return Annotated[plain_type(schema), limits]
    return plain_type(schema)


def _struct(name: str, schema: Schema, types: dict[str, Any], tag: str | None = None) -> type[msgspec.Struct]:
    required = schema["required"]
    fields = [
        (member, kind) if member in required else (member, kind, schema["properties"][member].get("default"))
        for member, kind in types.items()
    ]
    return msgspec.defstruct(
        name, fields, kw_only=True, gc=False, tag=tag, tag_field="event" if tag else None
    )


def event_structs(schemas: dict[str, Schema], kind_of: Any) -> dict[str, type[msgspec.Struct]]:
    """Event name → the Struct of a whole event; `kind_of` gives the type of a member."""
    structs = {}
    for name, schema in schemas.items():
        members = schema["properties"]
        payload = members["payload"]
        inner = {member: kind_of(of) for member, of in payload["properties"].items()}
        types: dict[str, Any] = {
            member: kind_of(of) for member, of in members.items() if member not in {"event", "payload"}
        }
        types["payload"] = _struct(f"{name} payload", payload, inner)
        structs[name] = _struct(name, schema, types, tag=name)
    return structs


def decoder_of(structs: dict[str, type[msgspec.Struct]]) -> msgspec.json.Decoder[Any]:
    """Decodes a record into the Struct that its `event` member names."""
    return msgspec.json.Decoder(Union[tuple(structs.values())])  # noqa: UP007


def plain_decoder(folder: Path) -> msgspec.json.Decoder[Any]:
    """What the limits decode with."""
    return decoder_of(event_structs(schemas_in(folder), plain_type))
