"""The fold of events into windowed views.

Everything that is kept merges. So the hot loop only adds each event to one cell, named by its minute and by
those of its fields that any view looks at (and to one more for a sketch); the cells are added to the views'
panes when a checkpoint is due. What to do with an event is compiled from the declarations once.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from operator import itemgetter
from typing import Any

from tables.codec import Group
from tables.fold.cells import Cells, Counted, Dims, Output, Sketched, Summed
from tables.fold.panes import PaneStore
from tables.fold.readers import compiled, local, tuple_of
from tables.spec.fields import EventTypes
from tables.spec.windowed import Sketch, Term, Windowed

Add = Callable[[tuple[Any, ...], int], None]
"""Adds what is kept of an event, and the minute it occurred in (since the epoch), to its cells."""


class EventFold:
    """All that the windowed views make of one event."""

    def __init__(self, looked_at: Sequence[str]) -> None:
        self._fields = tuple(looked_at)
        self._cells: dict[Any, Cells] = {}

    @property
    def kept(self) -> list[str]:
        """The fields that are kept of the event, in the order in which `add` takes them."""
        added = [cells.field for cells in self._cells.values() if cells.field]
        return list(dict.fromkeys([*self._fields, *added]))

    def compiled(self, more: bool) -> Add:
        """What adds an event, given a tuple of what is kept of it; with `more` that has further values."""
        kept = [*map(local, self.kept), *(["*_"] if more else [])]
        lines = [f"{', '.join(kept)}, = kept", f"key = {tuple_of(['minute', *map(local, self._fields)])}"]
        names: dict[str, Any] = {}
        for number, cells in enumerate(self._cells.values()):
            lines += cells.lines(f"_{number}")
            names |= cells.names(f"_{number}")
        return compiled("add", "kept, minute", lines, names)

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
            for output in cells.outputs:
                self._project(output, cells.totals())
            cells.clear()

    def _project(self, output: Output, totals: Iterable[tuple[int, Dims, int, int]]) -> None:
        where, pick, counts, amounts = output.where, output.pick, output.counts, output.amounts
        hot = output.store.hot
        for minute, values, count, total in totals:
            for at, value in where:
                if values[at] != value:
                    break
            else:
                row = hot(minute).row(pick(values) if pick else values, count)
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


class WindowedFold:
    """All events' folds into all windowed views, given with their panes; by class in `folds`."""

    def __init__(self, views: Mapping[Windowed, PaneStore], event_types: EventTypes) -> None:
        self.folds = compile_folds(views, event_types)

    def project(self) -> None:
        """Add what was folded since the last call to the panes."""
        for fold in self.folds.values():
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
