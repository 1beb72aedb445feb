"""What the site tells of each event and each view, taken from the declarations."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any, NamedTuple

from pydantic import BaseModel

from agents.bronze.layout import NO_CITY
from schemas.avro_schema import avro_schema, wire_schema
from schemas.catalogue import EVENTS
from schemas.extensions import extensions
from schemas.fields import is_nullable
from schemas.json_schema import json_schema, whole_event
from schemas.render import avro_path, json_path, words_of
from schemas.spec import EventSpec
from schemas.types import Envelope
from streams.site.formulas import formula, selection_words
from streams.view_sql.query import sql_of
from tables.spec.view import View
from tables.views import VIEWS


class Field(NamedTuple):
    """A member: its name, what it may be, and whether it has to be there and may be null."""

    name: str
    rule: str
    required: bool
    nullable: bool


class AdapterEntry(NamedTuple):
    """An adapter between versions; `examples`: payloads before and after, as JSON."""

    of: int
    to: int
    examples: list[tuple[str, str]]


class EventEntry(NamedTuple):
    """An event's page."""

    name: str
    domain: str
    version: int
    description: str
    extension: str | None
    fields: list[Field]
    examples: list[str]
    adapters: list[AdapterEntry]
    views: list[str]
    bronze: str
    bronze_by_city: str
    record: str
    json_path: str
    avro_path: str
    json_schema: str
    avro_schema: str

    @property
    def page(self) -> str:
        """Where it lies."""
        return f"events/{self.name}.html"


class MeasureEntry(NamedTuple):
    """A measure of a view."""

    name: str
    unit: str
    description: str
    formula: str


class ViewEntry(NamedTuple):
    """A view's page."""

    name: str
    kind: str
    description: str
    extension: str | None
    dimensions: tuple[str, ...]
    events: list[str]
    measures: list[MeasureEntry]
    states: list[tuple[str, str, int, str]]
    id_fields: tuple[str, ...]
    selections: list[tuple[str, str, str]]
    sql: str | None

    @property
    def page(self) -> str:
        """Where it lies."""
        return f"views/{self.name}.html"


def events() -> list[EventEntry]:
    """All events, those of extensions too, in the order declared."""
    packages = {spec.name: one.package for one in extensions() for spec in one.events}
    return [_event(spec, packages.get(spec.name)) for spec in EVENTS.values()]


def views() -> list[ViewEntry]:
    """All views, those of extensions too, in the order declared."""
    packages = {view.name: one.package for one in extensions() for view in one.views}
    return [_view(view, packages.get(view.name)) for view in VIEWS.values()]


def envelope() -> list[Field]:
    """The members around every payload."""
    rules = {"event": "text, the event's name", "payload": "object, the event's own members"}
    return [field._replace(rule=rules.get(field.name, field.rule)) for field in _fields(Envelope, rules)]


def _event(spec: EventSpec, package: str | None) -> EventEntry:
    folder = f"event={spec.name}/dt=<YYYY-MM-DD>/"
    file = "<topic>+<partition>+<first offset>-<last offset>.ndjson.gz"
    wire = wire_schema(spec)
    return EventEntry(
        name=spec.name,
        domain=spec.domain,
        version=spec.version,
        description=" ".join(spec.description.replace("`", "").split()),
        extension=package,
        fields=_fields(spec.payload),
        examples=[_json(whole_event(spec, number)) for number in range(len(spec.examples))],
        adapters=[
            AdapterEntry(one.of, one.to, [(_json(before), _json(after)) for before, after in one.examples])
            for one in sorted(spec.adapters, key=lambda one: one.of)
        ],
        views=[name for name, view in VIEWS.items() if spec.name in view.events],
        bronze=folder + file,
        bronze_by_city=f"{folder}city=<city or {NO_CITY}>/{file}",
        record=f"{wire['namespace']}.{wire['name']}",
        json_path=json_path(spec),
        avro_path=avro_path(spec),
        json_schema=_json(json_schema(spec)),
        avro_schema=_json(avro_schema(spec)),
    )


def _fields(model: type[BaseModel], special: Iterable[str] = ()) -> list[Field]:
    return [
        Field(name, "" if name in special else words_of(field), field.is_required(), is_nullable(field))
        for name, field in model.model_fields.items()
    ]


def _view(view: View, package: str | None) -> ViewEntry:
    tracks = view.tracks
    life = {(True, False): "opens", (False, True): "closes"}
    return ViewEntry(
        name=view.name,
        kind=view.kind,
        description=view.description,
        extension=package,
        dimensions=view.dimensions,
        events=sorted(view.events),
        measures=[MeasureEntry(m.name, m.unit.value, m.description, formula(m)) for m in view.measures],
        states=[(s.state, s.event, s.rank, life.get((s.opens, s.closes), "")) for s in tracks.stages]
        if tracks
        else [],
        id_fields=tracks.id_fields if tracks else (),
        selections=[(s.name, s.description, selection_words(s)) for s in tracks.selections] if tracks else [],
        sql=sql_of(view),
    )


def _json(document: Any) -> str:
    return json.dumps(document, indent=2, ensure_ascii=False) + "\n"
