"""Windowed views: what is kept of events by event time, and the measures of it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from operator import add
from typing import Any

from tables.sketches.distinct import DISTINCT, distinct
from tables.sketches.kind import SketchKind, Sparse, State
from tables.sketches.quantiles import QUANTILES, quantile
from tables.spec.fields import CITY, Kind, Where, holds, is_whole, payload_fields
from tables.spec.measures import Known, Measure, Number, Row, Unit
from tables.spec.view import View

SHARD_GROUPS = 512
"""Groups in one windowed record: the shard of a group is its index, by first appearance, // 512."""

_SHARD_BYTES = 900_000
"""Where groups may be large there are fewer: a record stays under what brokers take (1 MiB)."""


@dataclass(frozen=True)
class Term:
    """One event's part in a measure, if all of `where` holds: 1, or the value of payload field `field`."""

    event: str
    field: str | None = None
    where: Where = ()

    def problems(self, known: Known, *, whole: bool) -> Iterator[str]:
        """What of it is not there, and what to do; `whole`: its field must be an int."""
        if self.event not in known.events:
            yield f"there is no event {self.event} in the catalogue: declare it there, or correct the name"
            return
        event = known.events[self.event]
        fields = payload_fields(event)
        named = {*known.key, *(name for name, _ in self.where), *([self.field] if self.field else [])}
        if missing := sorted(named - {CITY, *fields}):
            yield f"event {self.event} has no field {', '.join(missing)}: take one of {', '.join(fields)}"
        elif self.field == CITY:
            yield f"field {CITY} is the envelope's, and no number: take one of {self.event}'s payload"
        elif whole and self.field and not is_whole(fields[self.field]):
            yield f"field {self.field} of {self.event} is not always a whole number: take one that is"
        else:
            yield from (
                f"dimension {name} of {self.event} is no text: take one that is"
                for name in known.key
                if name != CITY and holds(event, name) is not Kind.TEXT
            )


@dataclass(frozen=True)
class Sketch:
    """A sketch of the terms' fields: what is kept for measures that no sum can give."""

    kind: SketchKind
    terms: tuple[Term, ...]

    def nothing(self) -> State:
        """What is kept of no event."""
        return {}

    def merge(self, kept: State, other: State) -> State:
        """What is kept of both; the first one grows."""
        for item, number in other.items():
            self.kind.add(kept, item, number)
        return kept


class WindowedMeasure(Measure):
    """A measure of what is kept by event time."""

    terms: tuple[Term, ...]
    whole = True

    def problems(self, known: Known) -> Iterator[str]:
        """What is wrong with its declaration, and what to do."""
        for term in self.terms:
            yield from term.problems(known, whole=self.whole)


@dataclass(frozen=True)
class Sum(WindowedMeasure):
    """A sum over events. It is kept as it is."""

    terms: tuple[Term, ...]
    unit: Unit = Unit.COUNT

    nullable = False

    def computed(self) -> Any:
        """What workers compute, for the hash."""
        return written(self.terms)

    def nothing(self) -> int:
        """What is kept of no event."""
        return 0

    merge = staticmethod(add)


class SketchMeasure(WindowedMeasure):
    """A measure of a sketch: kept once for all that have the same terms."""

    sketched: SketchKind

    @property
    def sketch(self) -> Sketch:
        """What is kept for it."""
        return Sketch(self.sketched, self.terms)

    def problems(self, known: Known) -> Iterator[str]:
        """What is wrong with its declaration, and what to do."""
        if not all(term.field for term in self.terms):
            yield "a term has no field: name the one whose values count"
        yield from super().problems(known)


@dataclass(frozen=True)
class Quantile(SketchMeasure):
    """The value of rank ⌈q·n⌉ of the terms' fields, which are whole numbers, within 1 % of it; null of none.

    Per group and pane at most 4,101 buckets are kept (tables/sketches/quantiles.py).
    """

    q: float
    terms: tuple[Term, ...]
    unit: Unit = Unit.COUNT

    sketched = QUANTILES

    def finish(self, row: Row, kept: Mapping[str, Any], as_of_us: int) -> Number:  # noqa: ARG002
        """A whole number."""
        sketch: Sparse | None = kept[self.name]
        return None if sketch is None else quantile(sketch, self.q)

    def problems(self, known: Known) -> Iterator[str]:
        """What is wrong with its declaration, and what to do."""
        if not 0 <= self.q <= 1:
            yield f"q is {self.q}: it must lie between 0 and 1"
        yield from super().problems(known)


@dataclass(frozen=True)
class DistinctCount(SketchMeasure):
    """How many different values the terms' fields have, null not counted: exact up to 256, above with a
    standard error of 1.6 %.

    Per group and pane at most 4,096 registers are kept (tables/sketches/distinct.py).
    """

    terms: tuple[Term, ...]

    unit = Unit.COUNT
    sketched = DISTINCT
    nullable = False
    whole = False

    def finish(self, row: Row, kept: Mapping[str, Any], as_of_us: int) -> Number:  # noqa: ARG002
        """A whole number."""
        sketch: Sparse | None = kept[self.name]
        return 0 if sketch is None else distinct(sketch)


@dataclass(frozen=True)
class Windowed(View):
    """What is kept over event time by `dimensions`. `tracks`: entities beside it, which no window bounds."""

    kind = "windowed"

    @cached_property
    def sums(self) -> tuple[Sum, ...]:
        """The kept sums, in the order in which a stored group has them."""
        return tuple(measure for measure in self.measures if isinstance(measure, Sum))

    @cached_property
    def sketches(self) -> dict[Sketch, tuple[str, ...]]:
        """The kept sketches, which a stored group has after its sums → the measures of each."""
        found: dict[Sketch, tuple[str, ...]] = {}
        for measure in self.measures:
            if isinstance(measure, SketchMeasure):
                found[measure.sketch] = (*found.get(measure.sketch, ()), measure.name)
        return found

    @cached_property
    def kept(self) -> tuple[Sum | Sketch, ...]:
        """All that a stored group has."""
        return (*self.sums, *self.sketches)

    def nothing(self) -> dict[str, Any]:
        """What is kept of no event for the measures that are not over entities, by name."""
        sketched = {name: None for names in self.sketches.values() for name in names}
        return {**{total.name: 0 for total in self.sums}, **sketched}

    @cached_property
    def shard_groups(self) -> int:
        """How many groups one record has."""
        largest = sum(sketch.kind.most_bytes for sketch in self.sketches)
        return max(1, min(SHARD_GROUPS, _SHARD_BYTES // largest)) if largest else SHARD_GROUPS

    def computed(self) -> list[Any]:
        """What workers compute, for the hash; of a view without sketches as it was before there were any."""
        sums = [total.computed() for total in self.sums]
        sketches = [[sketch.kind.name, written(sketch.terms)] for sketch in self.sketches]
        tracks = self.tracks and self.tracks.computed()
        return [self.key, sums, tracks, *([[self.shard_groups, sketches]] if sketches else [])]

    @cached_property
    def events(self) -> frozenset[str]:
        """Names of the events that can change this view."""
        counted = frozenset(term.event for kept in self.kept for term in kept.terms)
        return counted | frozenset(self.tracks.by_event if self.tracks else ())


def written(terms: tuple[Term, ...]) -> list[Any]:
    """Terms as the hash of a definition has them."""
    return [[term.event, term.field, term.where] for term in terms]
