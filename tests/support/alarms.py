"""Alarms as records of `ops.alarms`, written as a role would."""

from __future__ import annotations

import time
from typing import Any

from schemas.times import format_time
from streams.settings import Settings
from tables.gates.acks import Ack, encode_ack
from tables.gates.alarms import Alarm, encode_alarm
from tests.support.kafka import Raw, produce

KEY = "R0UT1NGKEY0123456789abcdefghijkl"
SECRET = "whsec_c2VjcmV0LW9mLXR3ZW50eS1mb3VyLWJ5dGVzIQ=="


def alarm(
    alarm_id: str, state: str = "raised", *, subject: str = "recon/london|GBP", severity: str = "critical",
    code: str = "QUALITY_CHECK_FAILED", at_ms: int | None = None, detail: str = "it differs",
) -> Alarm:  # fmt: skip
    at_us = (time.time_ns() // 1000) if at_ms is None else at_ms * 1000
    facts: dict[str, Any] = {"state": state, "severity": severity, "code": code, "subject": subject}
    return Alarm(alarm_id=alarm_id, at=format_time(at_us), detail=detail, **facts)


async def write_alarms(settings: Settings, *alarms: Alarm) -> list[int]:
    """Their offsets."""
    records = [Raw(value, key) for key, value in map(encode_alarm, alarms)]
    return await produce(settings.kafka[0], settings.topic("ops.alarms"), records)


async def write_ack(settings: Settings, alarm_id: str, by: str = "ada", reason: str = "on it") -> None:
    key, value = encode_ack(
        Ack(alarm_id=alarm_id, by=by, at=format_time(time.time_ns() // 1000), reason=reason)
    )
    await produce(settings.kafka[0], settings.topic("ops.acks"), [Raw(value, key)])
