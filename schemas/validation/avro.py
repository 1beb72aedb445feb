"""Records in Confluent's Avro wire format: a zero byte, a schema id (4 bytes, big-endian), the Avro body."""

from __future__ import annotations

import io
import json
import struct
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import fastavro
from fastavro.schema import SchemaParseException, UnknownType

from schemas.validation.reasons import Reason

_HEADER = struct.Struct(">bI")


class AvroRecordError(ValueError):
    """A record cannot be read: `reason` is `avro_undecodable` or `unknown_schema_id`."""

    def __init__(self, reason: Reason, detail: str) -> None:
        super().__init__(detail)
        self.reason = reason


class AvroSchemaError(ValueError):
    """A schema file cannot be used. `str(error)` names the file and what is wrong."""


class AvroDecoder:
    """Reads Avro records. `schemas`: schema id → the writer's Avro schema, as the registry knows them."""

    def __init__(self, schemas: Mapping[int, Any]) -> None:
        self._schemas = {number: fastavro.parse_schema(schema, {}) for number, schema in schemas.items()}

    @classmethod
    def load(cls, path: str) -> AvroDecoder:
        """Read a folder of `<schema id>.avsc` files; without a path there are no schemas.

        Raises AvroSchemaError, which names folder or file.
        """
        if not path:
            return cls({})
        folder = Path(path)
        if not folder.is_dir():
            raise AvroSchemaError(f"{folder} is not a folder; it should hold <schema id>.avsc files")
        schemas: dict[int, Any] = {}
        for file in sorted(folder.glob("*.avsc")):
            if not (file.stem.isascii() and file.stem.isdecimal() and int(file.stem) < 2**32):
                raise AvroSchemaError(f"{file}: its name should be the schema's id in the registry: 17.avsc")
            schemas[int(file.stem)] = _parsed(file)
        if not schemas:
            raise AvroSchemaError(f"{folder} holds no <schema id>.avsc file")
        return cls(schemas)

    def decode(self, value: bytes) -> dict[str, Any]:
        """The record as a dict. Raises AvroRecordError."""
        if len(value) < _HEADER.size:
            raise AvroRecordError(Reason.AVRO_UNDECODABLE, "the record ends within Avro's 5-byte header")
        schema_id = _HEADER.unpack_from(value)[1]
        schema = self._schemas.get(schema_id)
        if schema is None:
            raise AvroRecordError(Reason.UNKNOWN_SCHEMA_ID, f"there is no Avro schema with id {schema_id}")
        misfit = AvroRecordError(Reason.AVRO_UNDECODABLE, f"the body does not fit Avro schema {schema_id}")
        body = io.BytesIO(value[_HEADER.size :])
        try:
            members = fastavro.schemaless_reader(body, schema, None)
        except Exception:  # noqa: BLE001 - whatever the bytes led fastavro into: EOFError, IndexError, ValueError, …
            raise misfit from None
        if body.read(1):
            raise misfit
        if not isinstance(members, dict):
            raise AvroRecordError(
                Reason.AVRO_UNDECODABLE, f"Avro schema {schema_id} does not describe a record"
            )
        return members


def _parsed(path: Path) -> Any:
    try:
        schema = json.loads(path.read_text("utf-8"))
    except (OSError, ValueError) as error:
        raise AvroSchemaError(f"{path} is not readable JSON: {error}") from None
    try:
        return fastavro.parse_schema(schema, {})
    except (SchemaParseException, UnknownType, ValueError, TypeError, KeyError, AttributeError) as error:
        raise AvroSchemaError(f"{path} is not an Avro schema: {error}") from None
