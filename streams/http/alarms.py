"""GET /v1/alarms: what was raised, what is still open, and what to do about it."""

from __future__ import annotations

from itertools import islice
from typing import Any

from fastapi import APIRouter, Request, Response
from pydantic import BaseModel, Field

from schemas.times import format_time
from streams.clock import Clock
from streams.errors import ErrorCode
from streams.http.answers import digest
from streams.http.formats import FORMAT, asked_params
from streams.http.guard import visitor
from streams.http.models import TIME, asked
from streams.http.ops_topics import OpsTopics
from streams.http.problems import COMMON, described, lists, problem
from streams.http.replies import Listing, reply
from tables.gates.alarm_log import AlarmSeen
from tables.gates.alarms import gate_of
from tables.query.declarations import LIMIT_SCHEMA, MAX_LIMIT, Parameter
from tables.query.params import ParameterError, check_known, parse_limit
from tables.query.values import did_you_mean
from tables.scope import Scope, sees

STATES = ("raised", "cleared")
CODES = [code.name for code in ErrorCode]
PARAMETERS = [
    Parameter(
        "state", "raised: open ones alone; cleared: the others.", {"type": "string", "enum": [*STATES]}
    ),
    Parameter("code", "Only alarms of this error code.", {"type": "string", "enum": CODES}),
    Parameter("subject", "Only alarms about this, as `subject` has it.", {"type": "string"}),
    Parameter("limit", f"How many, at most {MAX_LIMIT}.", LIMIT_SCHEMA),
]


class AlarmRow(BaseModel):
    """An alarm."""

    alarm_id: str
    code: str
    severity: str = Field(description="critical: page; warning: look in working hours")
    subject: str = Field(description="what it is about: recon/city|currency, or a topic's partition")
    state: str = Field(json_schema_extra={"enum": [*STATES]})
    raised_at: str = Field(json_schema_extra=TIME)
    cleared_at: str | None = Field(description="null while it is open", json_schema_extra=TIME)
    detail: str = Field(description="why it was raised")
    meaning: str = Field(description="what the code means")
    runbook: str = Field(description="what to do: where it is written")


class AlarmsAnswer(BaseModel):
    """Alarms of the last 30 days."""

    as_of: str = Field(json_schema_extra=TIME)
    open: int = Field(description="how many of all that may be seen are open")
    rows: list[AlarmRow] = Field(description="open ones first, the newest of each first")


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


def answer(ops: OpsTopics, scope: Scope, wanted: dict[str, str], as_of: str) -> dict[str, Any]:
    """The alarms that may be seen: those of the gates of one's cities; of the pipeline, for `*` alone."""
    seen = list(ops.alarms.newest_first(lambda one: _may_see(one, scope)))
    rows = (
        row for row in map(_row, seen) if all(row[name] == wanted[name] for name in wanted if name != "limit")
    )
    shown = list(islice(rows, parse_limit(wanted)))
    return {"as_of": as_of, "open": sum(one.cleared is None for one in seen), "rows": shown}


def _may_see(one: AlarmSeen, scope: Scope) -> bool:
    gate = gate_of(one.raised.subject)
    return scope is None or (gate is not None and sees(scope, gate[0]))


def _row(one: AlarmSeen) -> dict[str, Any]:
    raised, cleared = one
    known = ErrorCode.__members__.get(raised.code)
    return {
        "alarm_id": raised.alarm_id,
        "code": raised.code,
        "severity": raised.severity,
        "subject": raised.subject,
        "state": "raised" if cleared is None else "cleared",
        "raised_at": raised.at,
        "cleared_at": None if cleared is None else cleared.at,
        "detail": raised.detail,
        "meaning": "" if known is None else known.meaning,
        "runbook": "" if known is None else known.runbook,
    }


def _wanted(params: tuple[tuple[str, str], ...]) -> dict[str, str]:
    found: dict[str, str] = {}
    for name, value in params:
        check_known(name, PARAMETERS)
        if name in found:
            raise ParameterError(name, "must be given once")
        found[name] = value
    for name, known in (("state", STATES), ("code", CODES)):
        if name in found and found[name] not in known:
            hint = did_you_mean(found[name], known)
            raise ParameterError(name, f"must be one of {', '.join(known)}{hint}")
    parse_limit(found)
    return found
