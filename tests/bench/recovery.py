"""Recovery: how long a worker takes to own a million open payouts, from a feed after an hour of churn.

The feed is written by the worker's own code: `Projector` and `FeedWriter`, a checkpoint for every 50 ms
of the hour. Only the transactions are larger than a worker's, `CHECKPOINTS_PER_TRANSACTION` in one, or it
would take an hour; what is in the feed is the same. The worker is then started as a user does, on the raw
topic and this feed.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Iterator
from itertools import groupby
from pathlib import Path
from statistics import median
from typing import Any, NamedTuple

from agents.protocols import FeedRecord
from agents.views.projector import Projector
from schemas.validation.validator import Validator
from streams.chosen_views import limits_of
from streams.feed.writer import FeedWriter
from streams.kafka import topics
from streams.settings import Settings
from streams.sources.market import Record
from tables.fold.state import PartitionState
from tables.views import VIEWS
from tests.bench import worker
from tests.bench.load import PARTITIONS, ends_of, load, partition_of
from tests.bench.payouts import payouts
from tests.bench.process import Child, Mark

CHECKPOINT_US = 50_000
CHECKPOINTS_PER_TRANSACTION = 50


class Recovery(NamedTuple):
    """What was measured: medians of several starts."""

    open_payouts: int
    feed_records: int
    feed_mib: float
    recovered_s: float
    start_to_owned_s: float
    peak_rss_mib: float


class _Stored(NamedTuple):
    """A record as a record batch yields it."""

    offset: int
    timestamp: int
    key: bytes | None
    value: bytes | None


class _Batch(list[_Stored]):
    """A record batch of one checkpoint interval."""

    @property
    def base_offset(self) -> int:
        return self[0].offset


class _Writer:
    """One partition's views worker without Kafka's consumer: folds intervals, and writes them in bundles."""

    def __init__(self, settings: Settings, topic: str, partition: int) -> None:
        self._now_ms = 0
        state = PartitionState(topic, tuple(VIEWS.values()), limits_of(settings))
        self._projector = Projector(topic, partition, state, Validator(), lambda: self._now_ms)
        self.log = FeedWriter(settings, topic, partition)
        self._unwritten: list[FeedRecord] = []
        self._checkpoints = 0

    async def take(self, records: list[Record]) -> None:
        """Fold one interval and write its checkpoint."""
        first = self._projector.state.next_offset
        batch = _Batch(
            _Stored(offset, record.at_us // 1000, record.key, record.value)
            for offset, record in enumerate(records, first)
        )
        self._now_ms = batch[-1].timestamp
        self._projector.fold(first, first + len(batch), [batch])
        interval = self._projector.interval()
        assert interval is not None
        assert not interval.quarantine
        self._unwritten += interval.feed
        self._checkpoints += 1
        if self._checkpoints % CHECKPOINTS_PER_TRANSACTION == 0:
            await self.flush()

    async def flush(self) -> None:
        """Write what has been folded."""
        if self._unwritten:
            await self.log.commit(self._unwritten, [])
            self._unwritten = []


def _intervals(open_payouts: int) -> Iterator[list[Record]]:
    for _, records in groupby(payouts(open_payouts), lambda record: record.at_us // CHECKPOINT_US):
        yield list(records)


async def build(server: str, open_payouts: int, folder: Path) -> dict[str, str]:
    """Fill a raw topic and its feed, unless they are there; answers the worker's environment."""
    topic = f"bench.payouts.{open_payouts}"
    environ = worker.environment(server, topic, f"payouts-{open_payouts}.", folder)
    settings = worker.settings_of(environ)
    await topics.create(settings)
    if sum((await ends_of(settings, settings.topic("views.feed"))).values()):
        return environ
    await load(settings, topic, payouts(open_payouts))
    writers = [_Writer(settings, topic, partition) for partition in range(PARTITIONS)]
    for writer in writers:
        await writer.log.open()
    for records in _intervals(open_payouts):
        shares: dict[int, list[Record]] = {}
        for record in records:
            shares.setdefault(partition_of(record.key), []).append(record)
        await asyncio.gather(*(writers[partition].take(share) for partition, share in shares.items()))
    for writer in writers:
        await writer.flush()
        await writer.log.close()
    return environ


def measure(
    environ: dict[str, str], open_payouts: int, kafka_folder: Path, log: Path, rounds: int
) -> Recovery:
    """Start a worker on it `rounds` times."""
    feed = worker.settings_of(environ).topic("views.feed")
    files = kafka_folder.glob(f"data/{feed}-*/*.log")
    size = sum(file.stat().st_size for file in files) / 2**20
    starts: list[tuple[float, float, float]] = []
    records = 0
    for _ in range(rounds):
        with Child(worker.COMMAND, log, environ) as child:
            begun = child.mark()
            owns = child.wait_line(worker.OWNS, worker.START_SECONDS)
            seconds = re.search(r"after ([\d.]+) s", owns.line)
            assert seconds is not None
            # A worker waits some seconds for its partitions, then says that it owns them, recovered or not.
            late_s = max(0.0, _all_recovered(child, environ["SLUICE_RAW_TOPICS"]).at_s - owns.at_s)
            recovered_s, owned_s = float(seconds[1]) + late_s, owns.at_s + late_s - begun.at_s
            starts.append((recovered_s, owned_s, child.peak_rss_mib()))
            records = _recovered_records(child)
    middle = [median(column) for column in zip(*starts, strict=True)]
    return Recovery(open_payouts, records, size, *middle)


def _all_recovered(child: Child, topic: str) -> Mark:
    """When the last partition was recovered."""
    return max(
        child.wait_line(rf"recovered {re.escape(topic)}-{partition}: ", worker.START_SECONDS)
        for partition in range(PARTITIONS)
    )


def _recovered_records(child: Child) -> int:
    lines: list[Any] = [re.search(r"recovered .*?: (\d+) records", line) for line in child.lines()]
    return sum(int(found[1]) for found in lines if found)
