"""GET /v1/gates, /v1/gates/{name}: gates and their newest records (docs/contract.md §6)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

import msgspec
from fastapi import APIRouter, Request, Response
from pydantic import BaseModel, ConfigDict, Field

from schemas.times import format_time
from streams.clock import Clock
from streams.http.answer.answers import digest
from streams.http.answer.formats import FORMAT, asked_params, check_only_format
from streams.http.answer.models import TIME, asked
from streams.http.answer.problems import COMMON, described, lists, problem
from streams.http.answer.replies import Listing, reply
from streams.http.background.ops_topics import OpsTopics
from streams.http.connection.guard import visitor
from tables.gates.declared import GATES, RECON
from tables.gates.records import GateRecord, decode_gate, expired
from tables.gates.rule import GateState
from tables.query.declarations import filters
from tables.query.params import check_known, filter_values
from tables.query.values import no_such
from tables.read.group_table import sort_key
from tables.scope import Scope, sees
from tables.spec.gate import Gate

OF_RECON = ("variance_minor", "variance_ratio", "charges_minor")
NOT_READ: dict[int | str, dict[str, Any]] = {503: described("The gates have not been read yet.")}


class GateListed(BaseModel):
    """A gate, as it is declared."""

    name: str
    description: str
    guards: str = Field(description="what must not go on while it is closed")
    view: str
    dimensions: list[str] = Field(description="of the view: there is a gate for each group by these")
    measures: list[str] = Field(description="that are held against limits, where these are set")
    states: dict[str, int] = Field(description="how many gates are in each; all 0 of a gate that is off")


class GatesListed(BaseModel):
    """All gates."""

    as_of: str = Field(json_schema_extra=TIME)
    gates: list[GateListed]


class GateRow(BaseModel):
    """A gate's newest record, with the dimensions that tell it from others."""

    model_config = ConfigDict(extra="allow")

    gate: str
    city: str | None
    currency: str | None
    state: str = Field(
        json_schema_extra={"enum": [*GateState]}, description="stale also where it has expired"
    )
    open: bool = Field(description="true in ok and warn alone, unless a person has decided otherwise")
    previous: str | None = Field(description="the state before; null if there has been no other")
    since: str = Field(json_schema_extra=TIME)
    evaluated_at: str = Field(json_schema_extra=TIME)
    valid_until: str = Field(json_schema_extra=TIME, description="past it the gate counts as closed")
    variance_minor: int | None = Field(
        default=None, description="of recon: charges − (payouts + refunds + fees), minor units"
    )
    variance_ratio: float | None = Field(
        default=None, description="of recon: |variance| ÷ charges; null without charges"
    )
    charges_minor: int | None = Field(default=None, description="of recon")
    window_from: str | None = Field(json_schema_extra=TIME, description="null of what has no window")
    window_to: str | None = Field(json_schema_extra=TIME, description="exclusive")
    reason: str | None = Field(description="why it is in its state, in words")
    warn_at: float | None = Field(description="the limit of `measure` beyond which it warns")
    alarm_at: float | None = Field(description="the limit of `measure` beyond which it closes")
    measure: str | None = Field(description="the measure that decides")
    value: float | None = Field(description="of that measure; null of a ratio to nothing")
    override: str | None = Field(
        description="open or closed, where a person has decided so; null: nobody has"
    )
    override_by: str | None
    override_reason: str | None
    override_at: str | None = Field(json_schema_extra=TIME)
    override_until: str | None = Field(json_schema_extra=TIME, description="when the decision ends")
    override_even_stale: bool = Field(description="whether it opens the gate while it is stale, too")
    key: dict[str, str | None] = Field(description="what tells it from others of its name; not in CSV")


class GatesAnswer(BaseModel):
    """All gates of a name."""

    gate: str
    as_of: str = Field(json_schema_extra=TIME)
    warnings: list[str] = Field(
        default=[],
        description="values that no gate has, and that were hardly meant; left out if there are none",
    )
    rows: list[GateRow] = Field(description="by dimensions, null first")


def router(ops: OpsTopics, clock: Clock) -> APIRouter:
    """The routes, answering from `ops`."""
    routes = APIRouter(prefix="/v1", tags=["gates"], responses=COMMON)

    @routes.get(
        "/gates",
        summary="Every gate that is declared, and how many of it are in each state",
        responses={**lists(GatesListed), **NOT_READ},
        openapi_extra=asked([FORMAT]),
    )
    async def all_gates(request: Request) -> Response:
        check_only_format(request)
        if ops.waiting_for is not None:
            return not_read(ops)
        now_us, scope = clock.wall_us(), visitor(request).scope()
        found = [_listed(gate, answer(gate, ops.gates, now_us, scope)) for gate in GATES.values()]
        body = {"as_of": format_time(now_us), "gates": found}
        tag = digest({**body, "as_of": None})
        return reply(request, Listing("gates", [*GateListed.model_fields], body, tag, member="gates"))

    for gate in GATES.values():
        _add(routes, gate, ops, clock)
    return routes


def _add(routes: APIRouter, gate: Gate, ops: OpsTopics, clock: Clock) -> None:
    """The route of one gate."""
    known = filters(gate.key)

    @routes.get(
        f"/gates/{gate.name}",
        summary=f"Every {gate.name} gate's newest record. {gate.description}",
        operation_id=f"gates_{gate.name}",
        responses={**lists(GatesAnswer), **NOT_READ},
        openapi_extra=asked([*known, FORMAT]),
    )
    async def of_gate(request: Request) -> Response:
        wanted: dict[str, set[str | None]] = {}
        for name, value in asked_params(request):
            check_known(name, known)
            wanted.setdefault(name, set()).update(filter_values(name, value))
        if ops.waiting_for is not None:
            return not_read(ops)
        now_us = clock.wall_us()
        rows = [row_of(gate, one) for one in answer(gate, ops.gates, now_us, visitor(request).scope())]
        warnings = _unknown(rows, wanted)
        shown = [row for row in rows if all(row[name] in values for name, values in wanted.items())]
        body = {
            "gate": gate.name,
            "as_of": format_time(now_us),
            **({"warnings": warnings} if warnings else {}),
            "rows": shown,
        }
        tag = digest({**body, "as_of": None})
        return reply(request, Listing(f"gates_{gate.name}", columns_of(gate), body, tag))


def not_read(ops: OpsTopics) -> Response:
    """503 while gates have not been read."""
    return problem(503, f"waiting for {ops.waiting_for}", {"retry-after": "1"})


def columns_of(gate: Gate) -> list[str]:
    """The members of its rows."""
    first, *others = GateRow.model_fields
    own = [name for name in gate.key if name not in others]
    left_out = {"key"} if gate.name == RECON.name else {"key", *OF_RECON}
    return [first, *own, *(name for name in others if name not in left_out)]


def row_of(gate: Gate, record: GateRecord) -> dict[str, Any]:
    """A record as a row."""
    members = {**msgspec.to_builtins(record), **record.key}
    return {name: members[name] for name in (*columns_of(gate), "key")}


def _listed(gate: Gate, found: Sequence[GateRecord]) -> dict[str, Any]:
    counted = Counter(record.state for record in found)
    return {
        "name": gate.name,
        "description": gate.description,
        "guards": gate.guards,
        "view": gate.view,
        "dimensions": [*gate.key],
        "measures": [watch.measure for watch in gate.watches],
        "states": {state.value: counted[state] for state in GateState},
    }


def _unknown(rows: Iterable[Mapping[str, Any]], wanted: Mapping[str, set[str | None]]) -> list[str]:
    """Warnings about values that no gate has."""
    said = []
    for name, values in wanted.items():
        known = {value for row in rows if (value := row[name]) is not None}
        said += no_such(name, [value for value in values if value and value not in known], known)
    return said


def answer(gate: Gate, records: Mapping[bytes, bytes], now_us: int, scope: Scope) -> list[GateRecord]:
    """The gates of a name that may be seen, by their key; expired ones are stale. Those of no city are for
    who may see all.

    A record that can't be read is left out, which counts as closed.
    """
    shown = []
    for value in records.values():
        record = decode_gate(value)
        if record is None or record.gate != gate.name:
            continue
        if sees(scope, record.city) if gate.has_city else scope is None:
            shown.append(_now(_keyed(gate, record), now_us))
    return sorted(shown, key=lambda record: sort_key(tuple(record.key.values())))


def _keyed(gate: Gate, record: GateRecord) -> GateRecord:
    """A record of before there were others than recon has no `key`."""
    if tuple(record.key) == gate.key:
        return record
    return msgspec.structs.replace(record, key={name: getattr(record, name, None) for name in gate.key})


def _now(record: GateRecord, now_us: int) -> GateRecord:
    """The record as it counts now: past its `valid_until` it counts as stale."""
    now = datetime.fromtimestamp(now_us / 1_000_000, UTC)
    if not expired(record.valid_until, now):
        return record
    if record.state is GateState.STALE:
        return msgspec.structs.replace(record, open=False)
    return msgspec.structs.replace(
        record,
        state=GateState.STALE,
        open=False,
        previous=record.state,
        since=record.valid_until,
        reason=f"no evaluation has come since {record.evaluated_at}: is a gates worker running?",
    )
