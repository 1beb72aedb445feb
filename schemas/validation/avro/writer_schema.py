"""A schema that a record was written with, and the records that it reads, as JSON text."""

from __future__ import annotations

import io
import json
import math
import struct
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import fastavro
import fastavro._read_py as recursive_reader
import msgspec
from fastavro.schema import SchemaParseException, UnknownType

from schemas.validation.avro.declared_texts import read_bytes_as_texts
from schemas.validation.avro.transcoder import HEADER_BYTES, CareError, MisfitError, Transcoder, compiled
from schemas.validation.reasons import Reason

AVRO, JSON, PROTOBUF = "AVRO", "JSON", "PROTOBUF"
TOO_LARGE = "too large"
"""The kind of a schema that is larger than is kept."""
LARGEST_SCHEMA_BYTES = 512 << 10
_encode = msgspec.json.Encoder().encode
_BAD_SCHEMA = (
    SchemaParseException,
    UnknownType,
    ValueError,
    TypeError,
    KeyError,
    AttributeError,
    RecursionError,
)


class AvroRecordError(ValueError):
    """A record cannot be read: `reason` is `avro_undecodable` or `unknown_schema_id`."""

    def __init__(self, reason: Reason, detail: str) -> None:
        super().__init__(detail)
        self.reason = reason


class WriterSchema:
    """A schema of the registry. `kind`: `AVRO`, `JSON`, or another, which is refused; `references`: the texts
    that it refers to, in the order in which they can be read. `problem`: why it reads no record; None: it
    does."""

    def __init__(self, number: int, kind: str, text: str, references: Iterable[str] = ()) -> None:
        self.number = number
        self.kind = kind
        self.problem: str | None = None
        self._transcoder: Transcoder | None = None
        self._read: Callable[[Any, Any, Any], Any] = fastavro.schemaless_reader
        if kind == JSON:
            return
        if kind == TOO_LARGE:
            self.problem = f"schema {number} is larger than {LARGEST_SCHEMA_BYTES >> 10} KiB"
            return
        if kind != AVRO:
            what = "a Protobuf schema" if kind == PROTOBUF else "of a kind that is not known"
            self.problem = f"schema {number} is {what}: Sluice reads Avro and JSON Schema"
            return
        try:
            self._schema, named = _parsed(text, references)
            read_bytes_as_texts(self._schema, named)
            shape = _Shape(self._schema, named)
        except _BAD_SCHEMA as error:
            self.problem = f"schema {number} is not an Avro schema: {type(error).__name__}: {error}"[:300]
            return
        if shape.empty_items:
            self.problem = (
                f"schema {number} has an array whose items take no bytes: it could be of any length"
            )
        elif shape.recursive:
            # fastavro's own would use up the stack, and end the process.
            self._read = recursive_reader.schemaless_reader
        else:
            self._transcoder = compiled(self._schema, named)

    def json(self, value: bytes) -> bytes:
        """A record of this schema as JSON text. Raises `AvroRecordError`."""
        if self._transcoder is not None:
            try:
                return self._transcoder(value)
            except CareError:
                pass
            except (MisfitError, IndexError, struct.error):
                raise self._misfit() from None
        return self.json_with_care(value)

    def json_with_care(self, value: bytes) -> bytes:
        """The same by fastavro, and whatever it has in it."""
        if self.problem is not None:
            raise AvroRecordError(Reason.AVRO_UNDECODABLE, self.problem)
        if self.kind == JSON:
            return value[HEADER_BYTES:]
        body = io.BytesIO(value[HEADER_BYTES:])
        try:
            members = self._read(body, self._schema, None)
        except Exception:  # noqa: BLE001 - whatever the bytes led it into: EOFError, IndexError, RecursionError, …
            raise self._misfit() from None
        if body.read(1):
            raise self._misfit()
        if not isinstance(members, dict):
            problem = f"Avro schema {self.number} does not describe a record"
            raise AvroRecordError(Reason.AVRO_UNDECODABLE, problem)
        try:
            _check_numbers(members)
            return _encode(members)
        except (TypeError, ValueError, OverflowError, RecursionError):
            problem = f"schema {self.number} led to a value that JSON cannot say"
            raise AvroRecordError(Reason.AVRO_UNDECODABLE, problem) from None

    def _misfit(self) -> AvroRecordError:
        return AvroRecordError(Reason.AVRO_UNDECODABLE, f"the body does not fit Avro schema {self.number}")


def _parsed(text: str, references: Iterable[str]) -> tuple[Any, dict[str, Any]]:
    """The schema as fastavro has it, and the types that have names."""
    named: dict[str, Any] = {}
    for reference in references:
        fastavro.parse_schema(json.loads(reference), named)
    return fastavro.parse_schema(json.loads(text), named), named


def _check_numbers(value: Any) -> None:
    """Raises ValueError for a number that JSON lacks: it would be written as null."""
    if isinstance(value, float):
        if not math.isfinite(value):
            raise ValueError
    elif isinstance(value, dict):
        for member in value.values():
            _check_numbers(member)
    elif isinstance(value, list):
        for member in value:
            _check_numbers(member)


class _Shape:
    """What a parsed schema is like: whether it refers to itself, and whether it has an array whose items take
    no bytes, so that a few bytes may say that there are any number of them."""

    def __init__(self, schema: Any, named: Mapping[str, Any]) -> None:
        self.recursive = False
        self.empty_items = False
        self._named = named
        self._known: dict[str, bool] = {}
        self._open: set[str] = set()
        self._takes_bytes(schema)

    def _takes_bytes(self, schema: Any) -> bool:
        """Whether every value of this schema takes at least one byte."""
        if isinstance(schema, list):  # a union begins with the branch's number
            for branch in schema:
                self._takes_bytes(branch)
            return True
        if isinstance(schema, str):
            return self._takes_bytes(self._named[schema]) if schema in self._named else schema != "null"
        kind = schema["type"]
        if kind == "array":
            self.empty_items |= not self._takes_bytes(schema["items"])
        elif kind == "map":
            self._takes_bytes(schema["values"])
        elif kind == "fixed":
            return bool(schema["size"] > 0)
        elif kind in ("record", "error"):
            return self._record_takes_bytes(schema)
        return bool(kind != "null")

    def _record_takes_bytes(self, schema: Any) -> bool:
        name = schema["name"]
        if name not in self._known:
            self._known[name] = True  # as long as it is open
            self._open.add(name)
            taken = [
                self._takes_bytes(field["type"]) for field in schema["fields"]
            ]  # every field is looked at
            self._known[name] = any(taken)
            self._open.discard(name)
        elif name in self._open:
            self.recursive = True
        return self._known[name]
