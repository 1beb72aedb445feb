"""Records of `ops.alarms`: one for each alarm raised or cleared (docs/contract.md §3, docs/gates.md)."""

from __future__ import annotations

from typing import Literal

import msgspec

from schemas.times import format_time


class Alarm(msgspec.Struct, frozen=True, kw_only=True):
    """An alarm raised or cleared.

    `alarm_id` is the same for the raise and its clear, and for each repetition. `code` and `severity` are
    those of an error code; `subject`: what it is about. `at`: RFC 3339, UTC.
    """

    alarm_id: str
    code: str
    severity: str
    subject: str
    state: Literal["raised", "cleared"]
    at: str
    detail: str


_encode = msgspec.json.Encoder().encode


def encode_alarm(alarm: Alarm) -> tuple[bytes, bytes]:
    """Key (the alarm_id) and value (JSON) of an alarm's record."""
    return alarm.alarm_id.encode(), _encode(alarm)


def lost_alarm(
    role: str, topic: str, partition: int, lost: tuple[int, int], *, code: str, severity: str, at_us: int
) -> Alarm:
    """Kafka deleted the source offsets [from, to) before a role had read them. It is never cleared: what is
    lost stays lost.
    """
    first, end = lost
    what = f"Kafka has deleted {topic}-{partition} offsets {first} to {end - 1} before they were read"
    return Alarm(
        alarm_id=f"lost/{role}/{topic}/{partition}/{first}",
        code=code,
        severity=severity,
        subject=f"{topic}-{partition}",
        state="raised",
        at=format_time(at_us),
        detail=f"{role}: {what}",
    )
