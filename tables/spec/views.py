"""The language in which a view is declared (docs/contract.md §3): data, a view has no code of its own.

A `Windowed` view sums over event time, an `Entity` view looks at the latest state of each entity. Both list
their measures in the order in which an answer shows them; one computed from others names and follows them.
Workers keep only what `definition_hash` covers; everything else is computed when a view is asked for.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from enum import StrEnum
from functools import cached_property
from typing import Any

FORMAT_VERSION = 1
"""Version of the records in the feed, and of the dedupe hash (xxh3_64 over the event_id in UTF-8)."""

CITY = "city"
"""The dimension that comes from the envelope; all others are payload fields. Every state keeps it."""

Value = str | int | bool | None
"""What a dimension or a compared field may hold."""

Where = tuple[tuple[str, Value], ...]
"""Payload (or kept) fields, and the value each of them must have."""


class Unit(StrEnum):
    """What a measure's number is."""

    COUNT = "count"
    MINOR = "minor"  # minor units of the row's currency: never summed over currencies
    RATIO = "ratio"
    SECONDS = "seconds"


class Kind(StrEnum):
    """What a kept field holds."""

    TEXT = "text"
    WHOLE = "whole"  # an int
    TIME = "time"  # a datetime in the event, int µs UTC since the epoch in the state


@dataclass(frozen=True)
class Term:
    """One event's part in a sum: it adds 1, or the int in payload field `add`, if all of `where` holds."""

    event: str
    add: str | None = None
    where: Where = ()


@dataclass(frozen=True)
class Sum:
    """A sum over events: of a windowed view, the only kind of measure that is kept."""

    name: str
    description: str
    terms: tuple[Term, ...]
    unit: Unit = Unit.COUNT


@dataclass(frozen=True)
class Difference:
    """The sum of the measures `plus` without those of `minus`."""

    name: str
    description: str
    plus: tuple[str, ...]
    minus: tuple[str, ...] = ()
    unit: Unit = Unit.MINOR


@dataclass(frozen=True)
class Absolute:
    """The absolute value of the measure `of`."""

    name: str
    description: str
    of: str
    unit: Unit = Unit.MINOR


@dataclass(frozen=True)
class Ratio:
    """The sum of measures `over` ÷ the sum of `under`: null if `under` is 0 or one of them is null."""

    name: str
    description: str
    over: tuple[str, ...]
    under: tuple[str, ...]

    unit = Unit.RATIO


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
class Count:
    """How many entities are in the selection `of`."""

    name: str
    description: str
    of: str

    unit = Unit.COUNT


@dataclass(frozen=True)
class Total:
    """The sum of the kept int `field` over the selection `of`; of none it is 0, or null if `null_if_none`."""

    name: str
    description: str
    of: str
    field: str
    unit: Unit = Unit.MINOR
    null_if_none: bool = False


@dataclass(frozen=True)
class Oldest:
    """as_of minus the earliest latest-event time over the selection `of`, in seconds; null over no entity."""

    name: str
    description: str
    of: str

    unit = Unit.SECONDS


Derived = Difference | Absolute | Ratio
EntityMeasure = Count | Total | Oldest
Measure = Sum | Derived | EntityMeasure


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
    """What is kept of each entity, and the sets of entities that measures speak of.

    `id_fields`: payload fields that name an entity, joined by ':' (so only the last may contain one).
    """

    id_fields: tuple[str, ...]
    stages: tuple[Stage, ...]
    keep: tuple[Kept, ...]
    selections: tuple[Selection, ...]

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
        return self.by_selection | states  # of one name, they are one set (tables/spec/problems.py)

    @cached_property
    def kept_names(self) -> tuple[str, ...]:
        """Names of the kept fields, in the order of the stored value (after its first five members)."""
        return tuple(kept.field for kept in self.keep)

    def computed(self) -> list[Any]:
        """What is computed, for the hash: selections are not, they are looked at when a view is asked for."""
        stages = [[s.event, s.rank, s.opens, s.closes] for s in self.stages]
        return [self.id_fields, stages, [[kept.field, kept.kind] for kept in self.keep]]


def _definition_hash(computed: Any) -> str:
    text = json.dumps([FORMAT_VERSION, computed], separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()[:8]


class _Measured:
    """What all views have."""

    measures: tuple[Measure, ...]

    @property
    def has_money(self) -> bool:
        """Whether a measure is in minor units, so that its currency may not be dropped."""
        return any(measure.unit is Unit.MINOR for measure in self.measures)


@dataclass(frozen=True)
class Windowed(_Measured):
    """Sums over event time by `dimensions`. `tracks`: entities beside them, for what no window bounds."""

    name: str
    description: str
    dimensions: tuple[str, ...]
    measures: tuple[Measure, ...]
    tracks: Tracked | None = None

    kind = "windowed"

    @cached_property
    def key(self) -> tuple[str, ...]:
        """The fields of a stored group: the dimensions, and the city, last, where it is not one of them."""
        return self.dimensions if CITY in self.dimensions else (*self.dimensions, CITY)

    @cached_property
    def sums(self) -> tuple[Sum, ...]:
        """The kept measures, in the order of a stored group's sums."""
        return tuple(measure for measure in self.measures if isinstance(measure, Sum))

    @cached_property
    def definition_hash(self) -> str:
        """Eight hex digits over what is computed: prose, measures' names and derived ones change nothing."""
        terms = [[[t.event, t.add, t.where] for t in total.terms] for total in self.sums]
        return _definition_hash([self.kind, self.key, terms, self.tracks and self.tracks.computed()])

    @cached_property
    def events(self) -> frozenset[str]:
        """Names of the events that can change this view."""
        summed = frozenset(term.event for total in self.sums for term in total.terms)
        return summed | frozenset(self.tracks.by_event if self.tracks else ())


@dataclass(frozen=True)
class Entity(_Measured):
    """The latest state of each entity, by `dimensions`: `city`, or kept fields."""

    name: str
    description: str
    dimensions: tuple[str, ...]
    measures: tuple[EntityMeasure | Derived, ...]
    tracks: Tracked

    kind = "entity"

    @cached_property
    def definition_hash(self) -> str:
        """Eight hex digits over what is computed: prose, measures and selections change nothing."""
        return _definition_hash([self.kind, self.tracks.computed()])

    @cached_property
    def events(self) -> frozenset[str]:
        """Names of the events that can change this view."""
        return frozenset(self.tracks.by_event)


View = Windowed | Entity
