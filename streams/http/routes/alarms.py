"""GET /v1/alarms: what was raised, what is still open, and what to do about it."""

from __future__ import annotations

from collections import Counter
from typing import Any, NamedTuple

from fastapi import APIRouter, Request, Response
from pydantic import BaseModel, Field

from schemas.times import format_time
from streams.clock import Clock
from streams.errors import CRITICAL, SEVERITIES, ErrorCode
from streams.http.answer.answers import digest
from streams.http.answer.formats import FORMAT, asked_params
from streams.http.answer.models import TIME, asked
from streams.http.answer.problems import COMMON, described, lists, problem
from streams.http.answer.replies import Listing, reply
from streams.http.background.ops_topics import OpsTopics
from streams.http.connection.guard import visitor
from streams.runbooks import of_alarm
from tables.gates.alarm_log import AlarmSeen
from tables.gates.declared import GATES
from tables.gates.subjects import may_see
from tables.query.declarations import LIMIT_SCHEMA, MAX_LIMIT, Parameter
from tables.query.params import ParameterError, check_known, parse_limit
from tables.query.values import did_you_mean
from tables.scope import Scope

STATES = ("raised", "cleared")
CODES = [code.name for code in ErrorCode]
PARAMETERS = [
    Parameter(
        "state", "raised: open ones alone; cleared: the others.", {"type": "string", "enum": [*STATES]}
    ),
    Parameter("code", "Only alarms of this error code.", {"type": "string", "enum": CODES}),
    Parameter("severity", "Only alarms of this severity.", {"type": "string", "enum": [*SEVERITIES]}),
    Parameter(
        "subject",
        "Only alarms about this, as `subject` has it; repeatable: about any of them.",
        {"type": "string"},
    ),
    Parameter("limit", f"How many, at most {MAX_LIMIT}.", LIMIT_SCHEMA),
]


class AlarmRow(BaseModel):
    """An alarm."""

    alarm_id: str
    code: str
    severity: str = Field(description="critical: page; warning: look in working hours")
    subject: str = Field(description="what it is about: a gate (recon/city|currency), or a topic's partition")
    state: str = Field(json_schema_extra={"enum": [*STATES]})
    raised_at: str = Field(json_schema_extra=TIME)
    cleared_at: str | None = Field(description="null while it is open", json_schema_extra=TIME)
    acknowledged_by: str | None = Field(description="who has taken it on; null: nobody has")
    acknowledged_at: str | None = Field(json_schema_extra=TIME)
    acknowledged_reason: str | None
    detail: str = Field(description="why it was raised")
    meaning: str = Field(description="what the code means")
    runbook: str = Field(description="what to do: where it is written")


class AlarmsAnswer(BaseModel):
    """Alarms of the last 30 days."""

    as_of: str = Field(json_schema_extra=TIME)
    unknown_because: str | None = Field(
        description="why newer alarms may be missing, such as that Kafka is away; null: there are none"
    )
    open: int = Field(description="how many of all that may be seen are open")
    critical: int = Field(description="how many of these are critical")
    total: int = Field(description="how many there are of what was asked for, whatever `limit`")
    rows: list[AlarmRow] = Field(
        description="open ones first, critical ones before others; of each the newest first"
    )


class Wanted(NamedTuple):
    """What is asked for: by member the values that it may have, and how many."""

    values: dict[str, list[str]]
    limit: int


def router(ops: OpsTopics, clock: Clock) -> APIRouter:
    """The route, answering from `ops`."""
    routes = APIRouter(prefix="/v1", tags=["gates"], responses=COMMON)

    @routes.get(
        "/alarms",
        summary="The alarms, open ones first",
        responses={**lists(AlarmsAnswer), 503: described("The alarms have not been read yet.")},
        openapi_extra=asked([*PARAMETERS, FORMAT]),
    )
    async def alarms(request: Request) -> Response:
        wanted = _wanted(asked_params(request))
        if ops.waiting_for is not None:
            return problem(503, f"waiting for {ops.waiting_for}", {"retry-after": "1"})
        scope = visitor(request).scope()
        body = answer(ops, scope, wanted, format_time(clock.wall_us()))
        tag = digest({**body, "as_of": None})
        return reply(request, Listing("alarms", [*AlarmRow.model_fields], body, tag))

    return routes


def answer(ops: OpsTopics, scope: Scope, wanted: Wanted, as_of: str) -> dict[str, Any]:
    """The alarms that may be seen: those of the gates of one's cities; of the pipeline, for `*` alone."""
    seen = sorted(ops.alarms.newest_first(lambda one: may_see(one.raised.subject, GATES, scope)), key=_rank)
    ranks = Counter(map(_rank, seen))
    found = [one for one in seen if _is(one, wanted.values)]
    return {
        "as_of": as_of,
        "unknown_because": ops.unknown_because,
        "open": ranks[0] + ranks[1],
        "critical": ranks[0],
        "total": len(found),
        "rows": [_row(one) for one in found[: wanted.limit]],
    }


def _rank(one: AlarmSeen) -> int:
    """0 of a critical alarm that is open, 1 of another that is, 2 of a cleared one."""
    return 2 if one.cleared is not None else 0 if one.raised.severity == CRITICAL else 1


def _is(one: AlarmSeen, values: dict[str, list[str]]) -> bool:
    """Whether it is of what is asked for."""
    members = {
        "state": _state(one),
        "code": one.raised.code,
        "severity": one.raised.severity,
        "subject": one.raised.subject,
    }
    return all(members[name] in allowed for name, allowed in values.items())


def _state(one: AlarmSeen) -> str:
    return "raised" if one.cleared is None else "cleared"


def _row(one: AlarmSeen) -> dict[str, Any]:
    raised, cleared, ack = one
    known = ErrorCode.__members__.get(raised.code)
    return {
        "alarm_id": raised.alarm_id,
        "code": raised.code,
        "severity": raised.severity,
        "subject": raised.subject,
        "state": _state(one),
        "raised_at": raised.at,
        "cleared_at": None if cleared is None else cleared.at,
        "acknowledged_by": None if ack is None else ack.by,
        "acknowledged_at": None if ack is None else ack.at,
        "acknowledged_reason": None if ack is None else ack.reason,
        "detail": raised.detail,
        "meaning": "" if known is None else known.meaning,
        "runbook": of_alarm(raised.alarm_id, raised.code),
    }


def _wanted(params: tuple[tuple[str, str], ...]) -> Wanted:
    found: dict[str, list[str]] = {}
    for name, value in params:
        check_known(name, PARAMETERS)
        if name in found and name != "subject":
            raise ParameterError(name, "must be given once")
        found.setdefault(name, []).append(value)
    for name, known in (("state", STATES), ("code", CODES), ("severity", SEVERITIES)):
        for value in found.get(name, ()):
            if value not in known:
                hint = did_you_mean(value, known)
                raise ParameterError(name, f"must be one of {', '.join(known)}{hint}")
    limits = found.pop("limit", None)
    return Wanted(found, parse_limit({"limit": limits[0]} if limits else {}))
