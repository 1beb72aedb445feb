"""What every gate is: a declaration. It holds measures of a view against limits, and guards something."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from itertools import chain

from tables.spec.fields import CITY
from tables.spec.measures import Measure, Ratio
from tables.spec.view import View
from tables.spec.windowed import Windowed

CURRENCY = "currency"
_NAME = re.compile(r"[a-z][a-z0-9_]{0,99}")


class Worse(StrEnum):
    """On which side of a limit a measure is worse."""

    ABOVE = "above"
    BELOW = "below"


@dataclass(frozen=True)
class Watch:
    """A measure that is held against limits, and how that is said.

    The two sides of a `Ratio` are compared as whole numbers, and a ratio to nothing is beyond any limit.
    `enough`: sums of measures; while all of them are under the gate's minimum there is too little to judge.
    The texts have `{}` for a number: `says` for the measure's, `without` for a ratio's first side where the
    second is 0, `too_little` for the minimum.
    """

    measure: str
    says: str
    worse: Worse = Worse.ABOVE
    enough: tuple[tuple[str, ...], ...] = ()
    without: str = ""
    too_little: str = "fewer than {}"

    @property
    def needs(self) -> frozenset[str]:
        """The measures that it looks at."""
        return frozenset((self.measure, *chain.from_iterable(self.enough)))


@dataclass(frozen=True)
class Gate:
    """A gate for each group of a view by `key`, dimensions of the view.

    `guards`: what must not go on while it is closed. `window_hours`, `minimum`: unless SLUICE_GATES_FILE says
    otherwise; entity views take no window for what they track. `settled`: the measures that come some hours
    before the others (`settlement_hours`), of a windowed view by all its dimensions alone. A gate is off
    until one of its limits is set.
    """

    name: str
    description: str
    guards: str
    view: str
    key: tuple[str, ...]
    watches: tuple[Watch, ...]
    window_hours: int = 24
    minimum: int = 0
    settled: tuple[str, ...] = ()

    @property
    def has_city(self) -> bool:
        """Whether each of its gates is of one city. Others are of all cities, and for who may see all."""
        return CITY in self.key


def needed(view: View, names: frozenset[str]) -> tuple[Measure, ...]:
    """The measures of these names and all that they are computed from, in the view's order."""
    wanted = set(names)
    for measure in reversed(view.measures):
        if measure.name in wanted:
            wanted.update(measure.needs)
    return tuple(measure for measure in view.measures if measure.name in wanted)


def sides(measure: Measure) -> tuple[tuple[str, ...], tuple[str, ...]] | None:
    """The measures that a ratio is of, and those that it is to; None for another measure."""
    return (measure.over, measure.under) if isinstance(measure, Ratio) else None


def gate_problems(gate: Gate, views: Mapping[str, View]) -> Iterator[str]:
    """What is wrong with a declaration, and what to do, a line each."""
    view = views.get(gate.view)
    if view is None:
        found = iter([f"there is no view {gate.view}: name one of {', '.join(views)}"])
    else:
        found = chain(_key_problems(gate, view), _measure_problems(gate, view))
    if not _NAME.fullmatch(gate.name):
        found = chain(["its name is not of a-z, 0-9 and _, beginning with a letter: rename it"], found)
    return (f"gate {gate.name}: {problem}" for problem in found)


def _key_problems(gate: Gate, view: View) -> Iterator[str]:
    for name in gate.key:
        if name not in view.dimensions:
            yield f"its key {name} is no dimension of {view.name}: {', '.join(view.dimensions)}"
    if not gate.key or len({*gate.key}) < len(gate.key):
        yield "its key is empty, or has a dimension twice"
    if view.has_money and CURRENCY in view.dimensions and CURRENCY not in gate.key:
        yield f"{view.name} has money: add {CURRENCY} to its key"
    if gate.settled and not (isinstance(view, Windowed) and view.tracks is None and gate.key == view.key):
        yield "settled measures are those of a windowed view, by all its dimensions"


def _measure_problems(gate: Gate, view: View) -> Iterator[str]:
    if not gate.watches:
        yield f"it watches nothing: give it a measure of {view.name}"
    by_name = {measure.name: measure for measure in view.measures}
    for name in sorted({*chain.from_iterable(watch.needs for watch in gate.watches), *gate.settled}):
        if name not in by_name:
            yield f"{name} is no measure of {view.name}: name one of {', '.join(by_name)}"
    for watch in gate.watches:
        measure = by_name.get(watch.measure)
        texts = [watch.says, *([watch.without] if isinstance(measure, Ratio) else [])]
        if any(text.count("{}") != 1 for text in texts):
            yield f"{watch.measure}: says, and of a ratio without, have {{}} once: there its number stands"
