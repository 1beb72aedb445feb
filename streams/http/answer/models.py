"""What the api is asked and answers, for its OpenAPI document; views tell it by their declarations."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from pydantic import BaseModel, Field, JsonValue, create_model

from tables.query.declarations import Parameter
from tables.spec.fields import Kind
from tables.spec.measures import Unit
from tables.spec.view import View

TIME: dict[str, JsonValue] = {"format": "date-time"}
"""Of a text, which may be nullable."""


class Described(BaseModel):
    """What a measure is, and what its number means."""

    description: str
    unit: Unit


class ViewListed(BaseModel):
    """One view."""

    name: str
    kind: str = Field(description="windowed: sums over event time; entity: the latest state of entities")
    dimensions: list[str]
    measures: list[str]
    about: dict[str, Described] = Field(description="by measure")
    description: str
    states: list[str] = Field(description="what `state` of the entities route takes; empty if there is none")
    former: str | None = Field(
        description="that a former definition answers, which these are of, and what fills in the new one's"
        " past; null: the definition of this release answers"
    )


class ViewsListed(BaseModel):
    """Every view."""

    views: list[ViewListed]


class Partition(BaseModel):
    """How far one source partition has come."""

    topic: str
    partition: int
    watermark: str | None = Field(description="newest accepted occurred_at", json_schema_extra=TIME)
    first_offset: int | None = Field(
        description="the source offset from which on the view is computed; null: it is not; below 0: it was"
        " restored from a former Bronze, whose records come before the topic's"
    )
    checkpoint_offset: int | None = Field(description="the next source offset to be folded")
    lag_records: int | None = Field(description="records after it; null if no worker has reported")
    incomplete_because: str | None = Field(
        default=None,
        description="what about it makes the answer incomplete: no worker reports, a record is unread for too"
        " long, records were lost; left out if nothing does",
    )


class Head(BaseModel):
    """What every answer begins with."""

    view: str
    kind: str
    as_of: str = Field(json_schema_extra=TIME)
    from_: str | None = Field(
        alias="from", description="first instant of the panes added up; null without a window"
    )
    to: str | None = Field(description="their end, exclusive")
    watermark: str | None = Field(description="minimum of the partitions' watermarks: what all have reached")
    freshness_seconds: float | None = Field(
        description="what was in Kafka so long ago is in the answer; null: no worker reports on a partition"
    )
    complete: bool = Field(
        description="false while a partition is not reported on by a worker, has unread records older than"
        " SLUICE_STALE_SECONDS, has lost records, or is not yet read"
    )
    since: str | None = Field(
        description="events that occurred before may be missing from the view, which began later or has lost"
        " records; null: it has all",
        json_schema_extra=TIME,
    )
    scoped: bool = Field(
        default=False,
        description="true where rows are of the cities of who asks alone; left out where of all",
    )
    partitions: list[Partition]
    incomplete_because: list[str] = Field(
        default=[], description="why `complete` is false, a sentence each; left out where it is true"
    )
    warnings: list[str] = Field(
        default=[],
        description="what was asked for and hardly meant, such as a city that no state has; left out where"
        " there are none",
    )


class Page(Head):
    """A page of a view's entities."""

    state: str | None
    cursor: str | None = Field(description="of the next page; null on the last")


class Running(BaseModel):
    """What /healthz and /readyz say when all is well."""

    status: str


class Problem(BaseModel):
    """An error (RFC 9457, application/problem+json)."""

    type: str
    title: str
    status: int
    detail: str
    parameter: str | None = Field(default=None, description="400: the parameter that is wrong")
    views: list[str] | None = Field(default=None, description="404: the views there are")
    gates: list[str] | None = Field(default=None, description="404 under /v1/gates: the gates there are")


def answer(view: View) -> type[Head]:
    """What a view's answer is."""
    says = "one flat object of dimensions and measures each, by `t` and dimensions, null first"
    return _with_rows(f"{view.name}_answer", Head, says, row_schema(view))


def page(view: View) -> type[Head]:
    """What a page of a view's entities is."""
    says = "oldest first: by the time of the latest event, then by id"
    return _with_rows(f"{view.name}_entities", Page, says, entity_schema(view))


def _with_rows(name: str, base: type[Head], description: str, row: dict[str, Any]) -> type[Head]:
    rows = Field(description=description, json_schema_extra={"items": row})
    return create_model(name, __base__=base, __doc__=base.__doc__, rows=(list[dict[str, Any]], rows))


def asked(parameters: Iterable[Parameter]) -> dict[str, Any]:
    """Query parameters, as a route describes them."""
    return {"parameters": [{"in": "query", **parameter._asdict()} for parameter in parameters]}


def listed(view: View, former: str | None) -> dict[str, Any]:
    """A view as /v1/views lists it, by the definition that answers."""
    return ViewListed(
        name=view.name,
        kind=view.kind,
        dimensions=list(view.dimensions),
        measures=[measure.name for measure in view.measures],
        about={m.name: Described(description=m.description, unit=m.unit) for m in view.measures},
        description=view.description,
        states=list(view.tracks.by_state) if view.tracks else [],
        former=former,
    ).model_dump(mode="json")


def row_schema(view: View) -> dict[str, Any]:
    """JSON Schema of a view's rows."""
    properties: dict[str, Any] = {
        "t": {"type": "string", **TIME, "description": "start of the step; only with `step`"}
    }
    properties |= {name: {"type": ["string", "null"]} for name in view.dimensions}
    properties |= {measure.name: measure.schema() for measure in view.measures}
    return {"title": view.name, "type": "object", "properties": properties}


def entity_schema(view: View) -> dict[str, Any]:
    """JSON Schema of a view's entities."""
    assert view.tracks is not None
    kinds = {Kind.TEXT: "string", Kind.TIME: "string", Kind.WHOLE: "integer", Kind.NUMBER: "number"}
    properties: dict[str, Any] = {name: {"type": "string"} for name in view.tracks.id_fields}
    properties["city"] = {"type": ["string", "null"]}
    properties["state"] = {"type": "string", "enum": [stage.state for stage in view.tracks.stages]}
    properties["occurred_at"] = {"type": "string", **TIME, "description": "of the latest event"}
    properties |= {kept.field: {"type": [kinds[kept.kind], "null"]} for kept in view.tracks.keep}
    return {"title": f"{view.name} entity", "type": "object", "properties": properties}
