"""Records of Kafka Connect and changes of Debezium."""

from __future__ import annotations

import json
from typing import Any

from streams.sources.mappings.mapping import CODE, Example, NotForUs, Refused, Why

AT = "2026-03-01T12:00:00Z"
AT_MS = 1772366400000
_PAYLOAD = {"booking_id": "b-7"}
_ENVELOPE = {
    "event_id": "e-1", "event": "booking.expired", "version": 1, "occurred_at": AT, "source": "shop",
    "payload": _PAYLOAD,
}  # fmt: skip
_TIME = {"field": "occurred_at", "type": "int64", "name": "org.apache.kafka.connect.data.Timestamp"}
_SCHEMA = {"type": "struct", "fields": [_TIME]}

CONNECT = (
    Example(
        "an envelope; its time is a number by its schema",
        {"schema": _SCHEMA, "payload": {**_ENVELOPE, "occurred_at": AT_MS}},
        (_ENVELOPE,),
    ),
    Example(
        "a flat struct: what is not the envelope's is the payload's",
        {"schema": {"type": "struct", "fields": []}, "payload": {
            "event_id": "e-1", "event": "booking.expired", "occurred_at": AT, "source": "shop",
            "booking_id": "b-7",
        }},
        (_ENVELOPE,),
    ),
    Example(
        "text that is JSON",
        {"schema": {"type": "string"}, "payload": json.dumps(_ENVELOPE)},
        (_ENVELOPE,),
    ),
    Example("a tombstone", {"schema": None, "payload": None}, NotForUs("tombstone", "")),
    Example("a record without its schema", _ENVELOPE, Refused(CODE, Why.WRONG_FORMAT, "", "")),
)  # fmt: skip


def change(op: str, after: Any, **more: Any) -> dict[str, Any]:
    """A change of Debezium's."""
    source = {"name": "shop", "ts_ms": AT_MS}
    return {"before": None, "after": after, "op": op, "source": source, "ts_ms": AT_MS + 9, **more}


_ROW = {
    "id": "e-1", "aggregatetype": "booking", "aggregateid": "b-7", "type": "booking.expired",
    "payload": json.dumps(_PAYLOAD),
}  # fmt: skip
_OF_ROW = {**_ENVELOPE, "city": None}

DEBEZIUM = (
    Example("a row of the outbox; its time is the change's", change("c", _ROW), (_OF_ROW,)),
    Example(
        "with its schema, and a time of its own in microseconds",
        {
            "schema": {"type": "struct", "fields": [{"field": "after", "type": "struct", "fields": [
                {"field": "timestamp", "type": "int64", "name": "io.debezium.time.MicroTimestamp"},
            ]}]},
            "payload": change("r", {**_ROW, "timestamp": AT_MS * 1000 + 250_000}),
        },
        ({**_OF_ROW, "occurred_at": "2026-03-01T12:00:00.250000Z"},),
    ),
    Example("a payload that is an envelope", change("u", {**_ROW, "payload": _ENVELOPE}), (_ENVELOPE,)),
    Example("a row is deleted: an outbox is emptied", change("d", None, before=_ROW), NotForUs("op:d", "")),
    Example("a tombstone", None, NotForUs("tombstone", "")),
    Example(
        "another table",
        change("c", {"id": 7, "name": "x"}),
        Refused(CODE, Why.FIELD, "after.type", ""),
    ),
    Example("no change of Debezium's", {"id": 7}, Refused(CODE, Why.WRONG_FORMAT, "", "")),
)  # fmt: skip
