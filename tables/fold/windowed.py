"""The fold of events into windowed views.

Every windowed measure is a linear sum over events. So the hot loop only adds each event to one cell, named
by its minute and by those of its fields that any view looks at; the cells are added to the views' panes
when a checkpoint is due. What to look at is compiled from the declarations once.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from operator import attrgetter, itemgetter
from typing import Any

import msgspec
import numpy as np
import numpy.typing as npt

from tables.codec import Group
from tables.fold.panes import PaneStore
from tables.spec.views import CITY, Term, Value, Windowed

Dims = Any
"""The looked-at fields of an event: a tuple, or the bare value if it is one."""


@dataclass(slots=True)
class _Output:
    """Where cells go: sums of one view, if they have these values at these places of their dims.

    `pick`: dims to group; None where they are the same.
    """

    store: PaneStore
    where: tuple[tuple[int, Value], ...]
    pick: Callable[[Group], Group] | None
    counts: list[int] = field(default_factory=list)
    amounts: list[int] = field(default_factory=list)


class _Counted:
    """Cells of an event that is only counted: minute → dims → count."""

    def __init__(self) -> None:
        self.outputs: list[_Output] = []
        self.cells: defaultdict[int, Counter[Dims]] = defaultdict(Counter)

    def add_minute(self, minute: int, dims: Iterable[Dims], _events: Sequence[Any]) -> None:
        self.cells[minute].update(dims)

    def add(self, minutes: Iterable[int], dims: Iterable[Dims], _events: Sequence[Any]) -> None:
        cells = self.cells
        for minute, key in zip(minutes, dims, strict=True):
            cells[minute][key] += 1

    def totals(self, minute: int) -> Iterable[tuple[Dims, int, int]]:
        """(dims, count, 0) of every cell of a minute."""
        return ((dims, count, 0) for dims, count in self.cells[minute].items())


class _Summed:
    """Cells of an event with an amount: minute → dims → [count, sum]."""

    def __init__(self, amount: str) -> None:
        self.outputs: list[_Output] = []
        self.cells: defaultdict[int, dict[Dims, list[int]]] = defaultdict(dict)
        self._amount_of = attrgetter(f"payload.{amount}")

    def add_minute(self, minute: int, dims: Iterable[Dims], events: Sequence[Any]) -> None:
        cells = self.cells[minute]
        find = cells.get
        for key, amount in zip(dims, map(self._amount_of, events), strict=True):
            cell = find(key)
            if cell is None:
                cells[key] = [1, amount]
            else:
                cell[0] += 1
                cell[1] += amount

    def add(self, minutes: Iterable[int], dims: Iterable[Dims], events: Sequence[Any]) -> None:
        cells = self.cells
        for minute, key, amount in zip(minutes, dims, map(self._amount_of, events), strict=True):
            cell = cells[minute].get(key)
            if cell is None:
                cells[minute][key] = [1, amount]
            else:
                cell[0] += 1
                cell[1] += amount

    def totals(self, minute: int) -> Iterable[tuple[Dims, int, int]]:
        """(dims, count, sum) of every cell of a minute."""
        return ((dims, count, total) for dims, (count, total) in self.cells[minute].items())


class EventFold:
    """All that the windowed views make of one event."""

    def __init__(self, event: str, looked_at: Sequence[str]) -> None:
        self.event = event
        self._fields = tuple(looked_at)
        self._dims_of = attrgetter(*(name if name == CITY else f"payload.{name}" for name in looked_at))
        self._cells: dict[str | None, _Counted | _Summed] = {}

    def add_minute(self, minute: int, events: Sequence[Any]) -> None:
        """Add events of this kind that all occurred in one minute (since the epoch): so do most batches."""
        for cells in self._cells.values():
            cells.add_minute(minute, map(self._dims_of, events), events)

    def add(self, minutes: Sequence[int], events: Sequence[Any]) -> None:
        """Add events of this kind, each with its own minute."""
        for cells in self._cells.values():
            cells.add(minutes, map(self._dims_of, events), events)

    def feeds(self, view: Windowed, store: PaneStore, sum_number: int, term: Term) -> None:
        """Have this event add to a sum of a view."""
        cells = self._cells.get(term.add)
        if cells is None:
            if term.add is None:
                # A count comes along with any sum.
                cells = next(iter(self._cells.values()), None) or _Counted()
            else:
                cells = _Summed(term.add)
                counted = self._cells.pop(None, None)
                cells.outputs += counted.outputs if counted else []
            if term.add is not None or not self._cells:
                self._cells[term.add] = cells
        where = tuple((self._fields.index(name), value) for name, value in term.where)
        for output in cells.outputs:
            if output.store is store and output.where == where:
                break
        else:
            output = _Output(store, where, self._picker(view.key))
            cells.outputs.append(output)
        (output.counts if term.add is None else output.amounts).append(sum_number)

    def project(self) -> None:
        """Add all cells to the panes of their views, and begin anew."""
        for cells in self._cells.values():
            for minute in cells.cells:
                for output in cells.outputs:
                    self._project(output, minute, cells.totals(minute))
            cells.cells.clear()

    def _project(self, output: _Output, minute: int, totals: Iterable[tuple[Dims, int, int]]) -> None:
        where, pick, counts, amounts = output.where, output.pick, output.counts, output.amounts
        single = len(self._fields) == 1
        row_of = output.store.hot(minute).row
        for dims, count, total in totals:
            values = (dims,) if single else dims
            for place, value in where:
                if values[place] != value:
                    break
            else:
                row = row_of(pick(values) if pick else values)
                for number in counts:
                    row[number] += count
                for number in amounts:
                    row[number] += total

    def _picker(self, key: tuple[str, ...]) -> Callable[[Group], Group] | None:
        if key == self._fields:
            return None
        places = [self._fields.index(name) for name in key]
        if len(places) == 1:
            (place,) = places
            return lambda values: (values[place],)
        return itemgetter(*places)


def without(items: Sequence[Any], places: Sequence[int]) -> list[Any]:
    """The items that are not at these places, which ascend and are few."""
    left = list(items)
    for place in reversed(places):
        del left[place]
    return left


class WindowedFold:
    """All events' folds into all windowed views, given with their panes.

    Raises ValueError for a declaration that names an unknown event or field.
    """

    def __init__(self, views: Mapping[Windowed, PaneStore], event_types: Mapping[str, type[Any]]) -> None:
        self._folds = compile_folds(views, event_types)
        self._names = {known: name for name, known in event_types.items()}
        # A batch's events by class, and those of another minute than most: lists that are kept and emptied.
        self._events: dict[type[Any], list[Any]] = {known: [] for known in self._names}
        self._others: dict[type[Any], list[Any]] = {known: [] for known in self._names}
        self._minutes: dict[type[Any], list[int]] = {known: [] for known in self._names}
        self._add_event = {known: events.append for known, events in self._events.items()}

    def add(self, events: Sequence[Any], minutes: npt.NDArray[np.int64]) -> dict[str, int]:
        """Add one event or more, with the minutes they occurred in; answers how many of each name."""
        usual = int(minutes[len(minutes) // 2])
        others = np.flatnonzero(minutes != usual).tolist()
        if others:
            for place, minute in zip(others, minutes[others].tolist(), strict=True):
                event = events[place]
                self._others[event.__class__].append(event)
                self._minutes[event.__class__].append(minute)
            events = without(events, others)
        add_event = self._add_event
        for event in events:
            add_event[event.__class__](event)
        return {name: count for known, name in self._names.items() if (count := self._fold(known, usual))}

    def _fold(self, known: type[Any], usual: int) -> int:
        """Fold what was sorted out of one class; answers how much that was."""
        events, others, minutes = self._events[known], self._others[known], self._minutes[known]
        count = len(events) + len(others)
        fold = self._folds.get(known)
        if events and fold is not None:
            fold.add_minute(usual, events)
        events.clear()
        if others:
            if fold is not None:
                fold.add(minutes, others)
            others.clear()
            minutes.clear()
        return count

    def project(self) -> None:
        """Add what was folded since the last call to the panes."""
        for fold in self._folds.values():
            fold.project()


def payload_fields(event_class: type[msgspec.Struct]) -> dict[str, Any]:
    """The fields of an event's payload and their types."""
    (payload,) = (found.type for found in msgspec.structs.fields(event_class) if found.name == "payload")
    return {found.name: found.type for found in msgspec.structs.fields(payload)}


def compile_folds(
    views: Mapping[Windowed, PaneStore], event_types: Mapping[str, type[Any]]
) -> dict[type[Any], EventFold]:
    """Event class → its fold. Raises ValueError."""
    terms = [
        (view, store, number, term)
        for view, store in views.items()
        for number, total in enumerate(view.sums)
        for term in total.terms
    ]
    folds: dict[type[Any], EventFold] = {}
    for event in dict.fromkeys(term.event for _, _, _, term in terms):
        if event not in event_types:
            names = ", ".join(view.name for view in views if event in view.events)
            raise ValueError(f"view {names}: there is no event {event} in the catalogue")
        mine = [found for found in terms if found[3].event == event]
        looked_at = dict.fromkeys(name for view, _, _, _ in mine for name in view.key)
        looked_at |= dict.fromkeys(name for _, _, _, term in mine for name, _ in term.where)
        known = {CITY, *payload_fields(event_types[event])}
        for view, _, _, term in mine:
            missing = {
                *view.key,
                *(name for name, _ in term.where),
                *([term.add] if term.add else []),
            } - known
            if missing:
                raise ValueError(f"view {view.name}: event {event} has no field {', '.join(sorted(missing))}")
        fold = folds[event_types[event]] = EventFold(event, tuple(looked_at))
        for view, store, number, term in mine:
            fold.feeds(view, store, number, term)
    return folds
