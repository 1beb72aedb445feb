"""Topics that were deleted and made anew, workers down and running: nothing of the new one is taken for the old."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from streams.bus import topics
from streams.bus.embedded import EmbeddedKafka
from streams.store.at_url import store_at
from streams.store.bronze_reader import BronzeReader
from streams.store.bronze_verify import verify
from tests.feed import FeedWatcher, ask, exact, feed_reader
from tests.kafka import Raw, create_topics, produce, wait_until
from tests.processes import Role, Sluice
from tests.recreate import recreate
from tests.unit.test_bronze_range import click

ALL = {"from": "2000-01-01T00:00:00Z", "to": "2100-01-01T00:00:00Z"}


@pytest.fixture
def sluice(kafka: EmbeddedKafka, prefix: str, tmp_path: Path) -> Iterator[Sluice]:
    with Sluice(
        tmp_path, kafka.bootstrap, prefix, partitions=1, bronze_url=f"file://{tmp_path}/store",
        bronze_max_seconds=1,
    ) as running:  # fmt: skip
        yield running


def raw_topic(sluice: Sluice) -> str:
    return sluice.settings.raw_topics[0]


def clicks(count: int, start: int = 0) -> list[Raw]:
    return [Raw(click(number)) for number in range(start, start + count)]


async def folded(sluice: Sluice) -> tuple[int, int]:
    """The checkpoint's offset, and how many clicks are in the views."""
    reader = await feed_reader(sluice.settings)
    rows = ask(reader, sluice.settings, "kpi_funnel", ALL)["rows"]
    checkpoint = reader.checkpoints.get((raw_topic(sluice), 0))
    return checkpoint.next if checkpoint else 0, sum(row["clicks"] for row in rows)


async def stored(sluice: Sluice) -> tuple[int, int]:
    """The newest commit's end, and how many rows are in Bronze."""
    next_offset, rows = 0, 0
    async for _, _, commit in BronzeReader(store_at(sluice.settings.bronze_url)).commits():
        next_offset = commit.next
        rows += sum(entry.rows for entry in commit.objects)
    return next_offset, rows


SEEN = {"views": folded, "bronze": stored}
MEND = {"views": "delete the feed", "bronze": "SLUICE_BRONZE_URL another prefix"}


async def done(sluice: Sluice, role: str, count: int) -> None:
    """Wait until that many clicks have been read."""

    async def there() -> bool:
        return await SEEN[role](sluice) == (count, count)

    await wait_until(there, f"{count} clicks in {role}")


async def refuses(sluice: Sluice, worker: Role, role: str, count: int) -> None:
    """The worker ends, says why and what to do, and nothing has been added to what it had read."""
    assert await worker.end(80) == 1  # a topic that was missed for a moment is looked for every 30 s
    assert f"{raw_topic(sluice)}-0" in worker.output()
    assert "made anew" in worker.output()
    assert MEND[role] in worker.output()
    assert await SEEN[role](sluice) == (count, count)
    if role == "bronze":
        assert not (await verify(store_at(sluice.settings.bronze_url))).problems


def worker_of(sluice: Sluice, role: str) -> Role:
    worker = sluice.role(role, "worker", role)
    worker.start()
    return worker


@pytest.mark.parametrize("count", [500, 100, 40])
@pytest.mark.parametrize("role", ["views", "bronze"])
async def test_a_topic_made_anew_while_no_worker_runs(sluice: Sluice, role: str, count: int) -> None:
    bootstrap = sluice.settings.kafka[0]
    await topics.create(sluice.settings)
    await produce(bootstrap, raw_topic(sluice), clicks(100))
    worker = worker_of(sluice, role)
    await done(sluice, role, 100)
    assert await worker.terminate() == 0
    await recreate(bootstrap, raw_topic(sluice))
    await produce(bootstrap, raw_topic(sluice), clicks(count, start=1000))
    worker.start()
    await refuses(sluice, worker, role, 100)


@pytest.mark.parametrize("role", ["views", "bronze"])
async def test_a_topic_made_anew_under_a_running_worker(sluice: Sluice, role: str) -> None:
    bootstrap = sluice.settings.kafka[0]
    await topics.create(sluice.settings)
    await produce(bootstrap, raw_topic(sluice), clicks(100))
    worker = worker_of(sluice, role)
    await done(sluice, role, 100)
    await recreate(bootstrap, raw_topic(sluice))
    await produce(bootstrap, raw_topic(sluice), clicks(500, start=1000))
    await refuses(sluice, worker, role, 100)
