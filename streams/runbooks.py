"""Which page of docs/runbooks/ says what to do; those of error codes are in streams/errors.py."""

from __future__ import annotations

from streams.errors import RUNBOOKS, ErrorCode
from tables.gates.rule import GateState

_OF_ALARMS = {
    "audit/": "wrong-number",
    "breaker/": "poison-flood",
    "groups/": "groups-full",
    "lag/": "pipeline-lag",
    "lost/": "pipeline-lag",
}
"""By what an alarm's id begins with, whatever its code."""


def page(name: str) -> str:
    """A page's path, relative to the repository's root."""
    return f"{RUNBOOKS}/{name}.md"


def of_alarm(alarm_id: str, code: str) -> str:
    """The page about an alarm; "" of one of another release, whose code is not known."""
    for beginning, name in _OF_ALARMS.items():
        if alarm_id.startswith(beginning):
            return page(name)
    if f"/{GateState.STALE}/" in alarm_id:
        return page("gate-stale")
    known = ErrorCode.__members__.get(code)
    return "" if known is None else known.runbook
