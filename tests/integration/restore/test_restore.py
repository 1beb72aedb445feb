"""Kafka is lost with all it had; the views are restored from Bronze, and what comes then counts once."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from streams.embedded.broker import EmbeddedKafka
from tests.oracle.load import Load, Mix
from tests.oracle.views import VIEWS, Oracle
from tests.support.bronze_rows import Bronze
from tests.support.bronze_topic import until_covered
from tests.support.feed import FeedWatcher, api_has_read, feed_reader, view_differences, windows
from tests.support.kafka import Raw, read_all, running, wait_until
from tests.support.lost_kafka import after, answers_of, content_of, destroy, one_line
from tests.support.processes import Role, Sluice
from tests.support.sending import produce_all

RULES = {"pane_minutes": 120, "pane_hours": 5, "dedupe_seconds": 900}
IN_BRONZE, LOST, KNOWN = 5_000, 400, 600
"""Records that Bronze has when Kafka is lost, those that it has not, and those of the former that their
producers are unsure of."""
pytestmark = pytest.mark.timeout(300)  # two brokers, and all roles on each


@contextmanager
def new_kafka(folder: Path) -> Iterator[EmbeddedKafka]:
    yield from running(EmbeddedKafka(folder / "new-kafka"))


async def test_views_are_what_they_were_and_count_on_once(own_kafka: EmbeddedKafka, tmp_path: Path) -> None:
    load = Load(31, int(time.time() * 1000) - 6 * 3_600_000, Mix(partitions=2, milliseconds=2500))
    in_bronze, lost = load.take(IN_BRONZE), load.take(LOST)
    with Sluice(
        tmp_path, own_kafka.bootstrap, "lost-", partitions=2, bronze_max_bytes=100_000, **RULES
    ) as sluice:
        before, newest_us = await until_lost(sluice, own_kafka, in_bronze, lost)
    store = tmp_path / "store"
    left = content_of(store)
    with new_kafka(tmp_path) as kafka, after(sluice, kafka, **RULES) as again:
        assert again.run("topics", "create").returncode == 0
        await restore(again, store)
        again.worker()
        api, bronze = again.api(), again.bronze()
        async with FeedWatcher(again.settings) as feed:
            # Whoever is unsure sends once more; a bad record has no id to be known by.
            unsure = [one for one in in_bronze[-KNOWN:] if not one.headers]
            await produce_all(kafka.bootstrap, again.raw_topic, [*unsure, *lost])
            await feed.caught_up()
            await api_has_read(api, await feed_reader(again.settings))
            assert await answers_of(api, VIEWS, newest_us) == before

            await produce_all(kafka.bootstrap, again.raw_topic, load.take(1_500))
            await feed.caught_up()
            await until_covered(again, again.store, bronze)
        await hold(again, api, store)
        assert content_of(store) == left, "former Bronzes are only read"


async def until_lost(
    sluice: Sluice, kafka: EmbeddedKafka, in_bronze: Sequence[Raw], lost: Sequence[Raw]
) -> tuple[dict[str, list[Any]], int]:
    """All answers, and the newest event's time, when Kafka is lost, and with it what Bronze does not have."""
    assert sluice.run("topics", "create").returncode == 0
    worker, bronze, api = sluice.worker(), sluice.bronze(), sluice.api()
    async with FeedWatcher(sluice.settings) as feed:
        await produce_all(kafka.bootstrap, sluice.raw_topic, in_bronze)
        await feed.caught_up()
        await until_covered(sluice, sluice.store, worker, bronze)
        bronze.kill()
        await produce_all(kafka.bootstrap, sluice.raw_topic, lost)
        await feed.caught_up()
    reader = await feed_reader(sluice.settings)
    await api_has_read(api, reader)
    newest_us = reader.newest_us()
    assert newest_us is not None
    answers = await answers_of(api, VIEWS, newest_us)
    for role in (worker, api):
        role.kill()
    destroy(kafka)
    return answers, newest_us


async def restore(sluice: Sluice, store: Path) -> None:
    """What is wrong is refused and said; what was ended is gone on with."""
    without = sluice.run("restore", bronze_former="")
    assert (without.returncode, "set SLUICE_BRONZE_FORMER" in without.stderr) == (2, True)
    same = sluice.run("restore", bronze_url=f"file://{store}")
    assert (same.returncode, "give that another prefix" in same.stderr) == (2, True)
    checked = sluice.run("restore", "--dry-run", "--json")
    assert checked.returncode == 0, checked.stderr
    parts = json.loads(checked.stdout)["partitions"]
    assert [one["began_at"] for one in parts] == [0, 0]
    assert sum(one["first_offset"] for one in parts) == -IN_BRONZE

    last = max((store / "_commits" / sluice.raw_topic / "1").iterdir())
    hidden = store / json.loads(last.read_bytes())["objects"][0]["path"]
    hidden.rename(store / "hidden")
    ended = sluice.started("ended", "restore")
    async with FeedWatcher(sluice.settings) as feed:
        await wait_until(lambda: feed.next.get((sluice.raw_topic, 1)), "a part to be restored")
        await ended.end(60)
        assert feed.next[sluice.raw_topic, 0] == 0
        assert feed.next[sluice.raw_topic, 1] < 0
    assert "is not there, though it is committed; when that is mended" in ended.output()
    (store / "hidden").rename(hidden)

    early = sluice.worker("early")
    assert await early.end(30) != 0
    assert "start views workers when `sluice restore --resume` has ended" in early.output()
    twice = sluice.run("restore")
    assert (twice.returncode, "--resume goes on" in twice.stderr) == (1, True)
    resumed = sluice.run("restore", "--resume", "--json")
    assert resumed.returncode == 0, resumed.stderr
    first, second = [one["records"] for one in json.loads(resumed.stdout)["partitions"]]
    assert first == 0 < second < -parts[1]["first_offset"]
    assert sluice.run("restore", "--resume").returncode == 0, "nothing is left to do"


async def hold(sluice: Sluice, api: Role, store: Path) -> None:
    """Views are what SQL makes of all that came, before and after; each record lies once in one Bronze."""
    settings, raw = sluice.settings, sluice.raw_topic
    now = {raw: await read_all(settings.kafka[0], raw)}
    bronze = Bronze(sluice.folder.parent / "store-2")
    there = [(one.partition, one.offset, one.timestamp_ms) for one in bronze.records[raw]]
    assert there == [(one.partition, one.offset, one.timestamp_ms) for one in now[raw]]
    assert min(one.offset for one in now[raw]) == 0
    records = one_line(Bronze(store), now)
    oracle = Oracle(
        records, sluice.folder, pane_hours=settings.pane_hours, dedupe_seconds=settings.dedupe_seconds
    )
    reader = await feed_reader(settings)
    await api_has_read(api, reader)
    answers = {}
    for view in VIEWS:
        response = await api.get(f"/v1/views/{view}", **windows(view, reader.newest_us() or 0)[0])
        answers[view] = response.json()
        assert answers[view]["complete"], answers[view]
    assert view_differences(oracle, answers) == []
    url = (await api.url("")).rstrip("/")
    proved = sluice.run("verify", "all", "--window", "24h", "--api", url, "--json")
    assert proved.returncode == 0, proved.stdout + proved.stderr
    assert {one["partitions"][0]["first_offset"] < 0 for one in json.loads(proved.stdout)} == {True}
    explained = sluice.run("explain", "kpi_gmv", "--window", "24h", "--api", url, "--json")
    assert json.loads(explained.stdout)["adds_up"] is True, explained.stderr
    rebuilt = sluice.run("views", "rebuild", "kpi_funnel", "--json")
    assert rebuilt.returncode == 0, rebuilt.stderr
    assert sluice.run("bronze", "verify").returncode == 0
