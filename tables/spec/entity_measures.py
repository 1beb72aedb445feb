"""Measures over the latest states of entities."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from schemas.times import SECOND_US
from tables.spec.measures import Known, Measure, Number, Row, Unit

PerGroup = list[int | None]
"""One number a group, None over nothing."""


class Chosen(Protocol):
    """The entities of a selection, by group."""

    def counts(self) -> PerGroup:
        """How many."""

    def totals(self, field: str) -> PerGroup:
        """The sums of a kept int; None where no entity has one."""

    def earliest(self) -> PerGroup:
        """The earliest times of their latest events, in µs."""


@dataclass(frozen=True)
class EntityMeasure(Measure):
    """A measure over the selection `of`."""

    of: str

    @property
    def nothing(self) -> int | None:
        """What is kept over no entity."""
        return 0

    @property
    def nullable(self) -> bool:
        """Whether it may be null: over no entity."""
        return self.nothing is None

    @abstractmethod
    def over(self, chosen: Chosen) -> PerGroup:
        """What is kept of each group."""

    def merge(self, left: int | None, right: int | None) -> int | None:
        """What is kept of two groups together."""
        return (left or 0) + (right or 0)

    def problems(self, known: Known) -> Iterator[str]:
        """What is wrong with its declaration, and what to do."""
        if self.of not in known.selections:
            there = ", ".join(known.selections) or "none: the view tracks no entities"
            yield f"{self.of} is no selection: there is {there}"


@dataclass(frozen=True)
class Count(EntityMeasure):
    """How many entities are in the selection `of`."""

    unit = Unit.COUNT

    def over(self, chosen: Chosen) -> PerGroup:
        """How many entities each group has."""
        return chosen.counts()


@dataclass(frozen=True)
class Total(EntityMeasure):
    """The sum of the kept int `field` over the selection `of`; of none it is 0, or null if `null_if_none`."""

    field: str
    unit: Unit = Unit.MINOR
    null_if_none: bool = False

    @property
    def nothing(self) -> int | None:
        """What is kept over no entity."""
        return None if self.null_if_none else 0

    def over(self, chosen: Chosen) -> PerGroup:
        """The sum of each group."""
        return [self.nothing if total is None else total for total in chosen.totals(self.field)]

    def merge(self, left: int | None, right: int | None) -> int | None:
        """Their sum; nothing of two nothings."""
        return self.nothing if left is None and right is None else (left or 0) + (right or 0)

    def problems(self, known: Known) -> Iterator[str]:
        """What is wrong with its declaration, and what to do."""
        yield from super().problems(known)
        if self.field not in known.whole:
            yield f"{self.field} is not kept as a whole number: add it to `keep` with Kind.WHOLE"


@dataclass(frozen=True)
class Oldest(EntityMeasure):
    """as_of minus the earliest latest-event time over the selection `of`, in seconds; null over no entity."""

    unit = Unit.SECONDS
    json_type = "number"
    nothing = None

    def over(self, chosen: Chosen) -> PerGroup:
        """The earliest time of each group, in µs: no age yet."""
        return chosen.earliest()

    def merge(self, left: int | None, right: int | None) -> int | None:
        """The earlier one."""
        return min((at for at in (left, right) if at is not None), default=None)

    def finish(self, row: Row, kept: Mapping[str, Any], as_of_us: int) -> Number:  # noqa: ARG002
        """The age; whole seconds as an int, so that it reads the same in every JSON writer."""
        earliest_us: int | None = kept[self.name]
        if earliest_us is None:
            return None
        seconds, rest = divmod(as_of_us - earliest_us, SECOND_US)
        return seconds + rest / SECOND_US if rest else seconds
