"""Figures of a windowed view by all its dimensions, kept from one evaluation to the next: what has not
changed is not added up again, so that they can be had ten times a second."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from tables.gates.figures import NOTHING, Judged, Key, Reading, Row, gate_staleness, key_of
from tables.read.definitions import ViewState
from tables.read.pane_sums import PaneSums, Part, join
from tables.read.sketch_entries import Ints
from tables.read.state import ReaderState
from tables.read.status import Situation, resolve_as_of
from tables.spec.gate import Gate
from tables.spec.view import View
from tables.spec.windowed import Windowed
from tables.times import HOUR_MINUTES, MINUTE_US, whole_hours

EVER = 1 << 40
"""Epoch minutes beyond any pane."""

Settlement = Callable[[Key], int]
"""A gate's key → how many hours its settled measures come before the others."""


class Window(NamedTuple):
    """How far back is looked, in hours; `settlement`: how much further for the settled measures."""

    hours: int
    settlement: Settlement


class RunningSums:
    """Exact sums by group over a window that moves on: only what has come, gone or changed is added up."""

    def __init__(self, panes: PaneSums) -> None:
        self._panes = panes
        self._parts: dict[int, Part] = {}
        self._limbs = np.zeros((0, panes.width), np.int64)

    def over(self, first: int, end: int) -> Ints:
        """The limbs (tables/read/pane_sums.py) of every group's sums over the epoch minutes [first, end)."""
        now = self._panes.parts(first, end)
        new = len(self._panes.groups) - len(self._limbs)  # after decoding, which may have found new groups
        if new:
            self._limbs = np.concatenate((self._limbs, np.zeros((new, self._panes.width), np.int64)))
        for at, part in self._parts.items():
            if now.get(at) is not part:
                self._limbs[part.keys] -= part.limbs
        for at, part in now.items():
            if self._parts.get(at) is not part:
                self._limbs[part.keys] += part.limbs
        self._parts = now
        return self._limbs


def adds_up(gate: Gate, view: View) -> bool:
    """Whether a gate's figures can be kept so: sums alone, by all dimensions of the view."""
    return (
        isinstance(view, Windowed)
        and view.tracks is None
        and not view.sketches
        and view.key == gate.key == view.dimensions
    )


class SumsReader:
    """Reads a gate's figures from a feed's state."""

    evaluate_seconds = 0.1

    def __init__(self, gate: Gate, view: View, window: Window) -> None:
        self._gate = gate
        self._judged = Judged(gate, view)
        self._window = window
        self._state: ViewState | None = None
        self._version: tuple[object, ...] | None = None
        self._rows: dict[Key, Row] = {}
        self._nothing = NOTHING
        self._sums: dict[int, RunningSums] = {}

    def read(self, reader: ReaderState, situation: Situation) -> Reading:
        """The figures as of now: the clock's, or the newest event's (`situation.clock`)."""
        state = reader.views[self._gate.view]
        stale = gate_staleness(reader, state.view, situation)
        lacking = self._lacking(state.view)
        if lacking is not None or not situation.feed_read:
            return Reading(None, NOTHING, 0, 0, stale or lacking)
        as_of_us, end_us = resolve_as_of(reader, "now", situation)
        end = -(-end_us // MINUTE_US)
        first = -((self._window.hours * HOUR_MINUTES * MINUTE_US - end_us) // MINUTE_US)
        rolled_until = reader.rolled_until()
        window = whole_hours(first, end, rolled_until)
        if state is not self._state:  # the feed is read anew
            self._state, self._version, self._sums = state, None, {}
        version = (state.version, window)
        if version != self._version:
            self._add_up(state, (first, end), rolled_until, as_of_us)
            self._version = version
        return Reading(self._rows, self._nothing, *window, stale)

    def kept(self, reader: ReaderState) -> set[Key]:
        """Every key that some pane has, however old."""
        state = reader.views[self._gate.view]
        if state.panes is None or self._lacking(state.view):
            return set()
        groups = state.panes.groups.groups
        places = range(len(self._gate.key))
        return {key_of(groups[number], places) for number in state.panes.total(-EVER, EVER).keys.tolist()}

    def _add_up(
        self, state: ViewState, window: tuple[int, int], rolled_until: int | None, as_of_us: int
    ) -> None:
        view, panes = state.view, state.panes
        assert isinstance(view, Windowed)
        assert panes is not None
        names = [total.name for total in view.sums]
        places = range(len(self._gate.key))
        sums: dict[int, list[list[int]]] = {}

        def over(hours: int) -> list[list[int]]:
            if hours not in sums:
                first, end = (minute - hours * HOUR_MINUTES for minute in window)
                running = self._sums.setdefault(hours, RunningSums(panes))
                sums[hours] = join(running.over(*whole_hours(first, end, rolled_until)))
            return sums[hours]

        settled = [name in self._gate.settled for name in names]
        late, keys, rows = over(0), list[Key](), list[list[int]]()
        for number, group in enumerate(panes.groups.groups):
            key = key_of(group, places)
            hours = self._window.settlement(key) if self._gate.settled else 0
            early = over(hours)
            row = [early[number][at] if settled[at] else late[number][at] for at in range(len(names))]
            if any(row):
                keys.append(key)
                rows.append(row)
        zero = [0] * len(names)
        kept = {name: [row[at] for row in (*rows, zero)] for at, name in enumerate(names)}
        *found, self._nothing = self._judged.rows(kept, as_of_us)
        self._rows = dict(zip(keys, found, strict=True))

    def _lacking(self, view: View) -> str | None:
        if adds_up(self._gate, view):
            return self._judged.lacking(view)
        by = " and ".join(self._gate.key)
        return f"the former definition of {view.name}, which answers, has no groups by {by} alone"
