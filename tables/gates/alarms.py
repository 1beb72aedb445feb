"""Records of `ops.alarms`: one for each alarm raised or cleared (docs/contract.md §3, docs/gates.md)."""

from __future__ import annotations

from typing import Any, Literal

import msgspec

from schemas.times import format_time, parse_instant
from tables.codec import LAST

AUDIT = "audit/"
"""How the id of an audit's alarm begins."""


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
_decoder = msgspec.json.Decoder(Alarm)


def encode_alarm(alarm: Alarm) -> tuple[bytes, bytes]:
    """Key (the alarm_id) and value (JSON) of an alarm's record."""
    return alarm.alarm_id.encode(), _encode(alarm)


def decode_alarm(value: bytes | None) -> Alarm | None:
    """An alarm's record; None for what is none."""
    try:
        found = _decoder.decode(value or b"")
        parse_instant(found.at)
    except (msgspec.MsgspecError, ValueError):
        return None
    return found


def full_alarm(
    view: str, topic: str, partition: int, *, raised: bool, code: str, severity: str, at_us: int
) -> Alarm:
    """A view has all the groups that it may have on a source partition: new ones are summed as `_other`."""
    what = "sums new groups as _other" if raised else "has room for new groups again"
    return Alarm(
        alarm_id=f"groups/{view}/{topic}/{partition}",
        subject=f"{view} {topic}-{partition}",
        detail=f"{view} {what} on {topic}-{partition}: see SLUICE_MAX_GROUPS",
        **_facts(code, severity, at_us, raised=raised),
    )


def breaker_alarm(
    topic: str, partition: int, bad: int, *, raised: bool, code: str, severity: str, at_us: int
) -> Alarm:
    """Of a source partition's newest records so many are bad: more than SLUICE_BAD_SHARE, or no longer."""
    what = f"{'more than' if raised else 'no more than half of'} SLUICE_BAD_SHARE"
    return Alarm(
        alarm_id=f"breaker/{topic}/{partition}",
        subject=f"{topic}-{partition}",
        detail=f"{bad:,} of the last {LAST:,} records of {topic}-{partition} are bad, {what}",
        **_facts(code, severity, at_us, raised=raised),
    )


def audit_alarm(view: str, detail: str, *, raised: bool, code: str, severity: str, at_us: int) -> Alarm:
    """A view is not what its definition gives over the same records (docs/verify.md), or is again."""
    return Alarm(
        alarm_id=f"{AUDIT}{view}",
        subject=view,
        detail=f"{view}: {detail}",
        **_facts(code, severity, at_us, raised=raised),
    )


def lag_alarm(
    group: str, topic: str, partition: int, seconds: float, why: str, *, raised: bool, code: str,
    severity: str, at_us: int,
) -> Alarm:  # fmt: skip
    """A group's partition has records that are older than they may be before they are written, or no more."""
    what = f"{why}, by {seconds:,.0f} s" if raised else "has caught up"
    return Alarm(
        alarm_id=f"lag/{group}/{topic}/{partition}",
        subject=f"{group} {topic}-{partition}",
        detail=f"{group}: {topic}-{partition} {what}",
        **_facts(code, severity, at_us, raised=raised),
    )


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
        subject=f"{topic}-{partition}",
        detail=f"{role}: {what}",
        **_facts(code, severity, at_us, raised=True),
    )


def _facts(code: str, severity: str, at_us: int, *, raised: bool) -> dict[str, Any]:
    """The members that every alarm has alike."""
    state = "raised" if raised else "cleared"
    return {"code": code, "severity": severity, "state": state, "at": format_time(at_us)}
