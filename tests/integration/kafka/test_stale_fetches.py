"""Fetches that go on in the consumer's thread when nobody waits for them any more, on a real Kafka."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import suppress
from types import SimpleNamespace
from typing import Any

import pytest
from aiokafka import AIOKafkaConsumer, TopicPartition
from faust.types import TP

from streams.embedded.broker import EmbeddedKafka
from streams.faust.transport import BatchConsumerThread
from streams.kafka.batches import records_of
from tests.support.events import clicks
from tests.support.kafka import create_topics, produce, wait_until

LONG_SECONDS = 60.0
"""For fetches that are to end because there are records."""
RECORDS = 20


class Thread(BatchConsumerThread):
    """The consumer's thread with a partition assigned by hand: no group, no app."""

    def __init__(self, bootstrap: str, tp: TP) -> None:
        conf = SimpleNamespace(
            producer_partitioner=None, stream_processing_timeout=1, broker_commit_livelock_soft_timeout=1
        )
        app = SimpleNamespace(conf=conf)
        consumer: Any = SimpleNamespace(
            app=app,
            transport=SimpleNamespace(app=app),
            flow_active=True,
            RebalanceListener=lambda thread: thread,
        )
        super().__init__(consumer, loop=asyncio.get_running_loop())
        self.tp = tp
        self.bootstrap = bootstrap

    async def on_start(self) -> None:
        """In the thread: the consumer belongs to its loop."""
        self._consumer = consumer = AIOKafkaConsumer(bootstrap_servers=self.bootstrap, fetch_max_wait_ms=50)
        await consumer.start()
        consumer.assign([TopicPartition(*self.tp)])

    @property
    def waiting(self) -> int:
        """How many fetches wait for records."""
        return len(self._ensure_consumer()._fetcher._fetch_waiters)

    def fetching(self) -> asyncio.Task[Any]:
        """Ask for records."""
        return asyncio.create_task(self.getmany({self.tp}, LONG_SECONDS))

    async def offsets(self) -> list[int]:
        """Of all records that are read from now on."""
        found: list[int] = []
        with suppress(TimeoutError):
            async with asyncio.timeout(10):
                while len(found) < RECORDS:
                    for fetched in (await self.getmany({self.tp}, 1.0)).values():
                        found += [record.offset for record in records_of(fetched)]
        return found


@pytest.fixture
async def thread(kafka: EmbeddedKafka, prefix: str) -> AsyncIterator[Thread]:
    tp = TP(f"{prefix}raw", 0)
    await create_topics(kafka.bootstrap, tp.topic)
    thread = Thread(kafka.bootstrap, tp)
    await thread.start()
    try:
        await thread.begin_at({tp: 0})
        yield thread
    finally:
        await thread.stop()


async def sent(thread: Thread) -> None:
    await produce(thread.bootstrap, thread.tp.topic, clicks(RECORDS))


@pytest.mark.parametrize(("cancelled", "sought"), [(True, True), (True, False), (False, True)])
async def test_a_fetch_that_waits_takes_nothing_of_what_comes_after(
    thread: Thread, *, cancelled: bool, sought: bool
) -> None:
    fetching = thread.fetching()
    await wait_until(lambda: thread.waiting == 1, "a fetch to wait for records")
    if cancelled:
        fetching.cancel()
        await asyncio.wait([fetching])
    if sought:
        await thread.begin_at({thread.tp: 0})
    await sent(thread)
    await wait_until(lambda: thread.waiting == 0, "the fetch to end")
    if not cancelled:
        assert await fetching == {}
    assert await thread.offsets() == list(range(RECORDS))


async def test_a_fetch_that_begins_after_a_seek_takes_nothing(thread: Thread) -> None:
    """Both workers of Faust's queue are busy when it is asked for."""
    free = asyncio.Event()
    busy = [asyncio.create_task(thread.call_thread(free.wait)) for _ in range(2)]
    fetching = thread.fetching()
    queue = thread.method_queue._queue
    await wait_until(lambda: queue.qsize() == 1, "the fetch to be queued")
    await thread.begin_at({thread.tp: 0})
    await sent(thread)
    fetcher = thread._ensure_consumer()._fetcher
    await wait_until(lambda: fetcher._records, "records to be there")
    thread.thread_loop.call_soon_threadsafe(free.set)
    await asyncio.gather(*busy)
    assert await fetching == {}
    assert await thread.offsets() == list(range(RECORDS))


async def test_a_fetch_that_is_waited_for_takes_what_there_is(thread: Thread) -> None:
    fetching = thread.fetching()
    await wait_until(lambda: thread.waiting == 1, "a fetch to wait for records")
    await sent(thread)
    (fetched,) = (await fetching).values()
    assert (fetched.before, fetched.epoch) == (0, 1)
