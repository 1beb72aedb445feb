"""Cells: what events of one kind add up to by minute and fields, until a checkpoint puts it into panes."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

from tables.codec import Group
from tables.fold.panes import PaneStore
from tables.fold.readers import local
from tables.sketches.kind import State
from tables.spec.fields import Value

Dims = tuple[Any, ...]
"""The looked-at fields of an event."""
CellKey = tuple[Any, ...]
"""The minute, since the epoch, and the dims."""


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


class Cells(ABC):
    """Cells of one event: what is added to one of them for each event, as lines of Python.

    The lines know the fields that are kept of the event, and `key`, its cell's; `names` are theirs besides.
    Each name ends with a `suffix` of these cells' own.
    """

    field = ""
    """The payload's field that is added, if one is."""

    def __init__(self) -> None:
        self.outputs: list[Output] = []

    @abstractmethod
    def lines(self, suffix: str) -> list[str]:
        """What adds an event."""

    @abstractmethod
    def names(self, suffix: str) -> dict[str, Any]:
        """The objects that the lines name."""

    @abstractmethod
    def totals(self) -> Iterator[tuple[int, Dims, int, int]]:
        """(minute, dims, count, and the sum or item) of every cell."""

    @abstractmethod
    def clear(self) -> None:
        """Begin anew."""


class Counted(Cells):
    """Cells of an event that is only counted."""

    def __init__(self) -> None:
        super().__init__()
        self._counts: defaultdict[CellKey, int] = defaultdict(int)

    def lines(self, suffix: str) -> list[str]:  # noqa: D102 - as all
        return [f"counts{suffix}[key] += 1"]

    def names(self, suffix: str) -> dict[str, Any]:  # noqa: D102
        return {f"counts{suffix}": self._counts}

    def totals(self) -> Iterator[tuple[int, Dims, int, int]]:  # noqa: D102
        return ((key[0], key[1:], count, 0) for key, count in self._counts.items())

    def clear(self) -> None:  # noqa: D102
        self._counts.clear()


class Summed(Cells):
    """Cells of an event with an amount."""

    def __init__(self, amount: str) -> None:
        super().__init__()
        self.field = amount
        self._cells: dict[CellKey, list[int]] = {}

    def lines(self, suffix: str) -> list[str]:  # noqa: D102
        return [
            f"cell = find{suffix}(key)",
            "if cell is None:",
            f"    cells{suffix}[key] = [1, {local(self.field)}]",
            "else:",
            "    cell[0] += 1",
            f"    cell[1] += {local(self.field)}",
        ]

    def names(self, suffix: str) -> dict[str, Any]:  # noqa: D102
        return {f"cells{suffix}": self._cells, f"find{suffix}": self._cells.get}

    def totals(self) -> Iterator[tuple[int, Dims, int, int]]:  # noqa: D102
        return ((key[0], key[1:], count, total) for key, (count, total) in self._cells.items())

    def clear(self) -> None:  # noqa: D102
        self._cells.clear()


class Sketched(Cells):
    """Cells of an event whose field is sketched: one for each item, too."""

    def __init__(self, name: str, item_of: Callable[[Any], int | None]) -> None:
        super().__init__()
        self.field = name
        self._item_of = item_of
        self._counts: defaultdict[tuple[CellKey, int | None], int] = defaultdict(int)

    def lines(self, suffix: str) -> list[str]:  # noqa: D102
        return [f"items{suffix}[key, item_of{suffix}({local(self.field)})] += 1"]

    def names(self, suffix: str) -> dict[str, Any]:  # noqa: D102
        return {f"items{suffix}": self._counts, f"item_of{suffix}": self._item_of}

    def totals(self) -> Iterator[tuple[int, Dims, int, int]]:  # noqa: D102
        found = self._counts.items()
        return ((key[0], key[1:], count, item) for (key, item), count in found if item is not None)

    def clear(self) -> None:  # noqa: D102
        self._counts.clear()
