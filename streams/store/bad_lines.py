"""The lines of Bronze's `_bad/` (docs/contract.md §5), read back."""

from __future__ import annotations

from base64 import b64decode
from typing import NamedTuple

import msgspec

from schemas.validation.reasons import Code, Quarantined, Reason
from schemas.validation.validator import Validator


class Place(msgspec.Struct):
    """Where a record was in Kafka."""

    topic: str
    partition: int
    offset: int
    timestamp_ms: int


class _Line(msgspec.Struct):
    code: Code
    reason: Reason
    field: str
    detail: str
    value_base64: str | None
    kafka: Place = msgspec.field(name="_kafka")


class BadLine(NamedTuple):
    """A bad record's place, and the verdict of then with what can be told of it."""

    kafka: Place
    why: Quarantined


_decode = msgspec.json.Decoder(_Line).decode


def read_bad(line: bytes, validator: Validator) -> BadLine:
    """A line. `validator` reads of the record what it would have read when that came. Raises `ValueError`."""
    bad = _decode(line)
    value = None if bad.value_base64 is None else b64decode(bad.value_base64, validate=True)
    why = Quarantined(bad.code, bad.reason, bad.field, bad.detail)
    now = validator.validate_one(value, bad.kafka.timestamp_ms)
    if isinstance(now, Quarantined) and now.reason == bad.reason:
        why = why._replace(event=now.event, source=now.source, city=now.city)
    return BadLine(bad.kafka, why)
