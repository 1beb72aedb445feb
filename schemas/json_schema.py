"""An event as a JSON Schema (draft 2020-12): what validation accepts, as far as JSON Schema can say it.

What it cannot say: how far `occurred_at` may be ahead of Kafka's timestamp, how large a record may be, what
readers of JSON disagree about (docs/contract.md §1), that 1.0 is no integer, and which years have a 29
February: `format` says that, where it is asserted.
"""

from __future__ import annotations

from typing import Any

from pydantic.fields import FieldInfo

from schemas.fields import is_nullable, kind_of, limits_of
from schemas.spec import EventSpec
from schemas.types import Envelope, Payload

DIALECT = "https://json-schema.org/draft/2020-12/schema"
MAX_INTEGER = 2**63 - 1
"""The largest integer of a declared member."""
_DATE = (
    r"(?:(?!0000)[0-9]{4})-(?:(?:0[13578]|1[02])-(?:0[1-9]|[12][0-9]|3[01])|(?:0[469]|11)-(?:0[1-9]|[12][0-9]|30)"
    r"|02-(?:0[1-9]|[12][0-9]))"
)
INSTANT_PATTERN = (
    rf"^{_DATE}[Tt](?:[01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9](?:\.[0-9]+)?"
    r"(?:[Zz]|[+-](?:[01][0-9]|2[0-3]):[0-5][0-9])$"
)
"""An instant as text: RFC 3339 without leap seconds, in the years 0001 to 9999."""


def json_schema(spec: EventSpec) -> dict[str, Any]:
    """The JSON Schema of the whole event, envelope included, with whole events as examples."""
    properties = _properties(Envelope)
    properties["event"] = {"const": spec.name}
    properties["version"] = {"const": spec.version}
    properties["payload"] = {
        "type": "object",
        "properties": _properties(spec.payload),
        "required": _required(spec.payload),
    }
    return {
        "$schema": DIALECT,
        "title": spec.name,
        "description": spec.description,
        "type": "object",
        "properties": properties,
        "required": _required(Envelope),
        "examples": [whole_event(spec, number) for number in range(len(spec.examples))],
    }


def whole_event(spec: EventSpec, number: int) -> dict[str, Any]:
    """An example's payload in an envelope, as a producer would send it."""
    return {
        "event_id": f"{spec.name}-{number + 1}",
        "event": spec.name,
        "version": spec.version,
        "occurred_at": "2026-03-01T12:00:00Z",
        "source": f"{spec.domain}-service",
        "city": "lisbon",
        "payload": dict(spec.examples[number]),
    }


def _properties(model: type[Payload]) -> dict[str, Any]:
    """A model's members; pydantic's titles, which repeat their names, are left out."""
    made = model.model_json_schema()["properties"]
    return {
        name: _narrowed(field, {key: part for key, part in made[name].items() if key != "title"})
        for name, field in model.model_fields.items()
    }


def _narrowed(field: FieldInfo, schema: dict[str, Any]) -> dict[str, Any]:
    """With what our readers know beyond pydantic's words: the form of a time, the range of an integer."""
    of = schema
    if is_nullable(field) and "anyOf" in schema:
        (of,) = (option for option in schema["anyOf"] if option != {"type": "null"})
    if of.get("format") == "date-time":
        of["pattern"] = INSTANT_PATTERN
    elif of.get("type") == "integer" and kind_of(field) is int:
        limits = limits_of(field)
        if not limits.keys() & {"le", "lt"}:
            of["maximum"] = MAX_INTEGER
        if not limits.keys() & {"ge", "gt"}:
            of["minimum"] = -MAX_INTEGER - 1
    return schema


def _required(model: type[Payload]) -> list[str]:
    return [name for name, field in model.model_fields.items() if field.is_required()]
