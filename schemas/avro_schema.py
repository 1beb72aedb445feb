"""An event as an Avro schema: a record of its envelope, with the payload as a record in it.

Made to evolve (docs/producers.md). Names stay as they are for good; a new version of an event, which no
reader of the former one could read, has a record of its own (`PayoutPaidV2`), and so a subject. A member that
may be left out has a default, so that a newer schema reads what was written before there was such a member.
Times and choices are strings, as in JSON: a choice that is not known yet is refused by its field, not by a
decoder.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any, Literal, get_args, get_origin

from pydantic.fields import FieldInfo

from schemas.fields import is_nullable, kind_of
from schemas.json_schema import whole_event
from schemas.spec import EventSpec, class_name
from schemas.types import Envelope, Payload

NAMESPACE = "sluice"
EXAMPLES = "examples"
"""An attribute of ours, which Avro's readers pass over."""
_TYPES = {str: "string", int: "long", float: "double", bool: "boolean", datetime: "string"}


def avro_schema(spec: EventSpec) -> dict[str, Any]:
    """The Avro schema of the whole event, with whole events as examples."""
    examples = [whole_event(spec, number) for number in range(len(spec.examples))]
    return {**wire_schema(spec), EXAMPLES: examples}


def wire_schema(spec: EventSpec) -> dict[str, Any]:
    """The same as a registry has it: without examples, which would make a version of every better one."""
    name = class_name(spec.name) + (f"V{spec.version}" if spec.version > 1 else "")
    envelope = {name: field for name, field in Envelope.model_fields.items() if name != "payload"}
    payload = {"type": "record", "name": f"{name}Payload", "fields": _fields(spec.payload)}
    return {
        "type": "record",
        "name": name,
        "namespace": f"{NAMESPACE}.{spec.domain}",
        "doc": spec.description,
        "fields": [*map(_field, envelope, envelope.values()), {"name": "payload", "type": payload}],
    }


def _fields(model: type[Payload]) -> list[dict[str, Any]]:
    return [_field(name, field) for name, field in model.model_fields.items()]


def _field(name: str, field: FieldInfo) -> dict[str, Any]:
    kind = kind_of(field)
    is_choice = get_origin(kind) is Literal
    avro: Any = "string" if is_choice else _TYPES[kind]
    default = field.default.isoformat() if isinstance(field.default, datetime) else field.default
    if is_nullable(field):  # a union's default is of its first branch
        avro = ["null", avro] if field.is_required() or default is None else [avro, "null"]
    made = {"name": name, "type": avro}
    if is_choice:
        made["doc"] = "one of " + ", ".join(get_args(kind))
    return made if field.is_required() else made | {"default": default}
