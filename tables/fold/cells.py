"""Cells: what events of one kind add up to by minute and fields, until a checkpoint puts it into panes."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from operator import attrgetter
from typing import Any

from tables.codec import Group
from tables.fold.panes import PaneStore
from tables.sketches.kind import State
from tables.spec.fields import Event, Value

Dims = Any
"""The looked-at fields of an event: a tuple, or the bare value if it is one."""


@dataclass(slots=True)
class Output:
    """Where cells go: what one view keeps, if they have these values at these places of their dims.

    `pick`: dims to group; None where they are the same. `counts`, `amounts`, `sketches`: places in a row.
    """

    store: PaneStore
    where: tuple[tuple[int, Value], ...]
    pick: Callable[[Group], Group] | None
    counts: list[int] = field(default_factory=list)
    amounts: list[int] = field(default_factory=list)
    sketches: list[tuple[int, Callable[[State, int, int], None]]] = field(default_factory=list)


class Counted:
    """Cells of an event that is only counted: minute → dims → count."""

    def __init__(self) -> None:
        self.outputs: list[Output] = []
        self.cells: defaultdict[int, Counter[Dims]] = defaultdict(Counter)

    def add_minute(self, minute: int, dims: Iterable[Dims], events: Sequence[Event]) -> None:
        """Add events of one minute."""
        self.cells[minute].update(self._keys(dims, events))

    def add(self, minutes: Iterable[int], dims: Iterable[Dims], events: Sequence[Event]) -> None:
        """Add events, each with its own minute."""
        cells = self.cells
        for minute, key in zip(minutes, self._keys(dims, events), strict=True):
            cells[minute][key] += 1

    def _keys(self, dims: Iterable[Dims], _events: Sequence[Event]) -> Iterable[Any]:
        return dims

    def totals(self, minute: int) -> Iterable[tuple[Dims, int, int]]:
        """(dims, count, 0) of every cell of a minute."""
        return ((dims, count, 0) for dims, count in self.cells[minute].items())


class Summed:
    """Cells of an event with an amount: minute → dims → [count, sum]."""

    def __init__(self, amount: str) -> None:
        self.outputs: list[Output] = []
        self.cells: defaultdict[int, dict[Dims, list[int]]] = defaultdict(dict)
        self._amount_of = attrgetter(f"payload.{amount}")

    def add_minute(self, minute: int, dims: Iterable[Dims], events: Sequence[Event]) -> None:
        """Add events of one minute."""
        cells = self.cells[minute]
        find = cells.get
        for key, amount in zip(dims, map(self._amount_of, events), strict=True):
            cell = find(key)
            if cell is None:
                cells[key] = [1, amount]
            else:
                cell[0] += 1
                cell[1] += amount

    def add(self, minutes: Iterable[int], dims: Iterable[Dims], events: Sequence[Event]) -> None:
        """Add events, each with its own minute."""
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


class Sketched(Counted):
    """Cells of an event whose field is sketched: minute → (dims, item) → count."""

    def __init__(self, name: str, item_of: Callable[[Any], int | None]) -> None:
        super().__init__()
        self._value_of = attrgetter(f"payload.{name}")
        self._item_of = item_of

    def _keys(self, dims: Iterable[Dims], events: Sequence[Event]) -> Iterable[Any]:
        return zip(dims, map(self._item_of, map(self._value_of, events)), strict=True)

    def totals(self, minute: int) -> Iterable[tuple[Dims, int, int]]:
        """(dims, count, item) of every cell of a minute."""
        found = self.cells[minute].items()
        return ((dims, count, item) for (dims, item), count in found if item is not None)


Cells = Counted | Summed
