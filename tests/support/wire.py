"""Records in a registry's wire format, and their schemas as if the log of schemas had them."""

from __future__ import annotations

import io
import json
from collections.abc import Mapping
from typing import Any

import fastavro

from schemas.validation.avro.known_schemas import KnownSchemas
from schemas.validation.avro.log_entries import SchemaEntry


def body_of(schema: Any, record: Any) -> bytes:
    """A record in Avro's binary form."""
    body = io.BytesIO()
    fastavro.schemaless_writer(body, fastavro.parse_schema(schema, {}), record)
    return body.getvalue()


def encoded(schema_id: int, schema: Any, record: Any) -> bytes:
    """The same behind the id of its schema."""
    return framed(schema_id, body_of(schema, record))


def framed(schema_id: int, body: bytes) -> bytes:
    """Bytes behind the id of a schema."""
    return b"\x00" + schema_id.to_bytes(4, "big") + body


def known(schemas: Mapping[int, Any]) -> KnownSchemas:
    """Schema id to Avro schema."""
    made = KnownSchemas()
    for number, schema in schemas.items():
        made.take(SchemaEntry(number, "AVRO", json.dumps(schema)))
    return made
