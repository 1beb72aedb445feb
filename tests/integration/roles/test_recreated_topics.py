"""Topics that were deleted and recreated, workers down and running: the new one is not taken for the old."""

from __future__ import annotations

import asyncio
import re
import shutil
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TypeVar

import pytest

from streams.embedded.broker import EmbeddedKafka
from streams.kafka import topics
from streams.store.bronze_reader import BronzeReader
from streams.store.bronze_verify import verify
from tests.support.events import clicks
from tests.support.feed import ask, exact, feed_reader
from tests.support.kafka import create_topics, produce, wait_until
from tests.support.processes import Role, Sluice
from tests.support.recreate import delete_records, recreate
from tests.support.repeats import repeats

T = TypeVar("T")
ALL = {"from": "2000-01-01T00:00:00Z", "to": "2100-01-01T00:00:00Z"}


async def folded(sluice: Sluice) -> tuple[int, int]:
    """The checkpoint's offset, and how many clicks are in the views."""
    reader = await feed_reader(sluice.settings)
    rows = ask(reader, sluice.settings, "kpi_funnel", ALL)["rows"]
    checkpoint = reader.checkpoints.get((sluice.raw_topic, 0))
    return checkpoint.next if checkpoint else 0, sum(row["clicks"] for row in rows)


async def stored(sluice: Sluice) -> tuple[int, int]:
    """The newest commit's end, and how many rows are in Bronze."""
    next_offset, rows = 0, 0
    async for _, _, commit in BronzeReader(sluice.store).commits():
        next_offset = commit.next
        rows += sum(entry.rows for entry in commit.objects)
    return next_offset, rows


SEEN = {"views": folded, "bronze": stored}
MEND = {"views": "delete the feed", "bronze": "SLUICE_BRONZE_URL another prefix"}


async def done(sluice: Sluice, role: str, count: int) -> None:
    """Wait until that many clicks have been read."""

    async def there() -> bool:
        return await SEEN[role](sluice) == (count, count)

    await wait_until(there, f"{count} clicks in {role}", seconds=60)


async def refuses(sluice: Sluice, worker: Role, role: str, count: int) -> None:
    """The worker ends, says why and what to do, and nothing has been added to what it had read."""
    assert await worker.end(80) == 1  # a topic that was missed for a moment is looked for every 30 s
    assert f"{sluice.raw_topic}-0" in worker.output()
    assert "recreated" in worker.output()
    assert MEND[role] in worker.output()
    assert await SEEN[role](sluice) == (count, count)
    if role == "bronze":
        assert not (await verify(sluice.store)).problems


@pytest.mark.parametrize("count", repeats(100, 500, 40))
@pytest.mark.parametrize("role", ["views", "bronze"])
async def test_a_topic_recreated_while_no_worker_runs(sluice: Sluice, role: str, count: int) -> None:
    bootstrap = sluice.settings.kafka[0]
    await topics.create(sluice.settings)
    await produce(bootstrap, sluice.raw_topic, clicks(100))
    worker = sluice.started(role, "worker", role)
    await done(sluice, role, 100)
    assert await worker.terminate() == 0
    await recreate(bootstrap, sluice.raw_topic)
    await produce(bootstrap, sluice.raw_topic, clicks(count, start=1000))
    worker.start()
    await refuses(sluice, worker, role, 100)


@pytest.mark.parametrize("role", ["views", "bronze"])
async def test_a_topic_recreated_under_a_running_worker(sluice: Sluice, role: str) -> None:
    bootstrap = sluice.settings.kafka[0]
    await topics.create(sluice.settings)
    await produce(bootstrap, sluice.raw_topic, clicks(100))
    worker = sluice.started(role, "worker", role)
    await done(sluice, role, 100)
    await recreate(bootstrap, sluice.raw_topic)
    await produce(bootstrap, sluice.raw_topic, clicks(500, start=1000))
    await refuses(sluice, worker, role, 100)


@pytest.mark.parametrize("role", repeats("bronze", "views"))
async def test_one_of_two_topics_recreated_with_the_same_records_and_more_partitions(
    kafka: EmbeddedKafka, prefix: str, tmp_path: Path, role: str
) -> None:
    raw = [f"{prefix}raw-a", f"{prefix}raw-b"]
    with Sluice(tmp_path, kafka.bootstrap, prefix, raw_topics=",".join(raw)) as sluice:
        await create_topics(kafka.bootstrap, *raw)
        await topics.create(sluice.settings)
        for topic in raw:
            await produce(kafka.bootstrap, topic, clicks(10))
        worker = sluice.started(role, "worker", role)
        await wait_until(lambda: _is(SEEN[role](sluice), lambda seen: seen[1] == 20), "20 clicks")
        assert await worker.terminate() == 0
        await recreate(kafka.bootstrap, raw[1], partitions=2)
        await topics.create(sluice.settings)
        await produce(kafka.bootstrap, raw[1], clicks(10))
        worker.start()
        assert await worker.end(40) == 1
        assert re.search(rf"{raw[1]}-\d has the topic id", worker.output()), worker.tail()
        assert (await SEEN[role](sluice))[1] == 20


@pytest.mark.parametrize("running", repeats(True, False))
@pytest.mark.parametrize("role", ["views", "bronze"])
async def test_records_that_were_replaced_in_the_same_topic(
    own_kafka: EmbeddedKafka, prefix: str, tmp_path: Path, role: str, *, running: bool
) -> None:
    """As by an unclean leader election: the topic's id stays, and other records are where some were read."""
    other = f"{prefix}other"
    with Sluice(tmp_path, own_kafka.bootstrap, prefix, partitions=1) as sluice:
        await topics.create(sluice.settings)
        await create_topics(own_kafka.bootstrap, other)
        await produce(own_kafka.bootstrap, sluice.raw_topic, clicks(100))
        await produce(own_kafka.bootstrap, other, clicks(300, start=1000))
        worker = sluice.started(role, "worker", role)
        await done(sluice, role, 100)
        if not running:
            assert await worker.terminate() == 0
        await asyncio.to_thread(own_kafka.stop)
        _replace_log(own_kafka, other, sluice.raw_topic)
        await asyncio.to_thread(own_kafka.start)
        if not running:
            worker.start()
        assert await worker.end(80) == 1
        assert "another record at offset 99" in worker.output()
        assert MEND[role] in worker.output()
        assert await SEEN[role](sluice) == (100, 100)


def _replace_log(kafka: EmbeddedKafka, source: str, target: str) -> None:
    """Put a stopped broker's segments of one topic in the place of another's."""
    (ours,) = kafka.folder.rglob(f"{target}-0")
    (theirs,) = kafka.folder.rglob(f"{source}-0")
    for file in ours.iterdir():
        if file.name != "partition.metadata":
            file.unlink()
    for file in theirs.glob("*.log"):
        shutil.copy(file, ours / file.name)


async def test_a_feed_recreated_under_a_running_worker_is_folded_again(sluice: Sluice) -> None:
    bootstrap, feed = sluice.settings.kafka[0], sluice.settings.topic("views.feed")
    await topics.create(sluice.settings)
    await produce(bootstrap, sluice.raw_topic, clicks(100))
    worker, api = sluice.worker(), sluice.api()
    await done(sluice, "views", 100)
    await api.ready()
    await recreate(bootstrap, feed, cleanup_policy="compact")
    await produce(bootstrap, sluice.raw_topic, clicks(20, start=100))
    await wait_until(lambda: _is(folded(sluice), lambda seen: seen == (120, 120)), "all", seconds=90)
    await exact(sluice, api)
    assert await worker.terminate() == 0


async def _is(question: Awaitable[T], wanted: Callable[[T], bool]) -> bool:
    return wanted(await question)


@pytest.mark.parametrize("role", repeats("views", "bronze"))
async def test_a_fingerprint_that_was_deleted_is_no_sign_of_another_topic(sluice: Sluice, role: str) -> None:
    bootstrap, topic = sluice.settings.kafka[0], sluice.raw_topic
    await topics.create(sluice.settings)
    await produce(bootstrap, topic, clicks(100))
    worker = sluice.started(role, "worker", role)
    await done(sluice, role, 100)
    assert await worker.terminate() == 0
    await produce(bootstrap, topic, clicks(20, start=100))
    await delete_records(bootstrap, topic, 100)
    worker.start()
    await done(sluice, role, 120)
    await produce(bootstrap, topic, clicks(10, start=120))
    await done(sluice, role, 130)
    assert await worker.terminate() == 0
