"""Bad records for every reason of docs/contract.md §1, made from a good event as a broken producer would."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from itertools import accumulate
from typing import Any, TypeVar

import msgspec

from schemas.catalogue import EVENTS
from schemas.spec import MISSING
from schemas.validation.reasons import Reason

T = TypeVar("T")
Draw = Callable[[], float]
"""Gives numbers in [0, 1)."""

# Far enough away to be in the future of whatever clock Kafka stamps the record with.
FAR_FUTURE = "2999-12-31T23:59:59Z"

ENVELOPE_PATCHES: tuple[tuple[str, Mapping[str, Any]], ...] = (
    ("event_id", {"event_id": MISSING}),
    ("event_id", {"event_id": "not one word"}),
    ("event", {"event": None}),
    ("version", {"version": "1"}),
    ("version", {"version": 0}),
    ("occurred_at", {"occurred_at": MISSING}),
    ("occurred_at", {"occurred_at": "2026-03-01 12:00"}),
    ("occurred_at", {"occurred_at": 1772366400}),
    ("source", {"source": ""}),
    ("city", {"city": "São Paulo"}),
    ("trace_id", {"trace_id": 7}),
    ("payload", {"payload": MISSING}),
    ("payload", {"payload": []}),
)
UNKNOWN_EVENTS = ("search.scroll", "booking.teleported", "payout", "Payout.Paid")
NOT_OBJECTS = (b"[%s]", b"null", b"42", b'"booking.requested"')
SCHEMA_IDS = (0x7FFFFFF1, 0x7FFFFFF2)  # no registry has come that far

# How often each reason is drawn. A record that is too large weighs 200 others: it stays rare.
WEIGHTS: dict[Reason, int] = {
    Reason.TOO_LARGE: 1,
    Reason.EMPTY: 10,
    Reason.NOT_JSON: 30,
    Reason.NOT_OBJECT: 10,
    Reason.ENVELOPE_FIELD: 40,
    Reason.IN_FUTURE: 14,
    Reason.UNKNOWN_EVENT: 20,
    Reason.UNKNOWN_VERSION: 14,
    Reason.PAYLOAD_FIELD: 50,
    Reason.AVRO_UNDECODABLE: 5,
    Reason.UNKNOWN_SCHEMA_ID: 6,
}
_REASONS = tuple(WEIGHTS)
_UP_TO = tuple(accumulate(WEIGHTS.values()))


def draw_reason(draw: Draw) -> Reason:
    """A reason, by weight."""
    point = draw() * _UP_TO[-1]
    return next(reason for reason, up_to in zip(_REASONS, _UP_TO, strict=True) if point < up_to)


def spoil(reason: Reason, good: bytes, draw: Draw, max_event_bytes: int) -> tuple[bytes | None, str]:
    """A value that is quarantined for exactly this reason, and the field its verdict names ("": none).

    `good` is the JSON of an event that is accepted. None stands for a tombstone. No value has a line break.
    """
    envelope = msgspec.json.decode(good)
    field = ""
    patch: Mapping[str, Any]
    match reason:
        case Reason.ENVELOPE_FIELD:
            field, patch = _pick(ENVELOPE_PATCHES, draw)
        case Reason.IN_FUTURE:
            patch = {"occurred_at": FAR_FUTURE}
        case Reason.UNKNOWN_EVENT:
            patch = {"event": _pick(UNKNOWN_EVENTS, draw)}
        case Reason.UNKNOWN_VERSION:
            patch = {"version": 2 + int(draw() * 3)}
        case Reason.PAYLOAD_FIELD:
            wrong, field = _pick(EVENTS[envelope["event"]].counter_examples, draw)
            patch = {"payload": _patched(envelope["payload"], wrong)}
        case _:  # of the bytes, not of what is in the JSON
            return _raw(reason, good, draw, max_event_bytes), ""
    return msgspec.json.encode(_patched(envelope, patch)), field


def _raw(reason: Reason, good: bytes, draw: Draw, max_event_bytes: int) -> bytes | None:
    match reason:
        case Reason.TOO_LARGE:
            return good[:-1] + b',"note":"' + b"x" * (max_event_bytes - len(good) + 1) + b'"}'
        case Reason.EMPTY:
            return None if draw() < 0.5 else b""
        case Reason.NOT_JSON:
            return good[: 1 + int(draw() * (len(good) - 1))]
        case Reason.NOT_OBJECT:
            return _pick(NOT_OBJECTS, draw).replace(b"%s", good)
        case Reason.AVRO_UNDECODABLE:
            return b"\x00\x00\x00"  # ends within the schema id
        case _:
            return b"\x00" + _pick(SCHEMA_IDS, draw).to_bytes(4, "big") + b"\x02\x06abc"


def _patched(original: Mapping[str, Any], patch: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in {**original, **patch}.items() if value is not MISSING}


def _pick(choices: tuple[T, ...], draw: Draw) -> T:
    return choices[int(draw() * len(choices))]
