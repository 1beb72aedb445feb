"""The alarms of gates: one that closes, and one that a person has decided about."""

from __future__ import annotations

from typing import NamedTuple

from schemas.times import format_time
from tables.gates.alarms import Alarm
from tables.gates.overrides import Override
from tables.gates.rule import GateState

OVERRIDE = "override/"
"""How the id of an override's alarm begins."""
OVERRIDE_CODE = "QUALITY_CHECK_FAILED"


class AlarmCode(NamedTuple):
    """The error code of an alarm, and its severity."""

    code: str
    severity: str


def gate_alarm(
    subject: str,
    of: GateState,
    code: AlarmCode,
    since_us: int,
    at_us: int,
    *,
    raised: str = "",
    cleared: str = "",
) -> Alarm:
    """The alarm of a gate that came into state `of` at `since_us`; `raised`, `cleared`: what to say."""
    return Alarm(
        alarm_id=f"{subject}/{of}/{since_us}",
        code=code.code,
        severity=code.severity,
        subject=subject,
        state="raised" if raised else "cleared",
        at=format_time(at_us),
        detail=f"gate {subject} {raised or cleared}",
    )


def override_alarm(override: Override, at_us: int, *, cleared: str = "") -> Alarm:
    """A person has decided that a gate is open or closed, or that is over. The reason they gave is in it."""
    said = (
        f"is {override.decision} until {override.until} by the decision of {override.by}: {override.reason}"
    )
    return Alarm(
        alarm_id=f"{OVERRIDE}{override.subject}/{override.at_us}",
        code=OVERRIDE_CODE,
        severity="warning",
        subject=override.subject,
        state="cleared" if cleared else "raised",
        at=format_time(at_us),
        detail=f"gate {override.subject} {said}"
        if not cleared
        else f"override of gate {override.subject}: {cleared}",
    )
