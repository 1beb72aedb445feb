"""What is kept of each entity, and the selections of entities that measures are over."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from operator import attrgetter
from typing import Any

import msgspec

from tables.spec.fields import EventTypes, Kind, Where, holds, is_nullable, is_whole, payload_fields

_MOST_RANK = 127
"""So that a stored rank is one byte."""

OTHER_CITIES = "other_cities"
"""The last member of an entity whose events are of several cities: its states in the others."""


class EntityState(msgspec.Struct, array_like=True, gc=False):
    """An entity as the feed has it; what a view keeps besides follows (`Tracked.state`), and, where there are
    some, its states in other cities (`Tracked.state_by_city`).

    `opened`: its opening event was seen; the rest is of its latest event, the time in µs since the epoch.
    """

    opened: bool
    occurred_us: int
    rank: int
    event_id: str
    city: str | None


elsewhere: Callable[[EntityState], tuple[EntityState, ...]] = attrgetter(OTHER_CITIES)
"""An entity's states in its other cities, newest first; of a state that was decoded with them."""


@dataclass(frozen=True)
class Deadline:
    """Holds if the kept time `field` lies in [as_of + since, as_of + until), in seconds; None = open-ended.

    An entity whose field is null has no deadline: it holds for none.
    """

    field: str
    since_seconds: int | None = None
    until_seconds: int | None = None


@dataclass(frozen=True)
class Selection:
    """A named set of entities: the latest state is one of `states`, and `where` and `deadline` hold."""

    name: str
    description: str
    states: tuple[str, ...]
    deadline: Deadline | None = None
    where: Where = ()


@dataclass(frozen=True)
class Stage:
    """One event in an entity's life: the `state` it leads to, and its rank among events of the same time.

    `opens`: the entity's first event; `closes`: the entity may be forgotten `SLUICE_CLOSED_HOURS` afterwards.
    """

    event: str
    state: str
    rank: int
    opens: bool = False
    closes: bool = False


@dataclass(frozen=True)
class Kept:
    """A payload field of the latest event that the state keeps; null where that event has no such field."""

    field: str
    kind: Kind = Kind.TEXT


@dataclass(frozen=True)
class Tracked:
    """What is kept of each entity, and the selections of entities that measures are over.

    `id_fields`: payload fields that name an entity, joined by ':' (so only the last may contain one).
    """

    id_fields: tuple[str, ...]
    stages: tuple[Stage, ...]
    keep: tuple[Kept, ...]
    selections: tuple[Selection, ...]

    @cached_property
    def state(self) -> type[EntityState]:
        """The class of an entity's state: `EntityState`, and a member for each kept field."""
        types = {
            Kind.TEXT: Any,
            Kind.WHOLE: int | None,
            Kind.NUMBER: float | None,
            Kind.TIME: int | None,
        }
        fields = [(kept.field, types[kept.kind]) for kept in self.keep]
        kept = msgspec.defstruct("KeptState", fields, bases=(EntityState,), array_like=True, gc=False)
        assert issubclass(kept, EntityState)
        return kept

    @cached_property
    def state_by_city(self) -> type[EntityState]:
        """The same with its states in other cities, of which most entities have none."""
        others = [(OTHER_CITIES, tuple[self.state, ...], ())]  # type: ignore[name-defined]
        by_city = msgspec.defstruct("StateByCity", others, bases=(self.state,), array_like=True, gc=False)
        assert issubclass(by_city, EntityState)
        return by_city

    @cached_property
    def by_event(self) -> dict[str, Stage]:
        """Event name → its stage."""
        return {stage.event: stage for stage in self.stages}

    @cached_property
    def by_rank(self) -> dict[int, Stage]:
        """Rank → its stage: how a stored entity's state is found."""
        return {stage.rank: stage for stage in self.stages}

    @cached_property
    def by_selection(self) -> dict[str, Selection]:
        """Selection name → the selection."""
        return {selection.name: selection for selection in self.selections}

    @cached_property
    def by_state(self) -> dict[str, Selection]:
        """What `state=` of the entities route takes: the selections, and the states that rows show."""
        states = {stage.state: Selection(stage.state, "", (stage.state,)) for stage in self.stages}
        return self.by_selection | states  # of one name, they are one set (`problems`)

    @cached_property
    def kept_names(self) -> tuple[str, ...]:
        """Names of the kept fields, in the order of the stored value."""
        return tuple(kept.field for kept in self.keep)

    @cached_property
    def whole_names(self) -> tuple[str, ...]:
        """Names of the kept fields that can be added up."""
        return tuple(kept.field for kept in self.keep if kept.kind is Kind.WHOLE)

    def computed(self) -> list[Any]:
        """What is computed, for the hash: all but selections, which a query evaluates."""
        stages = [[s.event, s.rank, s.opens, s.closes] for s in self.stages]
        return [self.id_fields, stages, [[kept.field, kept.kind] for kept in self.keep]]

    def problems(self, events: EventTypes) -> Iterator[str]:
        """What contradicts itself, and what to do."""
        if len(self.by_rank) != len(self.stages) or len(self.by_event) != len(self.stages):
            yield "two stages share an event or a rank: give each its own"
        if not any(stage.opens for stage in self.stages):
            yield "no stage opens an entity: mark the first one with opens=True"
        if any(type(stage.rank) is not int or not 0 <= stage.rank <= _MOST_RANK for stage in self.stages):
            yield f"a rank is not a whole number from 0 to {_MOST_RANK}: number the stages from 0 on"
        for name in self.kept_names:
            if name in (*EntityState.__struct_fields__, OTHER_CITIES) or self.kept_names.count(name) > 1:
                yield f"{name} is kept twice: take it out of `keep`"
        for selection in self.selections:
            yield from (
                f"selection {selection.name} {wrong}" for wrong in self._selection_problems(selection)
            )
        yield from self._event_problems([stage.event for stage in self.stages], events)

    def _selection_problems(self, selection: Selection) -> Iterator[str]:
        states = {stage.state for stage in self.stages}
        times = {kept.field for kept in self.keep if kept.kind is Kind.TIME}
        if not set(selection.states) <= states:
            yield f"names a state that no stage leads to: there are {_listed(states)}"
        if selection.deadline and selection.deadline.field not in times:
            yield "has a deadline on what is no kept time: keep it with Kind.TIME"
        alone = selection.states == (selection.name,) and not selection.deadline and not selection.where
        if selection.name in states and not alone:
            yield "is not the state of that name: name it otherwise"
        if any(field not in self.kept_names for field, _ in selection.where):
            yield "compares a field that is not kept: add it to `keep`"

    def _event_problems(self, names: Sequence[str], events: EventTypes) -> Iterator[str]:
        unknown = [name for name in names if name not in events]
        yield from (f"there is no event {name} in the catalogue: declare it there" for name in unknown)
        fields = {name: payload_fields(events[name]) for name in names if name in events}
        for event, found in fields.items():
            if missing := [name for name in self.id_fields if name not in found]:
                yield f"event {event} has no field {', '.join(missing)}: take id_fields that all have"
        kept = [name for name in self.kept_names if not any(name in found for found in fields.values())]
        if kept and not unknown:
            yield f"none of its events has a field {', '.join(kept)}: take it out of `keep`"
        for event, found in fields.items():
            if unlike := [name for name in self.whole_names if name in found and not is_whole(found[name])]:
                yield f"field {', '.join(unlike)} of {event} is not always a whole number: keep it otherwise"
            yield from self._kind_problems(event, events[event], found)

    def _kind_problems(self, event: str, known: type[Any], fields: Collection[str]) -> Iterator[str]:
        for name in self.id_fields:
            if name in fields and (holds(known, name) is not Kind.TEXT or is_nullable(known, name)):
                yield f"field {name} of {event} is not always a text: take another one as id"
        for kept in self.keep:
            if kept.kind is not Kind.WHOLE and kept.field in fields:
                there = holds(known, kept.field)
                if there is not kept.kind and (kept.kind, there) != (Kind.NUMBER, Kind.WHOLE):
                    yield f"field {kept.field} of {event} is no {kept.kind}: keep it as another Kind"


def _listed(names: set[str]) -> str:
    return ", ".join(sorted(names))
