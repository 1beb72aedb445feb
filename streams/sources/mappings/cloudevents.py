"""CloudEvents 1.0 as a mapping: structured JSON, a batch of them, and what a binary request carries.

`data` is an event's envelope, which then goes out byte for byte; or it is the payload, and the attributes are
the envelope.
"""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Mapping as Members
from collections.abc import Sequence
from typing import Any
from urllib.parse import unquote

import msgspec

from schemas.catalogue import EVENTS
from streams.sources.envelope import ENOUGH, MEMBERS
from streams.sources.mappings.mapping import (
    Mapped,
    Outcome,
    StopError,
    Why,
    encoded,
    items_of,
    members_of,
    parsed,
    refused,
)

VERSION = "1.0"
CONTENT_TYPE = "application/cloudevents+json"
BATCH_CONTENT_TYPE = "application/cloudevents-batch+json"
HEADER_PREFIX = "ce-"
ATTRIBUTES = ("specversion", "id", "source", "type")
"""Those that every CloudEvent has."""
_TEXTS = ("id", "source", "type", "time", "city", "traceid")
_ENVELOPE = {
    "event_id": "id",
    "occurred_at": "time",
    "source": "source",
    "city": "city",
    "trace_id": "traceid",
}


class CloudEvents:
    """A `Mapping` of CloudEvents."""

    name = "cloudevents"

    def values(self, value: bytes) -> Sequence[bytes]:
        """The event, or those of a batch."""
        items = items_of(value) if value.lstrip()[:1] == b"[" else None
        return (value,) if items is None else items

    def outcome(self, value: bytes) -> Outcome:
        """What a CloudEvent is. Never raises."""
        try:
            return Mapped((_event(members_of(value)),))
        except StopError as stop:
            return stop.outcome


def _event(members: Members[str, bytes]) -> bytes:
    missing = [name for name in ATTRIBUTES if name not in members]
    if missing:
        raise refused(Why.WRONG_FORMAT, f"it is no CloudEvent: it has no {', '.join(missing)}")
    if parsed(members["specversion"]) != VERSION:
        raise refused(Why.FIELD, f"specversion: must be {VERSION}", "specversion")
    data = _data(members)
    names = _names(data)
    if len(MEMBERS & names) >= ENOUGH:
        return data
    attributes = {name: _text(members, name) for name in _TEXTS if name in members}
    if attributes.get("time") is None:
        raise refused(Why.FIELD, "time: an event needs it", "time")
    envelope = {ours: attributes.get(theirs) for ours, theirs in _ENVELOPE.items()}
    return encoded(
        {
            **envelope,
            "event": event_name(attributes["type"] or ""),
            "version": 1,
            "payload": msgspec.Raw(data),
        }
    )


def event_name(kind: str) -> str:
    """The event that a type names: itself, or its last two parts (`com.acme.charge.failed`), if the catalogue
    has that."""
    last = ".".join(kind.split(".")[-2:])
    return last if kind not in EVENTS and last in EVENTS else kind


def _names(data: bytes) -> frozenset[str]:
    try:
        return frozenset(members_of(data))
    except StopError:
        raise refused(Why.FIELD, "data: must be a JSON object", "data") from None


def _text(members: Members[str, bytes], name: str) -> str | None:
    found = parsed(members[name])
    if not isinstance(found, str | None):
        raise refused(Why.FIELD, f"{name}: must be text", name)
    return found


def _data(members: Members[str, bytes]) -> bytes:
    if "data_base64" in members:
        try:
            return base64.b64decode(_text(members, "data_base64") or "", validate=True)
        except (binascii.Error, ValueError):
            raise refused(Why.FIELD, "data_base64: must be base64", "data_base64") from None
    if "data" not in members:
        raise refused(Why.FIELD, "data: there is none", "data")
    data = members["data"]
    if data[:1] == b'"':  # JSON in text, as some producers write it
        found = parsed(data)
        return str(found).encode() if isinstance(found, str) else data
    return data


def structured(headers: Members[str, str], body: bytes) -> bytes:
    """A binary request as one structured CloudEvent: attributes from its `ce-` headers, its body as data."""
    attributes: dict[str, Any] = {
        name[len(HEADER_PREFIX) :].lower(): unquote(value)
        for name, value in headers.items()
        if name.lower().startswith(HEADER_PREFIX)
    }
    attributes.pop("data", None)
    return json.dumps({**attributes, "data_base64": base64.b64encode(body).decode()}).encode()
