"""Events declared on the spot, for comparisons of one declaration with another."""

from __future__ import annotations

import io
from typing import Any

import fastavro
from pydantic import create_model

from schemas.avro_schema import wire_schema
from schemas.compatibility.changes import Former
from schemas.json_schema import json_schema
from schemas.spec import EventSpec
from schemas.types import Payload


def event_of(fields: dict[str, Any], example: dict[str, Any], version: int = 1) -> EventSpec:
    """An event `parcel.sent` with these fields: type, or (type, default)."""
    given: dict[str, Any] = {name: of if isinstance(of, tuple) else (of, ...) for name, of in fields.items()}
    payload = create_model(
        "Sent", __base__=Payload, __doc__="A parcel went out.", __module__="parcels", **given
    )
    return EventSpec(
        name="parcel.sent", payload=payload, examples=(example,), counter_examples=(), version=version
    )


def former_of(spec: EventSpec) -> Former:
    return Former(json_schema(spec), wire_schema(spec))


def reads_by_avro(reader: dict[str, Any], writer: dict[str, Any], value: dict[str, Any]) -> bool:
    """Whether fastavro's own resolution reads with the one schema what was written with the other."""
    body = io.BytesIO()
    fastavro.schemaless_writer(body, fastavro.parse_schema(writer, {}), value)
    body.seek(0)
    try:
        fastavro.schemaless_reader(body, fastavro.parse_schema(writer, {}), fastavro.parse_schema(reader, {}))
    except Exception:  # noqa: BLE001 - what it raises depends on the kind of change
        return False
    return True
