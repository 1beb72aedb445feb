"""GET /v1/gates/recon: every gate's newest record (docs/contract.md §6)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime

import msgspec
from fastapi import APIRouter, Request, Response
from pydantic import BaseModel, Field

from schemas.times import format_time
from streams.clock import Clock
from streams.http.answers import digest
from streams.http.formats import FORMAT, asked_params
from streams.http.guard import visitor
from streams.http.models import TIME, asked
from streams.http.ops_topics import OpsTopics
from streams.http.problems import COMMON, described, lists, problem
from streams.http.replies import Listing, reply
from tables.gates.records import RECON, GateRecord, decode_gate, expired
from tables.gates.rule import GateState
from tables.query.declarations import filters
from tables.query.params import check_known, filter_values
from tables.query.values import no_such
from tables.read.group_table import sort_key
from tables.scope import Scope, sees

FILTERS = filters(("city", "currency"))


class GateRow(BaseModel):
    """A gate's newest record."""

    gate: str
    city: str | None
    currency: str
    state: str = Field(
        json_schema_extra={"enum": [*GateState]}, description="stale also where it has expired"
    )
    open: bool = Field(description="true in ok and warn alone")
    previous: str | None = Field(description="the state before; null if there has been no other")
    since: str = Field(json_schema_extra=TIME)
    evaluated_at: str = Field(json_schema_extra=TIME)
    valid_until: str = Field(json_schema_extra=TIME, description="past it the gate counts as closed")
    variance_minor: int = Field(description="charges − (payouts + refunds + fees), minor units")
    variance_ratio: float | None = Field(description="|variance| ÷ charges; null without charges")
    charges_minor: int
    window_from: str = Field(json_schema_extra=TIME)
    window_to: str = Field(json_schema_extra=TIME, description="exclusive")
    reason: str | None = Field(description="why it is in its state, in words")
    warn_at: float | None = Field(description="variance_ratio above which it warns")
    alarm_at: float | None = Field(description="variance_ratio above which it closes")


class GatesAnswer(BaseModel):
    """All gates."""

    gate: str
    as_of: str = Field(json_schema_extra=TIME)
    warnings: list[str] = Field(
        default=[],
        description="values that no gate has, and that were hardly meant; left out if there are none",
    )
    rows: list[GateRow] = Field(description="by city, null first, and currency")


def router(ops: OpsTopics, clock: Clock) -> APIRouter:
    """The route, answering from `ops`."""
    routes = APIRouter(prefix="/v1", tags=["gates"], responses=COMMON)

    @routes.get(
        "/gates/recon",
        summary="Every recon gate's newest record",
        responses={**lists(GatesAnswer), 503: described("The gates have not been read yet.")},
        openapi_extra=asked([*FILTERS, FORMAT]),
    )
    async def recon(request: Request) -> Response:
        wanted = _filters(asked_params(request))
        if ops.waiting_for is not None:
            return problem(503, f"waiting for {ops.waiting_for}", {"retry-after": "1"})
        now_us = clock.wall_us()
        seen = answer(ops.gates, now_us, visitor(request).scope())
        warnings = _unknown(seen, wanted)
        body = {
            "gate": RECON,
            "as_of": format_time(now_us),
            **({"warnings": warnings} if warnings else {}),
            "rows": [
                msgspec.to_builtins(row)
                for row in seen
                if all(getattr(row, name) in values for name, values in wanted.items())
            ],
        }
        tag = digest({**body, "as_of": None})
        return reply(request, Listing("gates_recon", [*GateRow.model_fields], body, tag))

    return routes


def _filters(params: Iterable[tuple[str, str]]) -> dict[str, set[str | None]]:
    wanted: dict[str, set[str | None]] = {}
    for name, value in params:
        check_known(name, FILTERS)
        wanted.setdefault(name, set()).update(filter_values(name, value))
    return wanted


def _unknown(seen: Sequence[GateRecord], wanted: Mapping[str, set[str | None]]) -> list[str]:
    """Warnings about values that no gate has."""
    said = []
    for name, values in wanted.items():
        known = {value for row in seen if (value := getattr(row, name)) is not None}
        said += no_such(name, [value for value in values if value and value not in known], known)
    return said


def answer(records: Mapping[bytes, bytes], now_us: int, scope: Scope) -> list[GateRecord]:
    """The gates that may be seen, by city and currency; expired ones are stale.

    A record that can't be read is left out, which counts as closed.
    """
    shown = []
    for value in records.values():
        record = decode_gate(value)
        if record is not None and record.gate == RECON and sees(scope, record.city):
            shown.append(_now(record, now_us))
    return sorted(shown, key=lambda record: sort_key((record.city, record.currency)))


def _now(record: GateRecord, now_us: int) -> GateRecord:
    """The record as it counts now: past its `valid_until` it counts as stale."""
    now = datetime.fromtimestamp(now_us / 1_000_000, UTC)
    if record.state is GateState.STALE or not expired(record.valid_until, now):
        return record
    return msgspec.structs.replace(
        record,
        state=GateState.STALE,
        open=False,
        previous=record.state,
        since=record.valid_until,
        reason=f"no evaluation has come since {record.evaluated_at}: is a gates worker running?",
    )
