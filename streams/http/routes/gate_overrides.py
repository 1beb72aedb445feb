"""POST /v1/gates/{name}/override: an operator's decision about one gate, for a time (docs/gates.md)."""

from __future__ import annotations

import logging

import msgspec
from fastapi import APIRouter, Request, Response
from pydantic import BaseModel, ConfigDict, Field

from schemas.times import SECOND_US, format_time
from streams.access.access import ANYONE
from streams.clock import Clock
from streams.http.answer.models import TIME
from streams.http.answer.problems import COMMON, WRONG_PARAMETER, NotFoundError, described, problem
from streams.http.background.ops_topics import OpsTopics
from streams.http.routes.decisions import decided, write
from streams.http.routes.gates import answer, not_read
from streams.settings import Settings
from tables.gates.declared import GATES
from tables.gates.overrides import MOST_SECONDS, Decision, Override, encode_override
from tables.gates.records import GateRecord, key_of_record, subject_of
from tables.gates.rule import GateState
from tables.query.params import ParameterError
from tables.scope import Scope
from tables.spec.gate import Gate

log = logging.getLogger(__name__)


class Wanted(BaseModel):
    """An override that is asked for."""

    model_config = ConfigDict(extra="forbid", strict=True)

    key: dict[str, str | None] = Field(description="the gate's dimensions, such as city and currency")
    decision: str = Field(
        json_schema_extra={"enum": [*Decision]}, description="none: what the gate's rule says, from now on"
    )
    reason: str = Field(min_length=1, max_length=500, pattern=r"\S", description="for those who read of it")
    seconds: int = Field(default=0, ge=0, le=MOST_SECONDS, description="for how long; not for none")
    even_stale: bool = Field(default=False, description="open it even while its figures can't be trusted")
    by: str = Field(
        default="", max_length=128, description="who decides, where nobody is asked who they are (auth=off)"
    )


class Overridden(BaseModel):
    """The override, as it is on ops.overrides."""

    subject: str = Field(description="the gate: recon/london|GBP")
    decision: str = Field(json_schema_extra={"enum": [*Decision]})
    by: str
    reason: str
    at: str = Field(json_schema_extra=TIME)
    until: str = Field(json_schema_extra=TIME)
    even_stale: bool


def router(ops: OpsTopics, settings: Settings, clock: Clock) -> APIRouter:
    """The routes, which write to ops.overrides."""
    routes = APIRouter(prefix="/v1", tags=["gates"], responses=COMMON)
    for gate in GATES.values():
        _add(routes, gate, ops, settings, clock)
    return routes


def _add(routes: APIRouter, gate: Gate, ops: OpsTopics, settings: Settings, clock: Clock) -> None:
    @routes.post(
        f"/gates/{gate.name}/override",
        summary=f"Open or close a {gate.name} gate for a time, whatever its rule says: for operators alone",
        operation_id=f"override_{gate.name}",
        responses={
            200: {"model": Overridden},
            400: WRONG_PARAMETER,
            404: described("There is no gate of this key, or none that may be seen."),
            409: described("The gate is stale: to open it needs even_stale."),
            415: described("The body is not JSON."),
            503: described("It is not known to be written, or the gates have not been read yet."),
        },
        openapi_extra={
            "requestBody": {
                "required": True,
                "content": {"application/json": {"schema": Wanted.model_json_schema()}},
            }
        },
    )
    async def override(request: Request) -> Response:
        asking, wanted = await decided(request, Wanted)
        _check(gate, wanted)
        if ops.waiting_for is not None:
            return not_read(ops)
        now_us = clock.wall_us()
        found = _find(gate, wanted, ops, now_us, asking.scope())
        opens = wanted.decision == Decision.OPEN
        if opens and found.state is GateState.STALE and not wanted.even_stale:
            return problem(
                409, f"the gate is stale ({found.reason}): open it with even_stale if that is really meant"
            )
        by = (wanted.by.strip() or ANYONE) if asking.analyst == ANYONE else asking.analyst
        made = Override(
            subject=subject_of(key_of_record(found)),
            decision=Decision(wanted.decision),
            by=by,
            reason=" ".join(wanted.reason.split()),
            at=format_time(now_us),
            until=format_time(now_us + wanted.seconds * SECOND_US),
            even_stale=wanted.even_stale and opens,
        )
        await write(settings, settings.topic("ops.overrides"), made.subject.encode(), encode_override(made))
        log.warning("gate %s: %s until %s, decided by %s", made.subject, made.decision, made.until, made.by)
        return Response(msgspec.json.encode(made), media_type="application/json")


def _check(gate: Gate, wanted: Wanted) -> None:
    if wanted.decision not in (*Decision,):
        raise ParameterError("decision", f"must be one of {', '.join(Decision)}")
    if wanted.key.keys() != {*gate.key}:
        raise ParameterError("key", f"must have {' and '.join(gate.key)}, and nothing else")
    if wanted.decision != Decision.NONE and not wanted.seconds:
        raise ParameterError("seconds", f"must be from 1 to {MOST_SECONDS}: for how long it is to be so")


def _find(gate: Gate, wanted: Wanted, ops: OpsTopics, now_us: int, scope: Scope) -> GateRecord:
    for record in answer(gate, ops.gates, now_us, scope):
        if record.key == wanted.key:
            return record
    shown = ", ".join(f"{name}={wanted.key[name] or ''}" for name in gate.key)
    raise NotFoundError(f"there is no gate {gate.name} with {shown}", gates=[gate.name])
