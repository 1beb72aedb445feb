"""The Kafka key of an event: all events of an entity get the same one (docs/contract.md §3, "Entity").

Kafka orders records within a partition alone, so what belongs together has to share a key. The order below
says which id wins when a payload has several: first those that name what the event is about and that other
events of the same entity carry too, last those of the person or the session behind it.
"""

from __future__ import annotations

import msgspec

KEY_FIELDS = (
    "payout_id", "dispute_id", "booking_id", "charge_id", "refund_id", "fee_id", "subject_id", "check_id",
    "message_id", "quote_id", "session_id", "user_id", "studio_id", "campaign_id",
)  # fmt: skip

NULL = b"null"


class _Envelope(msgspec.Struct, gc=False):
    payload: dict[str, msgspec.Raw]


_decode = msgspec.json.Decoder(_Envelope).decode
_decode_text = msgspec.json.Decoder(str).decode


def key_of(value: bytes) -> bytes | None:
    """The key for an event's JSON; None where it is no JSON object or its payload has no id."""
    try:
        payload = _decode(value).payload
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
    return key_in(payload)


def key_in(payload: dict[str, msgspec.Raw]) -> bytes | None:
    """The key for a payload's members; None if it has no id."""
    for field in KEY_FIELDS:
        raw = payload.get(field)
        if raw is not None:
            try:
                return _decode_text(raw).encode() or None
            except (msgspec.DecodeError, UnicodeDecodeError, UnicodeEncodeError):
                if bytes(raw) != NULL:
                    return None
    return None
