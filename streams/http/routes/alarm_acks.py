"""POST /v1/alarms/{alarm_id}/ack: an operator takes an open alarm on (docs/alarms.md)."""

from __future__ import annotations

import logging

import msgspec
from fastapi import APIRouter, Request, Response
from pydantic import BaseModel, ConfigDict, Field

from schemas.times import format_time
from streams.access.access import ANYONE
from streams.clock import Clock
from streams.http.answer.models import TIME
from streams.http.answer.problems import COMMON, WRONG_PARAMETER, NotFoundError, described, problem
from streams.http.background.ops_topics import OpsTopics
from streams.http.routes.decisions import decided, write
from streams.settings import Settings
from tables.gates.acks import MOST_REASON, Ack, encode_ack
from tables.gates.declared import GATES
from tables.gates.subjects import may_see

log = logging.getLogger(__name__)


ALARM_ID = {
    "name": "alarm_id",
    "in": "path",
    "required": True,
    "description": "The alarm's id, as it is listed; it may have slashes.",
    "schema": {"type": "string"},
}


class AckWanted(BaseModel):
    """Why an alarm is taken on."""

    model_config = ConfigDict(extra="forbid", strict=True)

    reason: str = Field(
        min_length=1, max_length=MOST_REASON, pattern=r"\S", description="what is being done about it"
    )
    by: str = Field(
        default="", max_length=128, description="who, where nobody is asked who they are (auth=off)"
    )


class Acknowledged(BaseModel):
    """Who has taken an alarm on, as it is on ops.acks."""

    alarm_id: str
    by: str
    at: str = Field(json_schema_extra=TIME)
    reason: str


def router(ops: OpsTopics, settings: Settings, clock: Clock) -> APIRouter:
    """The route, which writes to ops.acks."""
    routes = APIRouter(prefix="/v1", tags=["gates"], responses=COMMON)

    @routes.post(
        "/alarms/{alarm_id:path}/ack",
        summary="Take an open alarm on, so that reminders of it end: for operators alone",
        responses={
            200: {"model": Acknowledged},
            400: WRONG_PARAMETER,
            404: described("No alarm of this id is open, or none that may be seen."),
            415: described("The body is not JSON."),
            503: described("It is not known to be written, or the alarms have not been read yet."),
        },
        openapi_extra={
            "parameters": [ALARM_ID],
            "requestBody": {
                "required": True,
                "content": {"application/json": {"schema": AckWanted.model_json_schema()}},
            },
        },
    )
    async def acknowledge(request: Request) -> Response:
        alarm_id = request.path_params["alarm_id"]
        asking, wanted = await decided(request, AckWanted)
        if ops.waiting_for is not None:
            return problem(503, f"waiting for {ops.waiting_for}", {"retry-after": "1"})
        seen = ops.alarms.open(alarm_id)
        if seen is None or not may_see(seen.raised.subject, GATES, asking.scope()):
            raise NotFoundError(f"no alarm {alarm_id} is open: GET /v1/alarms lists them, with their ids")
        ack = Ack(
            alarm_id=alarm_id,
            by=(wanted.by.strip() or ANYONE) if asking.analyst == ANYONE else asking.analyst,
            at=format_time(clock.wall_us()),
            reason=" ".join(wanted.reason.split()),
        )
        await write(settings, settings.topic("ops.acks"), *encode_ack(ack))
        log.info("alarm %s: taken on by %s", alarm_id, ack.by)
        return Response(msgspec.json.encode(ack), media_type="application/json")

    return routes
