"""CloudEvents 1.0."""

from __future__ import annotations

import base64
import json

from streams.sources.mappings.mapping import CODE, Example, Refused, Why

_PAYLOAD = {"booking_id": "b-7"}
_ATTRIBUTES = {
    "specversion": "1.0", "id": "e-1", "source": "/bookings", "type": "com.acme.booking.expired",
    "time": "2026-03-01T12:00:00Z",
}  # fmt: skip
_ENVELOPE = {
    "event_id": "e-1", "event": "booking.expired", "version": 1, "occurred_at": "2026-03-01T12:00:00Z",
    "source": "/bookings", "city": None, "trace_id": None, "payload": _PAYLOAD,
}  # fmt: skip
_OWN = {**_ENVELOPE, "event_id": "own-1", "source": "shop"}

CLOUDEVENTS = (
    Example(
        "the payload, and attributes; of the type the last two parts are the event",
        {**_ATTRIBUTES, "data": _PAYLOAD},
        (_ENVELOPE,),
    ),
    Example(
        "a city and a trace, as extension attributes",
        {**_ATTRIBUTES, "city": "london", "traceid": "t-1", "data": _PAYLOAD},
        ({**_ENVELOPE, "city": "london", "trace_id": "t-1"},),
    ),
    Example("an envelope: the attributes do not count", {**_ATTRIBUTES, "data": _OWN}, (_OWN,)),
    Example(
        "data in base64",
        {**_ATTRIBUTES, "data_base64": base64.b64encode(json.dumps(_PAYLOAD).encode()).decode()},
        (_ENVELOPE,),
    ),
    Example(
        "no time: an event needs one",
        {name: value for name, value in _ATTRIBUTES.items() if name != "time"} | {"data": _PAYLOAD},
        Refused(CODE, Why.FIELD, "time", ""),
    ),
    Example(
        "another version",
        {**_ATTRIBUTES, "specversion": "0.3", "data": _PAYLOAD},
        Refused(CODE, Why.FIELD, "specversion", ""),
    ),
    Example(
        "a type that is no event of the catalogue",
        {**_ATTRIBUTES, "type": "com.acme.booking.forgotten", "data": _PAYLOAD},
        Refused("EVENT_SCHEMA_INVALID", "unknown_event", "", ""),
    ),
)
