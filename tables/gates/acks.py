"""Records of `ops.acks`: somebody has taken an alarm on (docs/alarms.md). Compacted: the newest counts."""

from __future__ import annotations

import msgspec

from schemas.times import instant_us, parse_instant
from tables.gates.alarms import Alarm

MOST_REASON = 500
"""Characters of a reason."""


class Ack(msgspec.Struct, frozen=True, kw_only=True):
    """Somebody has taken an alarm on. `by`: as the api knows them; `at`: RFC 3339, UTC."""

    alarm_id: str
    by: str
    at: str
    reason: str

    def is_of(self, raised: Alarm) -> bool:
        """Whether it is of an alarm that was raised then, and not of a former one of the same id."""
        return self.alarm_id == raised.alarm_id and instant_us(self.at) >= instant_us(raised.at)


_encode = msgspec.json.Encoder().encode
_decoder = msgspec.json.Decoder(Ack)


def encode_ack(ack: Ack) -> tuple[bytes, bytes]:
    """Key (the alarm_id) and value (JSON) of its record."""
    return ack.alarm_id.encode(), _encode(ack)


def decode_ack(value: bytes | None) -> Ack | None:
    """An ack's record; None for what is none."""
    try:
        found = _decoder.decode(value or b"")
        parse_instant(found.at)
    except (msgspec.MsgspecError, ValueError):
        return None
    return found
