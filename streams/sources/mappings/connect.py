"""Records of Kafka Connect's JsonConverter, with their schema, as a mapping.

The payload is an event's envelope; or it is flat: members of the envelope, and all others are the payload's.
Connect's times are numbers; the schema says which, and they become RFC 3339.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from streams.sources.mappings.mapping import (
    Mapped,
    Outcome,
    StopError,
    Why,
    encoded,
    not_for_us,
    parsed,
    parsed_object,
    refused,
)
from streams.sources.mappings.moments import from_unix

TIMES = {
    "org.apache.kafka.connect.data.Timestamp": 1000,
    "io.debezium.time.Timestamp": 1000,
    "io.debezium.time.MicroTimestamp": 10**6,
    "io.debezium.time.NanoTimestamp": 10**9,
}
"""Name of a field's schema → how many of it are a second."""
ENVELOPE = ("event_id", "event", "version", "occurred_at", "source", "city", "trace_id")


class Connect:
    """A `Mapping` of `{"schema": …, "payload": …}`."""

    name = "connect"

    def values(self, value: bytes) -> Sequence[bytes]:
        """The record."""
        return (value,)

    def outcome(self, value: bytes) -> Outcome:
        """What a record is. Never raises."""
        try:
            return Mapped((encoded(_envelope(value)),))
        except StopError as stop:
            return stop.outcome


def _envelope(value: bytes) -> dict[str, Any]:
    record = parsed_object(value)
    if "schema" not in record or "payload" not in record:
        raise refused(Why.WRONG_FORMAT, "it is no record with its schema: it needs schema and payload")
    payload, schema = record["payload"], record["schema"]
    if payload is None:
        raise not_for_us("tombstone", "a record without a value")
    if isinstance(payload, str):  # text that is JSON: a schema of the type string
        payload = parsed(payload.encode())
    if not isinstance(payload, dict):
        raise refused(Why.FIELD, "payload: must be an object, or text that holds one", "payload")
    flat = with_times(payload, schema)
    if isinstance(flat.get("payload"), dict):
        return {**flat, "payload": with_times(flat["payload"], field_schema(schema, "payload"))}
    envelope = {name: flat[name] for name in ENVELOPE if name in flat}
    return {"version": 1, **envelope, "payload": {k: v for k, v in flat.items() if k not in ENVELOPE}}


def field_schema(schema: Any, name: str) -> Any:
    """The schema of a struct's field; None if it has none."""
    fields = schema.get("fields") if isinstance(schema, dict) else None
    for field in fields if isinstance(fields, list) else ():
        if isinstance(field, dict) and field.get("field") == name:
            return field
    return None


def with_times(struct: dict[str, Any], schema: Any) -> dict[str, Any]:
    """A struct with its times, those by its schema, as RFC 3339. Raises `StopError`."""
    changed = dict(struct)
    for name, value in struct.items():
        field = field_schema(schema, name)
        per_second = TIMES.get(str(field.get("name"))) if isinstance(field, dict) else None
        if per_second is not None and value is not None:
            try:
                changed[name] = from_unix(value, per_second)
            except ValueError as error:
                raise refused(
                    Why.FIELD, f"{name}: its schema says that it is a time; it {error}", name
                ) from None
    return changed
