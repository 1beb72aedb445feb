"""Members that are declared as texts, where a writer's schema has them as bytes."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Literal, get_origin

from schemas.catalogue import EVENTS
from schemas.fields import kind_of
from schemas.types import Envelope


def read_bytes_as_texts(schema: Any, named: Mapping[str, Any]) -> None:
    """Change `bytes` to `string` in a parsed schema where the member is declared as a text.

    So does Avro's schema resolution; both are written alike. `named`: the types that the schema names.
    """
    for field in _fields_of(schema, named):
        if field["name"] in _ENVELOPE:
            field["type"] = _text_for_bytes(field["type"])
        elif field["name"] == "payload":
            for inner in _fields_of(field["type"], named):
                if inner["name"] in _PAYLOADS:
                    inner["type"] = _text_for_bytes(inner["type"])


def _fields_of(schema: Any, named: Mapping[str, Any]) -> list[Any]:
    """The fields of a record, or of those in a union."""
    if isinstance(schema, list):
        return [field for branch in schema for field in _fields_of(branch, named)]
    found = named.get(schema) if isinstance(schema, str) else schema
    return found.get("fields", []) if isinstance(found, dict) else []


def _text_for_bytes(schema: Any) -> Any:
    if isinstance(schema, list):
        return [_text_for_bytes(branch) for branch in schema]
    return "string" if schema in ("bytes", {"type": "bytes"}) else schema


_ENVELOPE = frozenset(Envelope.model_fields) - {"version", "payload"}
_PAYLOADS = frozenset(
    name
    for spec in EVENTS.values()
    for name, field in spec.payload.model_fields.items()
    if kind_of(field) in (str, datetime) or get_origin(kind_of(field)) is Literal
)
"""The names of the texts, times and choices of all payloads."""
