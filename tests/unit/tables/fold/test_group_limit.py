"""A view with more groups than it may have: the rest is summed as `_other`, and nothing is lost."""

from __future__ import annotations

import random
from collections import Counter
from typing import Any

import pytest

from tables.codec import decode_partial
from tables.fold.limits import Limits
from tables.fold.state import PartitionState
from tables.keys import WindowedKey, parse_key
from tables.views import VIEWS
from tests.oracle.tables import Feed, Made, make, write
from tests.support.decoded import fold_made

HOUR_US = 3_600_000_000
START_US = 500_000 * HOUR_US
MOST = 20
LIMITS = Limits(pane_minutes=60, pane_hours=5, dedupe_seconds=60, closed_hours=1, max_groups=MOST)


def begin(feed: Feed) -> PartitionState:
    state = PartitionState("t", VIEWS.values(), LIMITS)
    state.restore(feed)
    state.restored()
    return state


def spend(number: int, hour: float, campaign: int, city: str = "ulm", currency: str = "EUR") -> Made:
    at_us = START_US + int(hour * HOUR_US)
    payload = {"campaign_id": f"cmp-{campaign}", "currency": currency, "amount_minor": 1}
    return make("promo.spend", f"e{number}", at_us, at_us // 1000, city, **payload)


def summed(feed: Feed, view: str = "promo_spend") -> Counter[tuple[Any, ...]]:
    """By group, over all panes."""
    found: Counter[tuple[Any, ...]] = Counter()
    for key, value in feed.items():
        parsed = parse_key(key)
        if isinstance(parsed, WindowedKey) and parsed.view == view:
            for group, row in decode_partial(value):
                found[group] += row[0]
    return found


@pytest.mark.parametrize("seed", range(10))
def test_nothing_is_lost_and_groups_are_bounded(seed: int) -> None:
    draw, feed = random.Random(seed), Feed()
    state = begin(feed)
    expected: Counter[str] = Counter()
    for number in range(400):
        # Hours pass, but none expires: what is in the panes is all that there was.
        one = spend(number, number / 100, draw.randrange(60), draw.choice("ab"), draw.choice(["EUR", "USD"]))
        expected[one.event.payload.currency] += 1
        fold_made(state, [one])
        if draw.random() < 0.3:
            write(feed, state.changes(0))
            if draw.random() < 0.3:
                state = begin(feed)
    write(feed, state.changes(0))
    found = summed(feed)
    by_currency: Counter[str] = Counter()
    for (_, currency, _), count in found.items():
        by_currency[currency] += count
    assert by_currency == expected
    named = [group for group in found if group[0] != "_other"]
    # A restart may not know for a moment which groups there are: it counts some of them twice.
    assert MOST / 2 <= len(named) <= MOST
    assert {group for group in found if group[0] == "_other"} <= {
        ("_other", currency, city) for currency in ("EUR", "USD") for city in "ab"
    }
    assert state.group_limits()["promo_spend"].is_full


def test_a_group_stays_what_it_was() -> None:
    state, feed = begin(Feed()), Feed()
    fold_made(state, [spend(number, 0, number) for number in range(50)])
    write(feed, state.changes(0))
    assert state.group_limits()["promo_spend"].summed == 30
    before = summed(feed)
    for again in (state, begin(feed)):
        fold_made(again, [spend(100 + number, 1, number) for number in range(50)])
        rolled = Feed(feed)
        fold_made(again, [spend(200, 3, 0)])  # the first hour is rolled up
        write(rolled, again.changes(0))
        assert summed(rolled) == before + before + Counter({("cmp-0", "EUR", "ulm"): 1})


def test_there_is_room_again_when_groups_expire() -> None:
    state, feed = begin(Feed()), Feed()
    fold_made(state, [spend(number, 0, number) for number in range(50)])
    write(feed, state.changes(0))
    fold_made(state, [spend(100, 7, 0)])
    write(feed, state.changes(0))  # the hour of the others is dropped
    fold_made(state, [spend(101 + number, 7, 100 + number) for number in range(10)])
    write(feed, state.changes(0))
    assert len(summed(feed)) == 11
    assert not state.group_limits()["promo_spend"].is_full


def test_cities_are_bounded_and_currencies_are_not_mixed() -> None:
    state, feed = begin(Feed()), Feed()
    paid = [
        make(
            "booking.confirmed", f"b{number}", START_US, START_US // 1000, f"city-{number}",
            currency=("EUR", "USD")[number % 2], amount_minor=100,
        )
        for number in range(60)
    ]  # fmt: skip
    fold_made(state, paid)
    write(feed, state.changes(0))
    found = summed(feed, "kpi_gmv")
    assert len(found) == MOST + 2
    assert found["_other", "EUR"] + found["_other", "USD"] == 60 - MOST
    assert {group[1] for group in found if group[0] == "_other"} == {"EUR", "USD"}
