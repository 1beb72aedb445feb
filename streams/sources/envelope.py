"""What a JSON text looks like from outside: an event's envelope, some other object, or no object at all.

To judge an event is the workers' job; this is how a replay tells a file of events from any other file.
"""

from __future__ import annotations

from typing import NamedTuple

import msgspec

from streams.sources.keys import key_in

MEMBERS = frozenset({"event_id", "event", "version", "occurred_at", "source", "payload"})
"""What every envelope has (docs/contract.md §1)."""
ENOUGH = 3
"""An object with half of them is a bad event rather than something else."""

_ABSENT = msgspec.Raw(b"")


class Seen(NamedTuple):
    """A JSON object: its Kafka key, and whether it looks like an envelope."""

    key: bytes | None
    is_envelope: bool


class _Envelope(msgspec.Struct, gc=False):
    payload: dict[str, msgspec.Raw]
    event: msgspec.Raw = _ABSENT
    event_id: msgspec.Raw = _ABSENT


_decode = msgspec.json.Decoder(_Envelope).decode
_decode_members = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode
_UNREADABLE = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)


def seen(value: bytes) -> Seen | None:
    """What a text is; None if it is no JSON object."""
    try:
        found = _decode(value)
    except _UNREADABLE:
        names = members(value)
        return None if names is None else Seen(None, len(MEMBERS & names) >= ENOUGH)
    if found.event and found.event_id:  # and a payload: no need to count
        return Seen(key_in(found.payload), is_envelope=True)
    return Seen(key_in(found.payload), len(MEMBERS & (members(value) or set())) >= ENOUGH)


def members(value: bytes) -> set[str] | None:
    """The names of an object's members; None if it is no JSON object."""
    try:
        return set(_decode_members(value))
    except _UNREADABLE:
        return None
