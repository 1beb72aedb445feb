"""What gates are evaluated from: windows, settlement, exact sums, and when their source is stale."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from schemas.times import format_time
from tables.definitions import declaration_key
from tables.gates.declared import RECON
from tables.gates.figures import Key, Reading
from tables.gates.running_sums import SumsReader, Window
from tables.query.params import parse_view_query
from tables.query.views import answer_view
from tables.read.state import FeedItem, ReaderState
from tables.spec.view import View
from tables.spec.windowed import Windowed
from tables.spec.written import encode_view
from tables.views import VIEWS
from tests.support.feed_records import (
    DEFINITIONS,
    TOPIC,
    checkpoint,
    heartbeat,
    partial,
    reader,
    situation,
)

VIEW = VIEWS["ops_recon_variance"]
LONDON: Key = ("london", "GBP")
DAY = Window(24, lambda _: 0)
HOUR = 60
NOON = 20_000 * 24 * HOUR + 12 * HOUR
"""An epoch minute."""


def pane(
    minute: int, charges: int = 0, payouts: int = 0, refunds: int = 0, fees: int = 0, **more: Any
) -> FeedItem:
    return partial(VIEW, "m", minute, [(LONDON, (charges, payouts, refunds, fees))], **more)


def state(*records: FeedItem, watermark: float = NOON * 60.0) -> ReaderState:
    return reader(*records, checkpoint(1, watermark), heartbeat((0, 1, 1, None)))


def read(given: ReaderState, window: Window = DAY, minute: float = NOON, **now: Any) -> Reading:
    return SumsReader(RECON, VIEW, window).read(given, situation(minute * 60.0, **now))


def amounts(found: Reading) -> dict[Key, tuple[int, int]]:
    """Charges, and payouts + refunds + fees."""
    assert found.rows is not None
    seen = {key: row.seen for key, row in found.rows.items()}
    return {
        key: (of["charges_minor"], of["charges_minor"] - of["variance_minor"])  # type: ignore[misc, operator]
        for key, of in seen.items()
    }


def keys_kept(given: ReaderState) -> set[Key]:
    return SumsReader(RECON, VIEW, DAY).kept(given)


def test_the_window_is_that_of_the_view() -> None:
    given = state(
        pane(NOON - 24 * HOUR - 1, charges=1), pane(NOON - 24 * HOUR, charges=10),
        pane(NOON - 1, payouts=100), pane(NOON, fees=1000), pane(NOON + 1, refunds=10_000),
    )  # fmt: skip
    for seconds, expected in ((0, (10, 100)), (1, (0, 1100)), (60, (0, 1100))):
        found = read(given, minute=NOON + seconds / 60)
        assert amounts(found) == {LONDON: expected}
        query = parse_view_query(VIEW, [("window", "24h")])
        answer = answer_view(given, VIEW, query, situation((NOON + seconds / 60) * 60.0))
        assert (answer["from"], answer["to"]) == tuple(
            format_time(at * 60_000_000) for at in (found.first, found.end)
        )
        assert answer["rows"][0]["variance_minor"] == expected[0] - expected[1]


def test_settlement_moves_charges_refunds_and_fees_before_the_payouts() -> None:
    early = pane(NOON - 27 * HOUR, charges=1, payouts=2, refunds=4, fees=8)
    late = pane(NOON - 1, charges=16, payouts=32, refunds=64, fees=128)
    given = state(early, late)
    assert amounts(read(given, Window(24, lambda _: 0))) == {LONDON: (16, 32 + 64 + 128)}
    found = read(given, Window(24, lambda _: 3))
    assert amounts(found) == {LONDON: (1, 32 + 4 + 8)}
    assert (found.first, found.end) == (NOON - 24 * HOUR, NOON), "the payouts' window"


def test_a_window_that_reaches_whole_hours_takes_them_whole() -> None:
    hour = NOON // HOUR - 50
    given = state(
        partial(VIEW, "h", hour, [(LONDON, (5, 0, 0, 0))]), pane(NOON - 1, payouts=7), watermark=NOON * 60.0
    )
    assert amounts(read(given, Window(50, lambda _: 0), minute=NOON + 1)) == {LONDON: (5, 7)}
    assert read(given, Window(50, lambda _: 0), minute=NOON + 1).first == hour * HOUR
    assert amounts(read(given, Window(49, lambda _: 0), minute=NOON + 1)) == {LONDON: (0, 7)}


def test_now_may_be_the_newest_event() -> None:
    given = state(
        pane(NOON - 24 * HOUR - 5, charges=1), pane(NOON - 1, charges=2), watermark=NOON * 60 - 30.0
    )
    assert amounts(read(given, minute=NOON + 10_000, clock="event")) == {LONDON: (2, 0)}
    assert amounts(read(given, minute=NOON + 10_000)) == {}


def test_sums_are_exact_however_large() -> None:
    given = state(*[pane(NOON - n, charges=2**62, payouts=2**62 + 1) for n in (1, 2, 3)])
    assert amounts(read(given)) == {LONDON: (3 * 2**62, 3 * 2**62 + 3)}


def test_what_has_not_changed_is_not_added_up_again() -> None:
    given, recon = state(pane(NOON - 1, charges=1)), SumsReader(RECON, VIEW, DAY)
    first = recon.read(given, situation(NOON * 60.0))
    assert recon.read(given, situation(NOON * 60.0)).rows is first.rows
    given.apply(0, [pane(NOON - 1, charges=3), checkpoint(2, NOON * 60.0)], monotonic=0.0)
    assert amounts(recon.read(given, situation(NOON * 60.0))) == {LONDON: (3, 0)}


def test_pairs_are_kept_while_any_pane_has_them() -> None:
    old = partial(VIEW, "h", NOON // HOUR - 800, [(("paris", "EUR"), (1, 0, 0, 0))])
    given = state(old, pane(NOON, charges=1))
    assert keys_kept(given) == {LONDON, ("paris", "EUR")}
    given.apply(0, [(old[0], None, 0), checkpoint(2, NOON * 60.0)], monotonic=0.0)
    assert keys_kept(given) == {LONDON}


@pytest.mark.parametrize(
    ("beat", "now", "why"),
    [
        ((0, 1, 1, None), {}, None),
        ((0, 1, 5, NOON * 60_000 - 60_000), {}, None),
        ((0, 1, 5, NOON * 60_000 - 60_001), {}, "events.raw-0: a record has been unread for over 60 s"),
        ((0, 1, 1, None), {"monotonic": 10.0}, None),
        ((0, 1, 1, None), {"monotonic": 10.1}, "events.raw-0: no worker has reported on it for 10 s"),
        ((0, 1, 1, None), {"partitions": 2}, "events.raw-1: no worker has reported on it for 10 s"),
        (
            (0, 1, 1, None),
            {"partitions": 3},
            "events.raw-1 (and 1 more): no worker has reported on it for 10 s",
        ),
        ((0, 1, 1, None), {"partitions": None}, "it is not known how many partitions the raw topics have"),
        ((0, 1, 1, None), {"feed_read": False}, "the feed has not been read to its end"),
    ],
)
def test_what_is_stale(beat: tuple[Any, ...], now: dict[str, Any], why: str | None) -> None:
    given = reader(pane(NOON - 1, charges=1), checkpoint(1, NOON * 60.0), heartbeat(beat))
    assert read(given, **now).stale == why


def test_another_definition_of_the_view_is_stale_and_lost_records_are_not() -> None:
    other = reader(checkpoint(1, 0.0, views={VIEW.name: ("00000000", 0)}), heartbeat((0, 1, 1, None)))
    assert "another definition" in (read(other).stale or "")
    lost = reader(checkpoint(9, 0.0, lost=[(3, 8)]), heartbeat((0, 9, 9, None)))
    assert read(lost).stale is None


def test_a_topic_that_is_no_longer_read_makes_no_gate_stale() -> None:
    given = state(pane(NOON - 1, charges=5))
    given.apply(0, [pane(NOON - 1, payouts=7, topic="old"), checkpoint(1, NOON * 60.0, "old")], monotonic=0.0)
    found = read(given)
    assert (found.stale, amounts(found)) == (None, {LONDON: (5, 7)})
    assert (
        read(given, topics={"events.raw": 1, "old": 1}).stale
        == "old-0: no worker has reported on it for 10 s"
    )


def by(view: View) -> ReaderState:
    """A reader of a feed whose workers go on with another definition of the view."""
    views = {**DEFINITIONS, VIEW.name: (view.definition_hash, 0)}
    key = declaration_key(view, TOPIC)
    row = [(LONDON, (1, 2, 4, 8)[: len(view.sums) if isinstance(view, Windowed) else 0])]
    return reader(
        (key, encode_view(view), 0), partial(view, "m", NOON - 1, row),
        checkpoint(1, NOON * 60.0, views=views), heartbeat((0, 1, 1, None)),
    )  # fmt: skip


def test_a_former_definition_is_read_as_well() -> None:
    former = replace(VIEW, measures=tuple(reversed(VIEW.measures[:4])))
    found = read(by(former))
    assert (amounts(found), found.stale) == ({LONDON: (8, 4 + 2 + 1)}, None)


@pytest.mark.parametrize(
    ("former", "lacks"),
    [
        (replace(VIEW, measures=VIEW.measures[:3]), "has no fees_minor"),
        (replace(VIEW, dimensions=("currency",)), "has no groups by city and currency alone"),
    ],
)
def test_one_without_what_the_gates_need_closes_them(former: View, lacks: str) -> None:
    given = by(former)
    found = read(given)
    assert found.rows is None
    assert found.stale is not None
    assert lacks in found.stale
    assert keys_kept(given) == set()
