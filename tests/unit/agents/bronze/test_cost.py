"""What Bronze costs by the formula: held against counting, and against what is known without it."""

from __future__ import annotations

import random
import re
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agents.bronze.cost import (
    GZIP_RATIO,
    OBJECT_BYTES,
    PUTS_PER_RANGE,
    RANGE_BYTES,
    Limits,
    Prices,
    Share,
    Traffic,
    cost_of,
    cost_of_range,
    even_shares,
    objects_among,
)
from agents.bronze.layout import layout_of
from schemas.catalogue import EVENTS
from tests.support.paths import ROOT

MONTH = 30 * 86_400
ONE = Traffic(events_per_second=100, bytes_per_event=400, shares=[Share(1.0)], gzip_ratio=0.2)
PRICES = Prices(puts=5.0, gets=1.0, gb_month=0.1)


def test_objects_are_as_many_as_drawing_finds() -> None:
    draw = random.Random(1)
    parts = [0.5, 0.3, 0.1, 0.06, 0.03, 0.01]
    for events in (1, 5, 40, 300):
        tries = 4_000
        found = sum(len(set(draw.choices(range(6), parts, k=events))) for _ in range(tries)) / tries
        assert objects_among(map(Share, parts), events) == pytest.approx(found, abs=0.05)  # 3 sigma: 0.05


def test_ten_objects_of_one_share_are_as_ten_shares() -> None:
    assert objects_among([Share(0.1, 10)], 12) == pytest.approx(objects_among([Share(0.1)] * 10, 12))


@given(st.lists(st.integers(1, 1000), min_size=1, max_size=60), st.floats(1, 1e9))
def test_there_are_no_more_objects_than_events_nor_than_kinds(weights: list[int], events: float) -> None:
    shares = [Share(weight / sum(weights)) for weight in weights]
    assert 0.999 <= objects_among(shares, events) <= min(len(shares), events) * 1.001


def test_a_range_that_closes_by_seconds_has_what_comes_in_them_and_its_first_event() -> None:
    cost = cost_of(ONE, Limits(partitions=4, max_seconds=60, max_bytes=1e9), PRICES)
    assert cost.closes_by == "seconds"
    assert cost.range_events == 1 + 60 * 100 / 4
    assert cost.range_seconds == pytest.approx(60 + 4 / 100)
    assert cost.puts == pytest.approx(4 * (1 + 3) * MONTH / (60 + 4 / 100))
    assert cost.gets == pytest.approx(4 * MONTH / (60 + 4 / 100))


def test_a_range_that_closes_by_bytes_ends_with_the_event_that_fills_it() -> None:
    cost = cost_of(ONE, Limits(partitions=1, max_seconds=60, max_bytes=10_001), PRICES)
    assert cost.closes_by == "bytes"
    assert cost.range_events == 26
    assert cost.puts == pytest.approx(100 * MONTH / 26 * 4)


def test_where_hardly_anything_comes_each_event_is_a_range() -> None:
    rare = replace(ONE, events_per_second=1 / 86_400)
    cost = cost_of(rare, Limits(partitions=1, max_seconds=60, max_bytes=1e9), PRICES)
    assert cost.puts == pytest.approx(30 * 4, rel=0.001)


def test_money_is_what_it_is_made_of() -> None:
    cost = cost_of(ONE, Limits(partitions=1, max_seconds=60, max_bytes=1e9), PRICES)
    assert cost.request_dollars == pytest.approx(cost.puts * 0.005 + cost.gets * 0.001)
    assert cost.kept_dollars == pytest.approx(cost.stored_bytes / 1e9 * 0.1)
    assert cost.stored_bytes > 100 * MONTH * 400 * 0.2


def test_longer_ranges_never_take_more_requests() -> None:
    traffic = replace(ONE, shares=even_shares(layout_of([]), EVENTS, 1, 1))
    puts = [cost_of(traffic, Limits(4, seconds, 1e12), PRICES).puts for seconds in (1, 10, 60, 600, 86_400)]
    assert puts == sorted(puts, reverse=True)


def test_events_that_lie_by_city_have_an_object_for_each_city_and_day() -> None:
    shares = even_shares(layout_of(["search"]), ["search.click", "charge.succeeded"], days=2, cities=10)
    assert shares == [Share(1 / 40, 20), Share(1 / 4, 2)]
    assert sum(share.part * share.objects for share in shares) == pytest.approx(1)
    assert cost_of_range(replace(ONE, shares=shares), 1e6).objects == pytest.approx(22)


def test_the_page_has_the_numbers_of_the_code() -> None:
    page, prices = (ROOT / "docs" / "cost.md").read_text("utf-8"), Prices()
    formula = f"r × (n × b × {GZIP_RATIO} + o × {OBJECT_BYTES} + {RANGE_BYTES})"
    assert formula in page
    assert f"r × (o + {PUTS_PER_RANGE})" in page
    for what, price in (("PUT or LIST requests", prices.puts), ("GET requests", prices.gets)):
        assert f"| 1,000 {what} | {price} |" in page
    assert f"| a GB in a month | {prices.gb_month} |" in page
    even = even_shares(layout_of([]), EVENTS, days=1, cities=50)
    by_city = even_shares(layout_of(["search"]), EVENTS, days=1, cities=50)
    for seconds, shares in ((60, even), (300, even), (900, even), (60, by_city), (300, by_city)):
        cost = cost_of(Traffic(500, 350, shares), Limits(4, seconds, 64 << 20), prices)
        assert f"| {cost.puts:,.0f} |" in re.sub(" +", " ", page)
