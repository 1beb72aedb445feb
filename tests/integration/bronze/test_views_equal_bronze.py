"""Invariant: the views are what SQL makes of Bronze, and the quarantine is what lies in `_bad/`."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from streams.embedded.broker import EmbeddedKafka
from streams.kafka import topics
from tests.oracle.load import Load, Mix
from tests.support.bronze_equality import hold_quarantine, hold_views
from tests.support.bronze_rows import Bronze
from tests.support.bronze_topic import until_covered
from tests.support.feed import FeedWatcher
from tests.support.processes import Sluice
from tests.support.sending import produce_all

EVENTS = 50_000

pytestmark = pytest.mark.timeout(360)  # views, then Bronze: up to two minutes each


async def test_views_equal_sql_over_bronze_and_the_quarantine_equals_bad(
    kafka: EmbeddedKafka, prefix: str, tmp_path: Path
) -> None:
    load = Load(11, int(time.time() * 1000) - 48 * 3_600_000, Mix(milliseconds=2500))
    with Sluice(
        tmp_path, kafka.bootstrap, prefix, partitions=4, pane_minutes=120, pane_hours=5, dedupe_seconds=900,
        bronze_max_seconds=3, bronze_max_bytes=500_000,
    ) as sluice:  # fmt: skip
        await topics.create(sluice.settings)
        views, api = sluice.worker(), sluice.api()
        worker = sluice.bronze()
        raw = sluice.raw_topic
        async with FeedWatcher(sluice.settings) as feed:
            await produce_all(kafka.bootstrap, raw, load.take(EVENTS // 2))
            views.kill()
            worker.kill()
            await produce_all(kafka.bootstrap, raw, load.take(EVENTS // 2))
            views.start()
            worker.start()
            await feed.caught_up(seconds=120)
            await until_covered(sluice, sluice.store, views, worker, seconds=120)
        bronze = Bronze(tmp_path / "store")
        assert sum(map(len, bronze.records.values())) == EVENTS
        await hold_views(sluice, api, bronze)
        await hold_quarantine(sluice, bronze)
        assert sluice.run("bronze", "verify").returncode == 0
