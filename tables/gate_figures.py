"""What the recon gates are evaluated from: sums of ops_recon_variance over a window, and what is stale."""

from __future__ import annotations

from typing import NamedTuple

from tables.gate_rule import Figures
from tables.pane_sums import join
from tables.reader import ReaderState, ViewState
from tables.spec import Sum
from tables.status import Situation, resolve_as_of, stale_sources

MINUTE_US = 60_000_000
HOUR_MINUTES = 60
EVER = 1 << 40
"""Epoch minutes beyond any pane."""

VIEW = "ops_recon_variance"

Pair = tuple[str | None, str]
"""City and currency."""


class Window(NamedTuple):
    """How far back is compared, in hours; charges, refunds and fees are taken `settlement_hours` earlier than
    payouts.
    """

    hours: int
    settlement_hours: int


class Reading(NamedTuple):
    """What one evaluation sees.

    `figures`: pairs that have something in the window, None while the feed has not been read. `first`, `end`:
    epoch minutes of the payouts' window. `stale`: why nothing of this can be trusted, None if it can.
    """

    figures: dict[Pair, Figures] | None
    first: int
    end: int
    stale: str | None


class ReconReader:
    """Reads the gates' figures from a feed's state; sums that have not changed are not added up again."""

    def __init__(self, window: Window) -> None:
        self._window = window
        self._key: tuple[object, ...] | None = None
        self._figures: dict[Pair, Figures] = {}

    def read(self, reader: ReaderState, situation: Situation) -> Reading:
        """The figures as of now: the clock's, or the newest event's (`situation.clock`)."""
        stale = why_stale(reader, situation)
        if not situation.feed_read:
            return Reading(None, 0, 0, stale)
        state = reader.views[VIEW]
        _, end_us = resolve_as_of(reader, "now", situation)
        end = -(-end_us // MINUTE_US)
        first = -((self._window.hours * HOUR_MINUTES * MINUTE_US - end_us) // MINUTE_US)
        first, end = _widened(reader, state, first, end)
        shift = self._window.settlement_hours * HOUR_MINUTES
        shifted = _widened(reader, state, first - shift, end - shift)
        key = (state, state.version, first, end, shifted)
        if key != self._key:
            self._figures = _figures(state, (first, end), shifted)
            self._key = key
        return Reading(self._figures, first, end, stale)


def _widened(reader: ReaderState, state: ViewState, first: int, end: int) -> tuple[int, int]:
    """Ends that lie among hour panes, moved out to whole hours, as an answer of the view does it."""
    assert state.panes is not None
    rolled_until = reader.rolled_until(state.panes)
    if rolled_until is None or first >= rolled_until:
        return first, end
    first = first // HOUR_MINUTES * HOUR_MINUTES
    return first, -(-end // HOUR_MINUTES) * HOUR_MINUTES if end < rolled_until else end


def _figures(state: ViewState, payouts: tuple[int, int], others: tuple[int, int]) -> dict[Pair, Figures]:
    names = [measure.name for measure in state.view.measures if isinstance(measure, Sum)]
    charge, payout = names.index("charges_minor"), names.index("payouts_minor")
    refund, fee = names.index("refunds_minor"), names.index("fees_minor")
    paid = _sums(state, *payouts)
    rest = paid if others == payouts else _sums(state, *others)
    nothing = [0] * len(names)
    found = {}
    for pair in {**paid, **rest}:
        row = rest.get(pair, nothing)
        found[pair] = Figures(row[charge], paid.get(pair, nothing)[payout] + row[refund] + row[fee])
    return found


def _sums(state: ViewState, first: int, end: int) -> dict[Pair, list[int]]:
    """Exact sums by pair, in the order in which the view declares them."""
    panes = state.panes
    assert panes is not None
    part = panes.total(first, end)
    groups = panes.groups.groups
    return {
        _pair(groups[number]): sums for number, sums in zip(part.keys.tolist(), join(part.limbs), strict=True)
    }


def _pair(group: tuple[object, ...]) -> Pair:
    city, currency = group
    assert city is None or isinstance(city, str)
    assert isinstance(currency, str)
    return city, currency


def pairs_kept(reader: ReaderState) -> set[Pair]:
    """Every pair that some pane has, however old."""
    return set(_sums(reader.views[VIEW], -EVER, EVER))


def why_stale(reader: ReaderState, situation: Situation) -> str | None:
    """Why the gates must be stale, in words that name a source partition; None if they need not be."""
    if not situation.feed_read:
        return "the feed has not been read to its end"
    if not situation.topics or not all(situation.topics.values()):
        return "it is not known how many partitions the raw topics have"
    stale = stale_sources(reader, reader.views[VIEW].view, situation)
    if not stale:
        return None
    (topic, number), why = stale[0]
    more = f" (and {len(stale) - 1} more)" if len(stale) > 1 else ""
    return f"{topic}-{number}{more}: {why}"
