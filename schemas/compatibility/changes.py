"""The declared events against their former schemas: what of the change is not backward compatible."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, NamedTuple

from schemas.avro_schema import wire_schema
from schemas.compatibility.avro import unreadable
from schemas.compatibility.json import narrowed
from schemas.compatibility.problem import Problem, Rule
from schemas.json_schema import json_schema
from schemas.spec import EventSpec


class Former(NamedTuple):
    """The schemas that an event had; None for one that is not known."""

    json: dict[str, Any] | None = None
    avro: dict[str, Any] | None = None


class Change(NamedTuple):
    """A change that is refused: of which event, at which field, by which rule, and what it is."""

    event: str
    field: str
    rule: Rule
    detail: str


def changes(specs: Mapping[str, EventSpec], former: Mapping[str, Former]) -> list[Change]:
    """All changes that break a rule; a field breaks each rule once, though both kinds of schema may tell.

    `former`: event → its schemas. An event that had none is new, and good.
    """
    return [change for event, schemas in former.items() for change in _of(event, specs.get(event), schemas)]


def _of(event: str, spec: EventSpec | None, former: Former) -> Iterator[Change]:
    if spec is None:
        yield Change(event, "", Rule.REMOVED_EVENT, "what was sent of it would be quarantined")
        return
    try:
        found = list(_problems(spec, former))
    except (KeyError, TypeError, AttributeError, StopIteration, ValueError) as error:
        found = [Problem("", Rule.UNREADABLE_SCHEMA, f"its former schema is none of ours ({error!r})")]
    yield from _once(event, found)


def _problems(spec: EventSpec, former: Former) -> Iterator[Problem]:
    if former.json is not None:
        version = former.json["properties"]["version"]["const"]
        if version in spec.adapted_from:
            return
        if version != spec.version:
            detail = f"version {version} is replaced by {spec.version}, and no adapter leads there"
            yield Problem("version", Rule.VERSION_WITHOUT_ADAPTER, detail)
            return
        yield from narrowed(json_schema(spec), former.json)
    if former.avro is not None:
        yield from unreadable(wire_schema(spec), former.avro)


def _once(event: str, problems: Iterable[Problem]) -> Iterator[Change]:
    told: set[tuple[str, Rule]] = set()
    for problem in problems:
        if (problem.field, problem.rule) not in told:
            told.add((problem.field, problem.rule))
            yield Change(event, *problem)
