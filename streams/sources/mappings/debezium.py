"""Debezium's changes of an outbox table as a mapping: the row after an insert, a snapshot or an update.

A row has the columns of Debezium's outbox event router; SLUICE_DEBEZIUM_COLUMNS gives others.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from streams.sources.envelope import ENOUGH, MEMBERS
from streams.sources.mappings.cloudevents import event_name
from streams.sources.mappings.connect import field_schema, with_times
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
from streams.sources.mappings.moments import from_epoch

TAKEN = ("c", "r", "u")
"""An insert, a row of a snapshot, an update."""
LEFT = {"d": "a row was deleted", "t": "the table was emptied", "m": "a message of the database's log"}


class Columns(NamedTuple):
    """The names of the outbox table's columns; those for source and city need not be there."""

    id: str = "id"
    type: str = "type"
    payload: str = "payload"
    timestamp: str = "timestamp"
    source: str = "source"
    city: str = "city"


class Debezium:
    """A `Mapping` of changes of an outbox table, with or without their schema."""

    name = "debezium"

    def __init__(self, columns: Columns | None = None) -> None:
        self._columns = columns or Columns()

    def values(self, value: bytes) -> Sequence[bytes]:
        """The change."""
        return (value,)

    def outcome(self, value: bytes) -> Outcome:
        """What a change is. Never raises."""
        try:
            return Mapped((encoded(self._envelope(value)),))
        except StopError as stop:
            return stop.outcome

    def _envelope(self, value: bytes) -> dict[str, Any]:
        change, schema = _change(value)
        row, columns = _row(change), self._columns
        row = with_times(row, field_schema(schema, "after"))
        missing = [name for name in (columns.id, columns.type, columns.payload) if name not in row]
        if missing:
            raise refused(
                Why.FIELD,
                f"after: has no column {', '.join(missing)} (SLUICE_DEBEZIUM_COLUMNS names the columns)",
                f"after.{missing[0]}",
            )
        payload = _payload(row[columns.payload], f"after.{columns.payload}")
        if len(MEMBERS & payload.keys()) >= ENOUGH:
            return payload
        kind = row[columns.type]
        return {
            "event_id": row[columns.id],
            "event": event_name(kind) if isinstance(kind, str) else kind,
            "version": 1,
            "occurred_at": _occurred_at(row.get(columns.timestamp), change),
            "source": row.get(columns.source) or _server(change),
            "city": row.get(columns.city),
            "payload": payload,
        }


def _change(value: bytes) -> tuple[dict[str, Any], Any]:
    record = parsed(value)
    if record is None:
        raise not_for_us("tombstone", "a record without a value")
    record = parsed_object(value)
    schema = None
    if "schema" in record and "payload" in record:
        record, schema = record["payload"], record["schema"]
        if record is None:
            raise not_for_us("tombstone", "a record without a value")
    if not isinstance(record, dict) or "op" not in record or "after" not in record:
        raise refused(Why.WRONG_FORMAT, "it is no change of Debezium's: it needs op and after")
    return record, schema


def _row(change: dict[str, Any]) -> dict[str, Any]:
    op, row = change["op"], change["after"]
    if op in LEFT:
        raise not_for_us(f"op {op}".replace(" ", ":"), LEFT[op])
    if op not in TAKEN:
        raise refused(Why.FIELD, f"op: must be one of {', '.join((*TAKEN, *LEFT))}", "op")
    if not isinstance(row, dict):
        raise refused(Why.FIELD, "after: must be the row", "after")
    return row


def _payload(column: Any, field: str) -> dict[str, Any]:
    found = parsed(column.encode()) if isinstance(column, str) else column
    if not isinstance(found, dict):
        raise refused(Why.FIELD, f"{field}: must be a JSON object, or text that holds one", field)
    return found


def _occurred_at(timestamp: Any, change: dict[str, Any]) -> Any:
    """The row's own time; without one, when the database was changed, or when Debezium saw that."""
    if isinstance(timestamp, str):
        return timestamp
    source = change.get("source")
    changed = source.get("ts_ms") if isinstance(source, dict) else None
    for found in (timestamp, changed, change.get("ts_ms")):
        if type(found) is int:
            try:
                return from_epoch(found)
            except ValueError as error:
                raise refused(Why.FIELD, f"the time of the change: it {error}", "after.timestamp") from None
    raise refused(Why.FIELD, "the row has no time, nor has the change (ts_ms)", "after.timestamp")


def _server(change: dict[str, Any]) -> Any:
    source = change.get("source")
    name = source.get("name") if isinstance(source, dict) else None
    return name or "debezium"
