"""What gates are evaluated from: a view's rows over a window, and whether they can be trusted."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from fractions import Fraction
from typing import NamedTuple, Protocol

from tables.codec import Group
from tables.gates.rule import Figure, Figures
from tables.query.experiments import experiment_rows
from tables.query.params import ViewQuery, parse_view_query
from tables.query.rows import Table, of_experiments, windowed, with_entities
from tables.query.window import window_of
from tables.read.state import ReaderState
from tables.read.status import Situation, resolve_as_of, stale_sources, tripped_sources
from tables.spec.gate import Gate, Watch, Worse, needed, sides
from tables.spec.measures import Column, Measure, Number, finish_all
from tables.spec.view import View

Key = tuple[str | None, ...]
"""What tells a gate from others of its declaration: the values of its key."""
Seen = Mapping[str, Number]
"""The measures that a gate is judged by, and what they are computed from, by name."""


class Row(NamedTuple):
    """What is seen of one gate."""

    figures: Figures
    seen: Seen


class Reading(NamedTuple):
    """What one evaluation sees.

    `rows`: of the gates whose group has something in the window, None while the feed has not been read.
    `nothing`: of the others. `first`, `end`: epoch minutes of the window, that of the measures that come
    later where some are settled; 0 of what has no window. `stale`: why nothing of this can be trusted, None
    if it can.
    """

    rows: Mapping[Key, Row] | None
    nothing: Row
    first: int
    end: int
    stale: str | None


class FiguresReader(Protocol):
    """Reads what the gates of one declaration are evaluated from. `evaluate_seconds`: how often at least."""

    evaluate_seconds: float

    def read(self, reader: ReaderState, situation: Situation) -> Reading:
        """The figures as of now: the clock's, or the newest event's (`situation.clock`)."""

    def kept(self, reader: ReaderState) -> set[Key]:
        """The keys of which anything is kept, however old."""


class Judged:
    """How rows of a view become figures of a gate. `view`: as it is declared; what answers may be a former
    definition of it, which has `kept` too, or gates can't be judged by it.
    """

    def __init__(self, gate: Gate, view: View) -> None:
        self._key = gate.key
        names = frozenset(name for watch in gate.watches for name in watch.needs)
        self.measures = needed(view, names)
        self.kept = frozenset(measure.name for measure in self.measures if not measure.needs)
        by_name = {measure.name: measure for measure in self.measures}
        self._watches = [(watch, by_name[watch.measure]) for watch in gate.watches]

    def lacking(self, view: View) -> str | None:
        """What is needed and a view does not have; None: it has all."""
        missing = [name for name in self._key if name not in view.dimensions]
        missing += sorted(self.kept - {measure.name for measure in view.measures})
        return (
            f"the former definition of {view.name}, which answers, has no {missing[0]}" if missing else None
        )

    def rows(self, kept: Mapping[str, Column], as_of_us: int) -> list[Row]:
        """Of columns of what is kept of each measure."""
        columns = finish_all(self.measures, kept, as_of_us)
        return [
            self._row(dict(zip(columns, values, strict=True)))
            for values in zip(*columns.values(), strict=True)
        ]

    def _row(self, seen: Seen) -> Row:
        return Row(tuple(_figure(watch, measure, seen) for watch, measure in self._watches), seen)


def _figure(watch: Watch, measure: Measure, seen: Seen) -> Figure | None:
    value = seen[watch.measure]
    enough = max((_sum(seen, names) for names in watch.enough), default=None)
    of = sides(measure)
    if of is not None:
        part, whole = ([seen[name] for name in names] for names in of)
        if None in part or None in whole:
            return None
        return Figure(_whole(part), _whole(whole), value, enough)
    if value is None:
        return Figure(0, 1, None, enough) if watch.worse is Worse.ABOVE else None
    return Figure(*_fraction(value), value, enough)


def _fraction(value: float) -> tuple[int, int]:
    exact = Fraction(value)
    return exact.numerator, exact.denominator


def _sum(seen: Seen, names: Sequence[str]) -> int:
    return int(sum(seen[name] or 0 for name in names))


def _whole(numbers: Sequence[Number]) -> int:
    return sum(int(number or 0) for number in numbers)


class AnswerReader:
    """Reads a gate's figures as the view's answer has them, of any kind of view."""

    evaluate_seconds = 1.0

    def __init__(self, gate: Gate, view: View, window_hours: int) -> None:
        self._gate = gate
        self._judged = Judged(gate, view)
        self._window = f"{window_hours}h"
        self._keys: set[Key] = set()

    def read(self, reader: ReaderState, situation: Situation) -> Reading:
        """The figures as of now."""
        gate = self._gate
        state = reader.views[gate.view]
        stale = gate_staleness(reader, state.view, situation)
        lacking = self._judged.lacking(state.view)
        if lacking is not None or not situation.feed_read:
            return Reading(None, NOTHING, 0, 0, stale or lacking)
        view = state.view
        query = _query(gate, view, self._window)
        as_of_us, end_us = resolve_as_of(reader, query.as_of, situation)
        table, first, end = Table([], {name: [] for name in view.nothing()}), 0, 0
        if state.panes is not None:
            first, end = window_of(reader, query, end_us)
            table = windowed(state, query, first, end, None)
        if state.entities is not None:
            table = with_entities(table, state, query, as_of_us, None)
        if state.experiments is not None:
            table = of_experiments(view, experiment_rows(state.experiments, query, reader.newest_us()))
        rows: dict[Key, Row] = {}
        places = [query.group_by.index(name) for name in gate.key]
        for (_, group), row in zip(table.keys, self._judged.rows(table.kept, as_of_us), strict=True):
            rows.setdefault(key_of(group, places), row)
        self._keys = set(rows)
        return Reading(rows, NOTHING, first, end, stale)

    def kept(self, reader: ReaderState) -> set[Key]:  # noqa: ARG002
        """Those that the last reading had."""
        return self._keys


NOTHING = Row((), {})
"""Of a gate whose group the view's answer does not have: it holds."""


def _query(gate: Gate, view: View, window: str) -> ViewQuery:
    """All of the view by the gate's key; an experiment view by all its dimensions, as it has to be."""
    grouped = [] if view.kind == "experiment" else [("group_by", ",".join(gate.key))]
    over = [("window", window)] if view.kind == "windowed" else []
    return parse_view_query(view, [*grouped, *over])


def key_of(group: Group, places: Sequence[int]) -> Key:
    """The key of a view's group."""
    return tuple(None if group[at] is None else str(group[at]) for at in places)


def gate_staleness(reader: ReaderState, view: View, situation: Situation) -> str | None:
    """Why the gates of a view must be stale, in words that name a source partition; None if they need not
    be."""
    if not situation.feed_read:
        return "the feed has not been read to its end"
    if not situation.topics or not all(situation.topics.values()):
        return "it is not known how many partitions the raw topics have"
    stale = stale_sources(reader, view, situation) or tripped_sources(reader, situation)
    if not stale:
        return None
    (topic, number), why = stale[0]
    more = f" (and {len(stale) - 1} more)" if len(stale) > 1 else ""
    return f"{topic}-{number}{more}: {why}"
