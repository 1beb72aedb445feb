"""What a JSON text looks like from outside: an event's envelope, some other object, or no object at all.

To judge an event is the workers' job; this is how a replay tells a file of events from any other file.
"""

from __future__ import annotations

from typing import Annotated, NamedTuple

import msgspec

from streams.sources.keys import key_of

MEMBERS = frozenset({"event_id", "event", "version", "occurred_at", "source", "payload"})
"""What every envelope has (docs/contract.md §1)."""
ENOUGH = 3
"""An object with half of them is a bad event rather than something else."""


class Seen(NamedTuple):
    """A JSON object: its Kafka key, and whether it looks like an envelope."""

    key: bytes | None
    is_envelope: bool


class _Envelope(msgspec.Struct, gc=False):
    event_id: msgspec.Raw
    event: msgspec.Raw
    payload: dict[str, msgspec.Raw]


class _Named(msgspec.Struct, gc=False):
    event_id: Annotated[str, msgspec.Meta(max_length=64, pattern=r"^[A-Za-z0-9_.:-]+$")]


_decode_named = msgspec.json.Decoder(_Named).decode
decode_envelope = msgspec.json.Decoder(_Envelope).decode
"""An object with enough of them, and a payload that is an object. Raises one of `UNREADABLE_JSON`."""
_decode_members = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode
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
