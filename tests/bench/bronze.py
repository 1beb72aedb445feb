"""`sluice worker bronze` in full to a local folder, as a user starts it; and on a backlog."""

from __future__ import annotations

import asyncio
import shutil
import time
import uuid
from collections.abc import Iterator, Mapping
from itertools import chain, cycle, islice
from pathlib import Path
from typing import NamedTuple

from agents.bronze.store import Store
from streams.kafka import topics
from streams.sources.market import Record
from streams.store.bronze_reader import BronzeReader
from streams.store.urls import store_at
from tests.bench import worker
from tests.bench.load import ends_of, load
from tests.bench.process import Child, Mark, python
from tests.bench.workloads.market import events

COMMAND = python("streams.cli.main", "worker", "bronze")
CONTEST_SECONDS = 15
"""In the contest ranges close after so long, so that nobody waits a minute for the last ones."""
BACKLOG_SECONDS = 60
"""On a backlog they close by bytes, as they do by default; the last ones are waited for."""
POLL_SECONDS = 0.2
DIFFERENT_EVENTS = 200_000
SMALL_BYTES = 1 << 20


class Written(NamedTuple):
    """What a worker took from its first assignment to its last commit, and the files that it left."""

    first: Mark
    last: Mark
    peak_rss_mib: float
    objects: int
    small: int
    """Objects under 1 MiB."""
    stored_mib: float
    bad: int
    """Records under `_bad`."""


async def write(
    server: str, topic: str, count: int, folder: Path, *, max_seconds: int, timeout_s: float
) -> Written:
    """Write a topic of `count` records to a store in `folder`, which is removed again."""
    prefix = f"bronze-{uuid.uuid4().hex[:8]}."
    place = folder / prefix
    environ = worker.environment(server, topic, prefix, place / "data") | {
        "SLUICE_BRONZE_URL": f"file://{place}/store",
        "SLUICE_BRONZE_MAX_SECONDS": str(max_seconds),
    }
    settings = worker.settings_of(environ)
    await topics.create(settings)
    ends = await ends_of(settings, topic)
    store = store_at(settings.bronze_url)
    try:
        with Child(COMMAND, folder / "d.log", environ) as child:
            first = await asyncio.to_thread(child.wait_line, worker.OWNS, worker.START_SECONDS)
            await _committed(store, child, ends, timeout_s)
            last, peak_rss_mib = child.mark(), child.peak_rss_mib()
        entries = [entry async for entry in BronzeReader(store).objects()]
    finally:
        shutil.rmtree(place, ignore_errors=True)
    rows = sum(entry.rows for entry in entries)
    if rows != count:
        raise RuntimeError(f"of {count} records {rows} are in Bronze")
    sizes = [entry.bytes for entry in entries]
    small = sum(size < SMALL_BYTES for size in sizes)
    bad = sum(entry.rows for entry in entries if entry.path.startswith("_bad/"))
    return Written(first, last, peak_rss_mib, len(sizes), small, sum(sizes) / 2**20, bad)


async def _committed(store: Store, child: Child, ends: Mapping[int, int], timeout_s: float) -> None:
    """Return as soon as the commits cover these end offsets. Raises `RuntimeError` if the worker ends."""
    async with asyncio.timeout(timeout_s):
        while True:
            child.check()
            nexts = {partition: commit.next async for _, partition, commit in BronzeReader(store).commits()}
            if all(nexts.get(partition, 0) >= end for partition, end in ends.items()):
                return
            await asyncio.sleep(POLL_SECONDS)


def repeated(count: int) -> Iterator[Record]:
    """`count` records of `DIFFERENT_EVENTS` events again and again: Bronze does not look for duplicates."""
    some = list(events(min(count, DIFFERENT_EVENTS)))
    return islice(chain.from_iterable(cycle([some])), count)


async def backlog(server: str, count: int, folder: Path, *, timeout_s: float) -> Written:
    """Fill a topic with `count` records, then write them all."""
    topic = f"bench.backlog.{uuid.uuid4().hex[:8]}"
    settings = worker.settings_of(worker.environment(server, topic, "backlog.", folder))
    await topics.create(settings)
    started = time.monotonic()
    await load(settings, topic, repeated(count))
    print(f"filled {topic} in {time.monotonic() - started:.0f} s", flush=True)
    return await write(server, topic, count, folder, max_seconds=BACKLOG_SECONDS, timeout_s=timeout_s)
