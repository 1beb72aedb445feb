"""What a JSON text looks like from outside: an event's envelope, some other object or no object, and its key.

To judge an event is the workers' job; this is how a replay tells a file of events from any other file.
"""

from __future__ import annotations

from typing import Annotated, NamedTuple

import msgspec

MEMBERS = frozenset({"event_id", "event", "version", "occurred_at", "source", "payload"})
"""What every envelope has (docs/contract.md §1)."""
ENOUGH = 3
"""An object with half of them is a bad event rather than something else."""
KEY_FIELDS = (
    "payout_id", "dispute_id", "booking_id", "charge_id", "refund_id", "fee_id", "subject_id", "check_id",
    "message_id", "quote_id", "campaign_id", "session_id", "user_id", "studio_id",
)  # fmt: skip
"""The first of these that a payload has is the event's Kafka key, so that all events of an entity share one
(docs/contract.md §3, "Entity"): first what the event is about, last the person or the session behind it."""

OF_A_USER = frozenset({b'"checkout.start"'})
"""Events with a session that are keyed by their user: an experiment counts them beside its exposures."""


class Seen(NamedTuple):
    """A JSON object: its Kafka key, and whether it looks like an envelope."""

    key: bytes | None
    is_envelope: bool


class _Envelope(msgspec.Struct, gc=False):
    event_id: msgspec.Raw
    event: msgspec.Raw
    payload: dict[str, msgspec.Raw]


class _Carrier(msgspec.Struct, gc=False):
    payload: dict[str, msgspec.Raw]
    event: msgspec.Raw = msgspec.Raw(b"")


class _Named(msgspec.Struct, gc=False):
    event_id: Annotated[str, msgspec.Meta(max_length=64, pattern=r"^[A-Za-z0-9_.:-]+$")]


_decode_carrier = msgspec.json.Decoder(_Carrier).decode
_decode_members = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode
_decode_named = msgspec.json.Decoder(_Named).decode
_decode_text = msgspec.json.Decoder(str).decode
decode_envelope = msgspec.json.Decoder(_Envelope).decode
"""An object with enough of them, and a payload that is an object. Raises one of `UNREADABLE_JSON`."""
UNREADABLE_JSON = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)


def seen(value: bytes) -> Seen | None:
    """What a text is; None if it is no JSON object."""
    names = members(value)
    return None if names is None else Seen(key_of(value), len(MEMBERS & names) >= ENOUGH)


def members(value: bytes) -> set[str] | None:
    """The names of an object's members; None if it is no JSON object."""
    try:
        return set(_decode_members(value))
    except UNREADABLE_JSON:
        return None


def event_id_of(value: bytes | None) -> str | None:
    """The event_id of a JSON object, whatever else is wrong with it; None if it has none that is allowed."""
    try:
        return _decode_named(value or b"").event_id
    except UNREADABLE_JSON:
        return None


def key_of(value: bytes) -> bytes | None:
    """The key for an event's JSON; None where it is no JSON object or its payload has no id."""
    try:
        carrier = _decode_carrier(value)
    except UNREADABLE_JSON:
        return None
    return key_in(carrier.payload, carrier.event)


def key_in(payload: dict[str, msgspec.Raw], event: msgspec.Raw) -> bytes | None:
    """The key for a payload's members, by the event's name in JSON; None if it has no id."""
    for field in ("user_id", *KEY_FIELDS) if bytes(event) in OF_A_USER else KEY_FIELDS:
        raw = payload.get(field)
        if raw is not None:
            try:
                return _decode_text(raw).encode() or None
            except (msgspec.DecodeError, UnicodeDecodeError, UnicodeEncodeError):
                if bytes(raw) != b"null":
                    return None
    return None
