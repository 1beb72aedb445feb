"""What a measure is, and the measures that are computed from others of the same row."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, NamedTuple

from tables.spec.fields import EventTypes

Number = int | float | None
Row = dict[str, Number]
"""The finished measures of a row, by name, in the order of the view."""
Column = Sequence[Any]
"""One measure of many rows."""
Columns = Mapping[str, Column]
"""By the measure's name."""


class Unit(StrEnum):
    """What a measure's number is."""

    COUNT = "count"
    MINOR = "minor"  # minor units of the row's currency: never summed over currencies
    RATIO = "ratio"
    NUMBER = "number"
    SECONDS = "seconds"


class Known(NamedTuple):
    """What a measure may name: measures `before` it, the selections of its view's entities and the whole
    numbers kept of them, the fields that groups have, and events."""

    before: frozenset[str]
    selections: tuple[str, ...]
    whole: tuple[str, ...]
    key: tuple[str, ...]
    events: EventTypes


@dataclass(frozen=True)
class Measure(ABC):
    """One number of a row. `json_type`: its type in JSON."""

    name: str
    description: str

    json_type = "integer"

    @property
    @abstractmethod
    def unit(self) -> Unit:
        """What its number is."""

    @property
    def nullable(self) -> bool:
        """Whether it may be null."""
        return True

    @property
    def needs(self) -> tuple[str, ...]:
        """The earlier measures that it is computed from."""
        return ()

    def finish(self, row: Row, kept: Mapping[str, Any], as_of_us: int) -> Number:  # noqa: ARG002
        """Its number: what was merged for it, or is computed. `row`: the measures before it; `kept`: by
        name."""
        value: Number = kept[self.name]
        return value

    def finish_all(self, columns: Columns, kept: Columns, as_of_us: int) -> Column:
        """Its numbers of many rows, each as `finish` has it. `columns`: those of the measures before it."""
        if self.needs:
            rows = zip(*(columns[name] for name in self.needs), strict=True)
            return [self.finish(dict(zip(self.needs, row, strict=True)), {}, as_of_us) for row in rows]
        if type(self).finish is Measure.finish:
            return kept[self.name]
        return [self.finish({}, {self.name: value}, as_of_us) for value in kept[self.name]]

    def problems(self, known: Known) -> Iterator[str]:
        """What is wrong with its declaration, and what to do."""
        for name in self.needs:
            if name not in known.before:
                yield f"needs {name}, which is no earlier measure: list it before this one"

    def schema(self) -> dict[str, Any]:
        """JSON Schema of its number."""
        types = [self.json_type, "null"] if self.nullable else self.json_type
        return {"type": types, "description": self.description}


def finish_all(measures: Sequence[Measure], kept: Columns, as_of_us: int) -> dict[str, Column]:
    """All measures of many rows, computed after merging. Integers stay exact."""
    columns: dict[str, Column] = {}
    for measure in measures:
        columns[measure.name] = measure.finish_all(columns, kept, as_of_us)
    return columns


def _total(row: Row, names: Sequence[str]) -> Number:
    """The sum of these measures, null if one of them is."""
    values = [value for name in names if (value := row[name]) is not None]
    return sum(values) if len(values) == len(names) else None


def _totals(columns: Columns, names: Sequence[str]) -> Column:
    """The same of many rows."""
    if len(names) == 1:
        return columns[names[0]]
    if not names:
        return [0] * len(next(iter(columns.values())))
    rows = zip(*(columns[name] for name in names), strict=True)
    return [None if None in row else sum(row) for row in rows]


@dataclass(frozen=True)
class Difference(Measure):
    """The sum of the measures `plus` without those of `minus`."""

    plus: tuple[str, ...]
    minus: tuple[str, ...] = ()
    unit: Unit = Unit.MINOR

    @property
    def needs(self) -> tuple[str, ...]:
        """The earlier measures that it is computed from."""
        return self.plus + self.minus

    def finish(self, row: Row, kept: Mapping[str, Any], as_of_us: int) -> Number:  # noqa: ARG002
        """Null if one of them is."""
        plus, minus = _total(row, self.plus), _total(row, self.minus)
        return None if plus is None or minus is None else plus - minus

    def finish_all(self, columns: Columns, kept: Columns, as_of_us: int) -> Column:  # noqa: ARG002
        """Null where one of them is."""
        pairs = zip(_totals(columns, self.plus), _totals(columns, self.minus), strict=True)
        return [None if plus is None or minus is None else plus - minus for plus, minus in pairs]


@dataclass(frozen=True)
class Absolute(Measure):
    """The absolute value of the measure `of`."""

    of: str
    unit: Unit = Unit.MINOR

    @property
    def needs(self) -> tuple[str, ...]:
        """The earlier measure that it is computed from."""
        return (self.of,)

    def finish(self, row: Row, kept: Mapping[str, Any], as_of_us: int) -> Number:  # noqa: ARG002
        """Null if the other is."""
        value = row[self.of]
        return None if value is None else abs(value)

    def finish_all(self, columns: Columns, kept: Columns, as_of_us: int) -> Column:  # noqa: ARG002
        """Null where the other is."""
        return [None if value is None else abs(value) for value in columns[self.of]]


@dataclass(frozen=True)
class Ratio(Measure):
    """The sum of measures `over` ÷ the sum of `under`: null if `under` is 0 or one of them is null."""

    over: tuple[str, ...]
    under: tuple[str, ...]

    unit = Unit.RATIO
    json_type = "number"

    @property
    def needs(self) -> tuple[str, ...]:
        """The earlier measures that it is computed from."""
        return self.over + self.under

    def finish(self, row: Row, kept: Mapping[str, Any], as_of_us: int) -> Number:  # noqa: ARG002
        """The correctly rounded float."""
        over, under = _total(row, self.over), _total(row, self.under)
        return over / under if over is not None and under else None

    def finish_all(self, columns: Columns, kept: Columns, as_of_us: int) -> Column:  # noqa: ARG002
        """The correctly rounded floats."""
        pairs = zip(_totals(columns, self.over), _totals(columns, self.under), strict=True)
        return [over / under if over is not None and under else None for over, under in pairs]
