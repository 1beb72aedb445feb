"""`sluice worker views` in full, as a user starts it; and what its feed says of it."""

from __future__ import annotations

import asyncio
import re
import urllib.request
import uuid
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from pathlib import Path

from aiokafka import AIOKafkaConsumer, TopicPartition

from streams.kafka.client import client_kwargs
from streams.kafka.topics import create
from streams.settings import Settings
from tables.codec import decode_checkpoint
from tests.bench.contest import TIMEOUT_SECONDS, Arena, Run, measured
from tests.bench.load import PARTITIONS, ends_of
from tests.bench.process import Child, python

COMMAND = python("streams.cli.main", "worker", "views")
OWNS = r"own \d+ partitions as of generation"
START_SECONDS = 120.0


def settings_of(environ: Mapping[str, str]) -> Settings:
    """The settings of a process with these variables, and defaults for all others."""
    return Settings.load(environ)


def environment(server: str, topic: str, prefix: str, folder: Path) -> dict[str, str]:
    """The variables of a worker or api that reads `topic` and has topics and groups of its own."""
    return {
        "SLUICE_KAFKA": server,
        "SLUICE_RAW_TOPICS": topic,
        "SLUICE_PREFIX": prefix,
        "SLUICE_METRICS_PORT": "0",
        "SLUICE_HTTP_PORT": "0",
        "SLUICE_DATA_DIR": str(folder),
    }


def outcomes(worker: Child) -> Counter[str]:
    """Events by outcome, as the worker's metrics have them."""
    told = worker.wait_line(r"metrics on http", START_SECONDS).line
    found = re.search(r"http://[^\"\s]+/metrics", told)
    assert found is not None
    with urllib.request.urlopen(found[0], timeout=5.0) as answer:
        text = answer.read().decode()
    counts: Counter[str] = Counter()
    for outcome, number in re.findall(
        r'^sluice_events_total\{.*outcome="(\w+)"\} (\S+)$', text, re.MULTILINE
    ):
        counts[outcome] += int(float(number))
    return counts


@asynccontextmanager
async def read_through(
    arena: Arena,
    views: str,
    more: Mapping[str, str] | None = None,
    prepare: Callable[[Settings], Awaitable[None]] | None = None,
) -> AsyncIterator[tuple[Settings, Child, Run]]:
    """A worker that has just read the topic to its end; `views`: SLUICE_VIEWS, `more`: other settings;
    `prepare` is awaited before it starts, once its topics are there.

    With topics of its own, so that it begins with no state.
    """
    prefix = f"views-{uuid.uuid4().hex[:8]}."
    environ = environment(arena.server, arena.topic, prefix, arena.folder / prefix)
    environ |= {"SLUICE_VIEWS": views, **(more or {})}
    settings = settings_of(environ)
    await create(settings)
    if prepare is not None:
        await prepare(settings)
    ends = await ends_of(settings, arena.topic)
    async with feed_reader(settings, PARTITIONS) as feed:
        with Child(COMMAND, arena.folder / "views.log", environ) as child:
            first = await asyncio.to_thread(child.wait_line, OWNS, START_SECONDS)
            await wait_covered(feed, child, ends, TIMEOUT_SECONDS)
            yield settings, child, measured(child, first, child.mark(), arena.events)


@asynccontextmanager
async def feed_reader(settings: Settings, partitions: int) -> AsyncIterator[AIOKafkaConsumer]:
    """A read_committed consumer at the end of the feed as it is now."""
    consumer = AIOKafkaConsumer(
        **client_kwargs(settings), isolation_level="read_committed", max_partition_fetch_bytes=4 << 20
    )
    await consumer.start()
    try:
        tps = [TopicPartition(settings.topic("views.feed"), number) for number in range(partitions)]
        consumer.assign(tps)
        await consumer.seek_to_end(*tps)
        yield consumer
    finally:
        await consumer.stop()


async def wait_covered(
    consumer: AIOKafkaConsumer, worker: Child, ends: Mapping[int, int], timeout_s: float
) -> None:
    """Return as soon as the checkpoints cover these end offsets. Raises `RuntimeError` if the worker ends."""
    left = dict(ends)
    async with asyncio.timeout(timeout_s):
        while left:
            worker.check()
            for tp, records in (await consumer.getmany(timeout_ms=200)).items():
                for record in records:
                    if (
                        record.key.startswith(b"c:")
                        and decode_checkpoint(record.value).next >= ends[tp.partition]
                    ):
                        left.pop(tp.partition, None)
