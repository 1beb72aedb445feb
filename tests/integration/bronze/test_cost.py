"""What a worker asks of S3 is what the formula of `sluice bronze cost` says."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from prometheus_client import REGISTRY

from agents.bronze.cost import GETS_PER_RANGE, PUTS_PER_RANGE
from streams.sources.market import Faults, Market
from streams.store.s3 import PAGE_OBJECTS
from streams.store.urls import store_at
from tests.support.bronze_cost import URL, Counted, counted, spread, written
from tests.support.market import batches
from tests.support.processes import Sluice

EVENTS, PARTITIONS, MAX_BYTES = 4_500, 2, 128 * 1024
FAULTS = Faults(late=0.01, duplicates=0.005, bad=0.01)
BUDGET = 5_000_000
START = datetime(2026, 3, 1, 12, tzinfo=UTC)
OBJECTS_OFF = 0.12
"""The formula has so many more objects at most: it draws each event by itself, and a market's come in bursts.
It has fewer by chance alone, so half as many at most."""
BYTES_OFF = 0.15
"""How well gzip does depends on the texts; the constants are those of longer runs."""


@pytest.fixture
def s3(tmp_path: Path) -> Iterator[Counted]:
    with counted(tmp_path / "s3") as server:
        yield server


@pytest.fixture
def settings(s3: Counted) -> dict[str, Any]:
    return {
        "partitions": PARTITIONS, "bronze_url": URL, "bronze_max_bytes": MAX_BYTES, "bronze_max_seconds": 2,
        "budget_puts": BUDGET,
    }  # fmt: skip


async def test_requests_objects_and_bytes_are_those_of_the_formula(sluice: Sluice, s3: Counted) -> None:
    market = Market(1, START, rate=2000.0, flat=True, faults=FAULTS)
    records = [(one.key, one.value) for batch in batches(market, count=EVENTS) for one in batch]
    run = await written(sluice, s3, spread(records, PARTITIONS))

    assert run.events == EVENTS
    assert len(run.ranges) > 10, "or it is no measure"
    # Exactly: each partition's position is one PUT more, once; before its first range it is looked for.
    assert run.requests["put"] == run.objects + PUTS_PER_RANGE * len(run.ranges) + PARTITIONS
    begun = run.requests["get"] - GETS_PER_RANGE * len(run.ranges)
    assert 0 <= begun <= 4 * PARTITIONS
    assert 0 < run.requests["list"] <= 4 * PARTITIONS
    assert run.requests.keys() == {"put", "get", "list"}, "intents are not deleted"
    assert run.metric == run.requests, "what the worker counts is what the server got"
    assert run.budget_puts == BUDGET

    off = run.expected_objects / run.objects - 1
    assert -OBJECTS_OFF / 2 < off < OBJECTS_OFF
    assert run.expected_bytes == pytest.approx(run.object_bytes + run.other_bytes, rel=BYTES_OFF)


@pytest.mark.long
async def test_a_long_listing_is_counted_by_its_pages(s3: Counted) -> None:
    store = store_at(URL)
    before = _counted_listings()
    await store.create_all(
        [(f"_commits/t/0/{number:020d}.json", b"{}") for number in range(2 * PAGE_OBJECTS + 1)]
    )
    listed = [found async for found in store.list("_commits/")]
    assert len(listed) == 2 * PAGE_OBJECTS + 1
    assert _counted_listings() - before == s3.requests["list"] == 3


def _counted_listings() -> int:
    return int(REGISTRY.get_sample_value("sluice_store_requests_total", {"operation": "list"}) or 0)
