"""What the recon gates are evaluated from: sums of ops_recon_variance over a window, and what is stale."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from tables.gates.rule import Figures
from tables.read.definitions import ViewState
from tables.read.pane_sums import PaneSums, Part, join
from tables.read.sketch_entries import Ints
from tables.read.state import ReaderState
from tables.read.status import Situation, resolve_as_of, stale_sources, tripped_sources
from tables.spec.view import View
from tables.spec.windowed import Windowed
from tables.times import HOUR_MINUTES, MINUTE_US, whole_hours

EVER = 1 << 40
"""Epoch minutes beyond any pane."""

VIEW = "ops_recon_variance"
SUMS = ("charges_minor", "payouts_minor", "refunds_minor", "fees_minor")
"""What is looked at of it, by city and currency."""

Pair = tuple[str | None, str]
"""City and currency."""


KEY = ("city", "currency")


class Window(NamedTuple):
    """How far back is compared, in hours; charges, refunds and fees are taken `settlement_hours` earlier than
    payouts.
    """

    hours: int
    settlement_hours: int


class Reading(NamedTuple):
    """What one evaluation sees.

    `figures`: pairs that have money in the window, None while the feed has not been read. `first`, `end`:
    epoch minutes of the payouts' window. `stale`: why nothing of this can be trusted, None if it can.
    """

    figures: dict[Pair, Figures] | None
    first: int
    end: int
    stale: str | None


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


class ReconReader:
    """Reads the gates' figures from a feed's state; what has not changed is not added up again."""

    def __init__(self, window: Window) -> None:
        self._window = window
        self._state: ViewState | None = None
        self._key: tuple[object, ...] | None = None
        self._figures: dict[Pair, Figures] = {}

    def read(self, reader: ReaderState, situation: Situation) -> Reading:
        """The figures as of now: the clock's, or the newest event's (`situation.clock`)."""
        stale = gate_staleness(reader, situation)
        if not situation.feed_read:
            return Reading(None, 0, 0, stale)
        state = reader.views[VIEW]
        lacking = _lacking(state.view)
        if lacking:
            return Reading(None, 0, 0, f"the former definition of {VIEW}, which answers, has no {lacking}")
        _, end_us = resolve_as_of(reader, "now", situation)
        end = -(-end_us // MINUTE_US)
        first = -((self._window.hours * HOUR_MINUTES * MINUTE_US - end_us) // MINUTE_US)
        assert state.panes is not None
        rolled_until = reader.rolled_until()
        first, end = whole_hours(first, end, rolled_until)
        shift = self._window.settlement_hours * HOUR_MINUTES
        shifted = whole_hours(first - shift, end - shift, rolled_until)
        if state is not self._state:  # the feed is read anew
            self._state, self._key = state, None
            self._paid, self._rest = RunningSums(state.panes), RunningSums(state.panes)
        key = (state.version, first, end, shifted)
        if key != self._key:
            self._figures = self._add_up(state, (first, end), shifted)
            self._key = key
        return Reading(self._figures, first, end, stale)

    def _add_up(
        self, state: ViewState, payouts: tuple[int, int], others: tuple[int, int]
    ) -> dict[Pair, Figures]:
        panes = state.panes
        assert panes is not None
        assert isinstance(state.view, Windowed)
        names = [total.name for total in state.view.sums]
        charge, payout, refund, fee = (names.index(name) for name in SUMS)
        paid = join(self._paid.over(*payouts))
        rest = paid if others == payouts else join(self._rest.over(*others))
        found = {}
        for group, of_payouts, of_others in zip(panes.groups.groups, paid, rest, strict=False):
            figures = Figures(of_others[charge], of_payouts[payout] + of_others[refund] + of_others[fee])
            if any(figures):
                found[_pair(group)] = figures
        return found


def _lacking(view: View) -> str | None:
    """What the gates need and a view does not have; None: it has all. This release's has; a former definition
    may not."""
    if not isinstance(view, Windowed):
        return "sums by time"
    if view.key != KEY:
        return f"groups by {' and '.join(KEY)} alone"
    names = {total.name for total in view.sums}
    return next((name for name in SUMS if name not in names), None)


def _pair(group: tuple[object, ...]) -> Pair:
    city, currency = group
    assert city is None or isinstance(city, str)
    assert isinstance(currency, str)
    return city, currency


def pairs_kept(reader: ReaderState) -> set[Pair]:
    """Every pair that some pane has, however old."""
    state = reader.views[VIEW]
    panes = state.panes
    if panes is None or _lacking(state.view):
        return set()
    return {_pair(panes.groups.groups[number]) for number in panes.total(-EVER, EVER).keys.tolist()}


def gate_staleness(reader: ReaderState, situation: Situation) -> str | None:
    """Why the gates must be stale, in words that name a source partition; None if they need not be."""
    if not situation.feed_read:
        return "the feed has not been read to its end"
    if not situation.topics or not all(situation.topics.values()):
        return "it is not known how many partitions the raw topics have"
    stale = stale_sources(reader, reader.views[VIEW].view, situation)
    stale = stale or tripped_sources(reader, situation)
    if not stale:
        return None
    (topic, number), why = stale[0]
    more = f" (and {len(stale) - 1} more)" if len(stale) > 1 else ""
    return f"{topic}-{number}{more}: {why}"
