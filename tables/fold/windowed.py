"""The fold of events into windowed views.

Everything that is kept merges. So the hot loop only adds each event to one cell, named by its minute and by
those of its fields that any view looks at (and to one more for a sketch); the cells are added to the views'
panes when a checkpoint is due. What to look at is compiled from the declarations once.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from operator import attrgetter, itemgetter
from typing import Any

import numpy as np
import numpy.typing as npt

from tables.codec import Group
from tables.fold.cells import Cells, Counted, Dims, Output, Sketched, Summed
from tables.fold.panes import PaneStore
from tables.spec.fields import CITY, Event, EventTypes
from tables.spec.windowed import Sketch, Term, Windowed
from tables.times import HOUR_US


class EventFold:
    """All that the windowed views make of one event."""

    def __init__(self, looked_at: Sequence[str]) -> None:
        self._fields = tuple(looked_at)
        self._dims_of = attrgetter(*(name if name == CITY else f"payload.{name}" for name in looked_at))
        self._cells: dict[Any, Cells] = {}

    def add_minute(self, minute: int, events: Sequence[Event]) -> None:
        """Add events of this kind that all occurred in one minute (since the epoch): so do most batches."""
        for cells in self._cells.values():
            cells.add_minute(minute, map(self._dims_of, events), events)

    def add(self, minutes: Sequence[int], events: Sequence[Event]) -> None:
        """Add events of this kind, each with its own minute."""
        for cells in self._cells.values():
            cells.add(minutes, map(self._dims_of, events), events)

    def feeds(self, view: Windowed, store: PaneStore, place: int, term: Term) -> None:
        """Have this event add to what a view keeps at a place of its rows."""
        kept = view.kept[place]
        cells = self._sketched(kept, term) if isinstance(kept, Sketch) else self._summed(term.field)
        where = tuple((self._fields.index(name), value) for name, value in term.where)
        for output in cells.outputs:
            if output.store is store and output.where == where:
                break
        else:
            output = Output(store, where, self._picker(view.key))
            cells.outputs.append(output)
        if isinstance(kept, Sketch):
            output.sketches.append((place, kept.kind.add))
        else:
            (output.counts if term.field is None else output.amounts).append(place)

    def _summed(self, name: str | None) -> Cells:
        cells = self._cells.get(name)
        if cells is not None:
            return cells
        if name is None:
            # Any sum comes with a count.
            sums = (cells for key, cells in self._cells.items() if isinstance(key, str))
            return next(sums, None) or self._cells.setdefault(None, Counted())
        cells = self._cells[name] = Summed(name)
        counted = self._cells.pop(None, None)
        cells.outputs += counted.outputs if counted else []
        return cells

    def _sketched(self, sketch: Sketch, term: Term) -> Cells:
        assert term.field is not None
        key = (sketch.kind, term.field)
        if key not in self._cells:
            self._cells[key] = Sketched(term.field, sketch.kind.item_of)
        return self._cells[key]

    def project(self) -> None:
        """Add all cells to the panes of their views, and begin anew."""
        for cells in self._cells.values():
            for minute in cells.cells:
                for output in cells.outputs:
                    self._project(output, minute, cells.totals(minute))
            cells.cells.clear()

    def _project(self, output: Output, minute: int, totals: Iterable[tuple[Dims, int, int]]) -> None:
        where, pick, counts, amounts = output.where, output.pick, output.counts, output.amounts
        single = len(self._fields) == 1
        row_of = output.store.hot(minute).row
        for dims, count, total in totals:
            values = (dims,) if single else dims
            for at, value in where:
                if values[at] != value:
                    break
            else:
                row = row_of(pick(values) if pick else values)
                for place in counts:
                    row[place] += count
                for place in amounts:
                    row[place] += total
                for place, add in output.sketches:
                    add(row[place], total, count)

    def _picker(self, key: tuple[str, ...]) -> Callable[[Group], Group] | None:
        if key == self._fields:
            return None
        places = [self._fields.index(name) for name in key]
        return itemgetter(*places) if len(places) > 1 else lambda values: (values[places[0]],)


def late_places(
    times: npt.NDArray[np.float64], watermark: float, newest: float, pane_hours: int
) -> list[int]:
    """Places of the late ones among `times` (s, in the order of their offsets; docs/contract.md §3): those
    older than all panes that the partition keeps.

    `watermark`: the partition's before them, -inf at first; `newest`: that after them. Each time is judged by
    what the watermark has become until then, so that no batching changes the verdict.
    """
    late: list[int] = []
    if times.min() >= newest - pane_hours * 3600 + 1e-3:  # a float, where what follows counts in whole µs
        return late
    for place, time in enumerate(times.tolist()):
        if time > watermark:
            watermark = time
        elif round(time * 1e6) < round(watermark * 1e6) - pane_hours * HOUR_US:
            late.append(place)
    return late


def without(items: Sequence[Any], places: Sequence[int]) -> list[Any]:
    """The items that are not at these places, which ascend and are few."""
    left = list(items)
    for place in reversed(places):
        del left[place]
    return left


class WindowedFold:
    """All events' folds into all windowed views, given with their panes."""

    def __init__(self, views: Mapping[Windowed, PaneStore], event_types: EventTypes) -> None:
        self._folds = compile_folds(views, event_types)
        self._names = {known: name for name, known in event_types.items()}
        # A batch's events by class, and those of another minute than most: lists that are kept and emptied.
        self._events: dict[type[Any], list[Event]] = {known: [] for known in self._names}
        self._others: dict[type[Any], list[Event]] = {known: [] for known in self._names}
        self._minutes: dict[type[Any], list[int]] = {known: [] for known in self._names}
        self._add_event = {known: events.append for known, events in self._events.items()}

    def add(self, events: Sequence[Event], minutes: npt.NDArray[np.int64]) -> dict[str, int]:
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


def compile_folds(views: Mapping[Windowed, PaneStore], event_types: EventTypes) -> dict[type[Any], EventFold]:
    """Event class → its fold."""
    terms = [
        (view, store, place, term)
        for view, store in views.items()
        for place, kept in enumerate(view.kept)
        for term in kept.terms
    ]
    folds: dict[type[Any], EventFold] = {}
    for event in dict.fromkeys(term.event for _, _, _, term in terms):
        mine = [found for found in terms if found[3].event == event]
        looked_at = dict.fromkeys(name for view, _, _, _ in mine for name in view.key)
        looked_at |= dict.fromkeys(name for _, _, _, term in mine for name, _ in term.where)
        fold = folds[event_types[event]] = EventFold(tuple(looked_at))
        for view, store, place, term in mine:
            fold.feeds(view, store, place, term)
    return folds
