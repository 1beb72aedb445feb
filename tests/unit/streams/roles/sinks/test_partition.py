"""What a partition of a sink commits, and what it must never write: on a store in memory."""

from __future__ import annotations

import asyncio
import json
import time
from typing import Any, cast

import pytest
from aiokafka import TopicPartition
from faust.types import TP

from agents.bronze.commit import Committer
from agents.bronze.range import RangeBuilder
from agents.bronze.store import StoreError
from agents.sink import OvertakenError, Resumed
from agents.views.projector import GapError
from streams.kafka.batches import Fetched
from streams.roles.bronze.sink import BronzeSink
from streams.roles.progress import RecreatedTopicError
from streams.roles.sinks.memory import Memory
from streams.roles.sinks.partition import SinkPartition
from streams.roles.sinks.source import PartitionSource
from streams.settings import Settings
from streams.store.bronze_reader import BronzeReader
from streams.store.bronze_verify import verify
from tests.support.bronze import MemoryStore, Record, builder, nothing
from tests.support.events import AT_MS as NOW_MS
from tests.support.events import click
from tests.support.kafka import wait_until
from tests.support.roles import FixedClock, Thread, identity_of, progress_of

TOPIC = "events.raw"


class Bronze:
    """A partition on a `MemoryStore`; its ranges close when they are flushed, or full."""

    def __init__(self, until: int | None = None, max_seconds: float = 3600) -> None:
        self.store = MemoryStore()
        self.clock = FixedClock(NOW_MS)
        self.ended: list[Exception] = []
        sink = BronzeSink(Settings.load({}), self.store)
        sink._committers[TOPIC, 0] = Committer(self.store, TOPIC, 0, "nonce", lambda *_: None)
        tp = TP(TOPIC, 0)
        self.partition = SinkPartition(
            sink,
            PartitionSource(tp, cast(Any, Thread()), 0, identity_of(tp)),
            Resumed(builder(0, until=until)),
            progress_of(tp, "newest Bronze commit goes up to", self.clock),
            Memory(),
            max_seconds=max_seconds,
            on_failure=self.failed,
            clock=self.clock,
        )

    def failed(self, partition: SinkPartition[RangeBuilder]) -> None:
        assert partition.failure is not None
        self.ended.append(partition.failure)

    async def take(self, first: int, end: int, epoch: int = 0) -> None:
        records = [Record(offset, NOW_MS + offset, click(offset)) for offset in range(first, end)]
        batches: list[Any] = [records] if records else []
        await self.partition.process(Fetched(TopicPartition(TOPIC, 0), first, end, batches, end, epoch))

    def commits(self) -> list[str]:
        return [path for path in self.store.files if path.startswith("_commits/")]

    async def rows(self) -> list[int]:
        """The offsets of committed rows."""
        return sorted([json.loads(row)["_kafka"]["offset"] async for row in BronzeReader(self.store).rows()])


@pytest.fixture
async def bronze() -> Any:
    made = Bronze()
    yield made
    await made.partition.release()


async def test_a_batch_that_fails_in_the_middle_is_never_written(
    bronze: Bronze, monkeypatch: pytest.MonkeyPatch
) -> None:
    await bronze.take(0, 5)
    await bronze.partition.flush()
    await bronze.take(5, 7)
    real = RangeBuilder._group

    def fail_half_way(self: RangeBuilder, *args: Any) -> None:
        real(self, *args)
        raise ZeroDivisionError

    monkeypatch.setattr(RangeBuilder, "_group", fail_half_way)
    with pytest.raises(ZeroDivisionError):
        await bronze.take(7, 9)
    monkeypatch.undo()
    await bronze.partition.flush()  # as a worker does on its way out
    await bronze.take(7, 9)
    assert bronze.partition.failure
    assert await bronze.rows() == [0, 1, 2, 3, 4]
    assert (await verify(bronze.store)).problems == []


async def test_a_commit_that_is_cancelled_is_taken_up_by_the_next_owner(bronze: Bronze) -> None:
    def stop_at_commits(operation: str, path: str) -> None:
        if operation == "create" and path.startswith("_commits"):
            raise StoreError("away")

    bronze.store.before = stop_at_commits
    await bronze.take(0, 5)
    flushing = asyncio.create_task(bronze.partition.flush())
    await wait_until(lambda: any("event=" in path for path in bronze.store.files), "objects")
    await bronze.partition.release()
    await flushing
    bronze.store.before = nothing
    resumed = await Committer(bronze.store, TOPIC, 0, "other", lambda *_: None).resume(None)
    assert resumed.next in (None, 5), "nothing of it, or all"
    assert (await verify(bronze.store)).problems == []


async def test_two_flushes_at_a_time_both_end(bronze: Bronze) -> None:
    await bronze.take(0, 3)
    first = asyncio.create_task(bronze.partition.flush())
    await asyncio.sleep(0)
    await bronze.take(3, 5)
    async with asyncio.timeout(5):
        await asyncio.gather(first, bronze.partition.flush())
    assert await bronze.rows() == [0, 1, 2, 3, 4]


async def test_old_epochs_overlaps_and_gaps(bronze: Bronze) -> None:
    bronze.partition.min_epoch = 1
    await bronze.take(0, 5, epoch=0)
    assert bronze.partition.position == 0, "fetched before the last seek"
    await bronze.take(0, 5, epoch=1)
    await bronze.take(3, 8, epoch=1)
    with pytest.raises(GapError):
        await bronze.take(9, 10, epoch=1)
    await bronze.partition.flush()
    assert await bronze.rows() == list(range(8))


async def test_what_is_lost_within_a_settled_range_begins_it_again() -> None:
    bronze = Bronze(until=10)
    await bronze.take(0, 4)
    await bronze.partition.lose(6)
    assert [type(error) for error in bronze.ended] == [OvertakenError]
    assert bronze.partition.failure
    assert bronze.store.files == {}
    await bronze.partition.release()


async def test_a_topic_that_ends_below_what_was_read_was_recreated(bronze: Bronze) -> None:
    await bronze.take(0, 5)
    bronze.partition.saw_end(2, 2, 5)
    bronze.partition.saw_end(9, 9, 5)
    bronze.partition.saw_end(2, 2, 2)  # asked before more was read
    bronze.partition.saw_end(2, 2, 5)
    with pytest.raises(RecreatedTopicError, match=r"ends at 2, but its newest Bronze commit goes up to 5"):
        bronze.partition.saw_end(2, 2, 5)


async def test_while_behind_a_range_is_not_closed_by_its_age() -> None:
    bronze = Bronze(max_seconds=0.2)
    bronze.partition.saw_end(1000, 1000, 0)
    started = time.monotonic()
    for first in range(0, 1000, 10):
        await bronze.take(first, first + 10)
        bronze.partition.saw_end(1000 + first, 1000 + first, bronze.partition.position)
        await asyncio.sleep(0.01)  # longer than its age, and not ten times as long
    if time.monotonic() - started < 1.8:
        assert bronze.store.files == {}, "nothing is written yet"
    bronze.partition.saw_end(1000, 1000, 1000)
    await wait_until(lambda: bronze.partition.committed == 1000, "time to count now", seconds=10)
    assert len(bronze.commits()) == 1 or time.monotonic() - started > 1.8
    await bronze.partition.release()


async def test_while_behind_a_range_is_closed_by_ten_times_its_age() -> None:
    bronze = Bronze(max_seconds=0.05)
    bronze.partition.saw_end(1000, 1000, 0)
    await bronze.take(0, 5)
    started = time.monotonic()
    await wait_until(lambda: bronze.partition.committed == 5, "the range to be closed", seconds=10)
    assert time.monotonic() - started > 0.4
    await bronze.partition.release()


async def test_while_behind_a_flush_and_scarce_memory_close_a_range(bronze: Bronze) -> None:
    bronze.partition.saw_end(1000, 1000, 0)
    await bronze.take(0, 5)
    await bronze.partition.flush()
    assert await bronze.rows() == [0, 1, 2, 3, 4]
    await bronze.take(5, 7)
    bronze.partition.close_early()
    await wait_until(lambda: bronze.partition.committed == 7, "the range to be closed")
    await bronze.take(7, 9)
    await asyncio.sleep(0.05)
    assert bronze.partition.committed == 7, "the one after it is not closed early, too"


async def test_the_age_of_what_is_not_committed(bronze: Bronze) -> None:
    partition = bronze.partition
    partition.saw_end(0, 0, 0)
    assert partition.oldest_uncommitted_ms() is None
    bronze.clock.ms = NOW_MS + 9
    partition.saw_end(0, 7, 0)  # behind somebody's open transaction
    assert partition.oldest_uncommitted_ms() == NOW_MS
    await bronze.take(0, 5)
    assert partition.oldest_uncommitted_ms() == NOW_MS, "its own timestamp, until it is written"
    await partition.flush()
    bronze.clock.ms = NOW_MS + 20
    partition.saw_end(5, 7, 5)
    assert partition.oldest_uncommitted_ms() == NOW_MS
    await bronze.take(5, 7)
    await partition.flush()
    for second in range(1, 60):  # never caught up at a look, but what was there a second ago is done
        await bronze.take(7 + second - 1, 7 + second)
        bronze.clock.ms = NOW_MS + second * 1000
        partition.saw_end(7 + second + 1, 7 + second + 1, 7 + second)
        await partition.flush()
    assert partition.oldest_uncommitted_ms() == NOW_MS + 58_000


async def test_it_is_behind_by_what_is_unread_and_by_what_waits_for_longer_than_a_range_may() -> None:
    bronze = Bronze(max_seconds=60)
    partition, clock = bronze.partition, bronze.clock
    partition.saw_end(0, 0, 0)
    await bronze.take(0, 5)
    assert partition.lag_seconds(NOW_MS + 599_000) == 0, "a range may be that old, and all is read"
    assert partition.lag_seconds(NOW_MS + 610_000) == pytest.approx(10), "the store takes nothing"
    clock.ms = NOW_MS + 1_000
    partition.saw_end(5, 5, 5)
    clock.ms = NOW_MS + 31_000
    partition.saw_end(5, 9, 5)  # behind somebody's open transaction
    assert partition.lag_seconds(clock.ms) == 30
    await bronze.take(5, 9)
    assert partition.lag_seconds(clock.ms) == 0
    await partition.release()
