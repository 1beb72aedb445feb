"""Invariant: the views are what SQL makes of Bronze, and the quarantine is what lies in `_bad/`."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from streams.embedded.broker import EmbeddedKafka
from streams.kafka import topics
from streams.store.urls import store_at
from tests.integration.bronze.test_bronze import until_covered
from tests.oracle.load import Load, Mix
from tests.oracle.views import VIEWS, Oracle
from tests.support.bronze_rows import Bronze
from tests.support.feed import FeedWatcher, api_has_read, feed_reader, view_differences, windows
from tests.support.kafka import read_all
from tests.support.processes import Role, Sluice
from tests.support.sending import produce_all

EVENTS = 50_000

pytestmark = pytest.mark.timeout(360)  # views, then Bronze: up to two minutes each


async def test_views_equal_sql_over_bronze_and_the_quarantine_equals_bad(
    kafka: EmbeddedKafka, prefix: str, tmp_path: Path
) -> None:
    folder = tmp_path / "store"
    load = Load(11, int(time.time() * 1000) - 48 * 3_600_000, Mix(milliseconds=2500))
    with Sluice(
        tmp_path, kafka.bootstrap, prefix, partitions=4, pane_minutes=120, pane_hours=5, dedupe_seconds=900,
        bronze_url=f"file://{folder}", bronze_max_seconds=3, bronze_max_bytes=500_000,
    ) as sluice:  # fmt: skip
        await topics.create(sluice.settings)
        views, api = sluice.worker(), sluice.api()
        worker = sluice.role("bronze", "worker", "bronze")
        worker.start()
        raw = sluice.settings.raw_topics[0]
        async with FeedWatcher(sluice.settings) as feed:
            await produce_all(kafka.bootstrap, raw, load.take(EVENTS // 2))
            views.kill()
            worker.kill()
            await produce_all(kafka.bootstrap, raw, load.take(EVENTS // 2))
            views.start()
            worker.start()
            await feed.caught_up(seconds=120)
            await until_covered(sluice, store_at(sluice.settings.bronze_url), views, worker, seconds=120)
        bronze = Bronze(folder)
        assert sum(map(len, bronze.records.values())) == EVENTS
        await hold_views(sluice, api, bronze)
        await hold_quarantine(sluice, bronze)
        assert sluice.run("bronze", "verify").returncode == 0


async def hold_views(sluice: Sluice, api: Role, bronze: Bronze) -> None:
    """Each view, as the api answers it, is what its SQL says of Bronze's rows."""
    settings = sluice.settings
    oracle = Oracle(
        bronze.records, sluice.folder, pane_hours=settings.pane_hours, dedupe_seconds=settings.dedupe_seconds
    )
    counts = oracle.counts()
    assert all(counts.values()), f"the load has all kinds: {counts}"
    await api_has_read(api, await feed_reader(settings))
    for number in range(3):
        answers = {}
        for view in VIEWS:
            choices = windows(view, oracle.newest_us() or 0)
            response = await api.get(f"/v1/views/{view}", **choices[number % len(choices)])
            assert response.status_code == 200, response.text
            answers[view] = response.json()
            assert answers[view]["rows"]
        assert view_differences(oracle, answers) == []


async def hold_quarantine(sluice: Sluice, bronze: Bronze) -> None:
    """The quarantine's records are the lines of `_bad/`: the same places, reasons and bytes."""
    quarantined = {}
    for read in await read_all(sluice.settings.kafka[0], sluice.settings.topic("events.quarantine")):
        said = {name: (value or b"").decode() for name, value in read.headers}
        place = (said["topic"], int(said["partition"]), int(said["offset"]))
        quarantined[place] = (said["code"], said["reason"], said["field"], said["detail"], read.value)
    values = {
        (topic, record.partition, record.offset): record.value
        for topic, records in bronze.records.items()
        for record in records
    }
    laid_down = {
        place: (row["code"], row["reason"], row["field"], row["detail"], values[place])
        for place, row in bronze.bad.items()
    }
    assert len(laid_down) > 500
    assert laid_down == quarantined
