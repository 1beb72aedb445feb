"""The compacted feed for a worker: one transactional writer per source partition, and its recovery.

Every checkpoint is one Kafka transaction: changed partials, the interval's quarantine records and, last,
the checkpoint record. The transactional id is fixed per source partition, so that a new owner of the
partition fences the former owner and aborts its open transaction.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from functools import partial
from typing import Any

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition

from agents.protocols import FeedRecord
from agents.quarantine.record import Message
from agents.quarantine.source_headers import Header
from streams.clock import SYSTEM_CLOCK
from streams.feed.alien_records import OwnState, Restore
from streams.feed.quarantine import QuarantineWriter, Record
from streams.kafka.batches import fetch_batches, parts_of
from streams.kafka.client import (
    begin_transaction,
    client_kwargs,
    send_batch,
    stop_quietly,
    transactional_producer,
)
from streams.kafka.record_size import LargestBatch, name_topic
from streams.settings import Settings

log = logging.getLogger(__name__)

BATCH_BYTES = 256 * 1024
RECOVERY_FETCH_BYTES = 4 << 20
PART_RECORDS = 2048
"""Records that are restored together: those of a dozen checkpoints and more."""


class FeedWriter:
    """The feed and the quarantine of one source partition (`agents.protocols.Log`).

    `check` is awaited before each commit, when everything is sent: it refuses the commit by raising.
    `transactional_id`: its own; None: that of the partition's writer. `transaction_seconds`: how long one
    transaction may take; None: a session time-out.
    """

    def __init__(
        self,
        settings: Settings,
        topic: str,
        partition: int,
        check: Callable[[], Awaitable[None]] | None = None,
        *,
        transactional_id: str | None = None,
        transaction_seconds: int | None = None,
    ) -> None:
        self.transactional_id = transactional_id or f"{settings.group('views')}-{topic}-{partition}"
        """Fixed per source partition: a second holder fences the first."""
        self._check = check
        self._transaction_ms = 1000 * (transaction_seconds or settings.session_seconds)
        self._settings = settings
        self._topic = topic
        self._partition = partition
        self._feed = settings.topic("views.feed")
        self._quarantine = settings.topic("events.quarantine")
        self._largest = LargestBatch(settings, self._quarantine)
        self._producer: AIOKafkaProducer | None = None

    async def open(self) -> None:
        """Become the writer of this partition: fences the former writer and aborts its open transaction."""
        self._producer = await transactional_producer(
            self._settings,
            self.transactional_id,
            max_batch_size=BATCH_BYTES,
            transaction_timeout_ms=self._transaction_ms,
        )

    async def close(self) -> None:
        """Release the partition; an open transaction is aborted by the next owner or by its time-out."""
        producer, self._producer = self._producer, None
        if producer is not None:
            await stop_quietly(producer)

    async def commit(self, feed: Sequence[FeedRecord], quarantine: Sequence[Message]) -> None:
        """One transaction. Raises (ProducerFenced among others) if it is not known to be committed."""
        producer = self._producer
        if producer is None:
            raise RuntimeError(f"the log of {self._topic}-{self._partition} is not open")
        no_headers: list[Header] = []
        plain = ((key, value, no_headers) for key, value in feed)
        bad = (
            QuarantineWriter(producer, self._quarantine, self._partition, self._largest)
            if quarantine
            else None
        )
        await commit_all(
            producer, self._partition, {self._feed: plain}, bad, quarantine, check=partial(self._settle, bad)
        )

    async def _settle(self, bad: QuarantineWriter | None) -> None:
        """All is sent: what was cut is logged before it counts, so that no crash comes in between."""
        if bad is not None and bad.cut:
            log.warning(
                "%d bad records of %s-%d are too large for %s and were cut: raise its max.message.bytes;"
                " Bronze has their values, in _bad",
                *(bad.cut, self._topic, self._partition, self._quarantine),
            )
        if self._check is not None:
            await self._check()

    async def recover(self, restore: Restore) -> int:
        """Pass the records of this source partition to `restore`, many at a time, of those of one key in one
        call the last; returns how many the feed has.

        Skips records that are not Sluice's. Raises `FeedFormatError`, which names the record, for one that
        counts and cannot be read.

        Call it after `open`: the high watermark of the first fetch is then final for this source partition.
        """
        feed = TopicPartition(self._feed, self._partition)
        own = OwnState(feed, self._topic, restore)
        count = await read_parts(self._settings, feed, own.take_all)
        own.end()
        return count


async def commit_all(
    producer: AIOKafkaProducer,
    partition: int,
    records: Mapping[str, Iterable[Record]],
    bad_log: QuarantineWriter | None = None,
    bad: Sequence[Record] = (),
    *,
    check: Callable[[], Awaitable[None]] | None = None,
) -> None:
    """One transaction: `records` by topic, in this order, all to the same partition number; and `bad`.

    `check` is awaited when everything is sent. Raises (ProducerFenced among others) if it is not known to be
    committed; the error names the topic that refused a write.
    """
    await begin_transaction(producer)
    sent: list[asyncio.Future[Any]] = []
    if bad_log is not None:
        sent.append(asyncio.create_task(bad_log.send(bad, SYSTEM_CLOCK.wall_ms())))
    try:
        for topic, of_topic in records.items():
            sent += await _send(producer, topic, partition, of_topic)
        # aiokafka commits without a batch that failed: every one must be known to be written.
        outcomes = await asyncio.gather(*sent, return_exceptions=True)
    except BaseException:
        for future in sent:
            future.cancel()
        await asyncio.gather(*sent, return_exceptions=True)
        raise
    for outcome in outcomes:
        if isinstance(outcome, BaseException):
            raise outcome
    if check is not None:
        await check()
    await producer.commit_transaction()


async def _send(
    producer: AIOKafkaProducer, topic: str, partition: int, records: Iterable[Record]
) -> list[asyncio.Future[Any]]:
    sent: list[asyncio.Future[Any]] = []
    batch = producer.create_batch()
    now_ms = SYSTEM_CLOCK.wall_ms()
    for key, value, headers in records:
        while batch.append(timestamp=now_ms, key=key, value=value, headers=headers) is None:
            sent.append(await _submit(producer, topic, partition, batch))
            batch = producer.create_batch()
    if batch.record_count():
        sent.append(await _submit(producer, topic, partition, batch))
    return sent


async def _submit(producer: AIOKafkaProducer, topic: str, partition: int, batch: Any) -> asyncio.Future[Any]:
    answer = await send_batch(producer, batch, topic, partition)

    def answered(future: asyncio.Future[Any]) -> None:
        error = None if future.cancelled() else future.exception()
        if error is not None:
            name_topic(error, topic, batch.size())

    answer.add_done_callback(answered)
    return answer


Take = Callable[[int, bytes | None, bytes | None], None]
"""Takes a record: offset, key, value."""


TakeAll = Callable[[Sequence[Any]], None]
"""Takes records with `.offset`, `.key` and `.value`, in order."""


async def read_partition(settings: Settings, tp: TopicPartition, take: Take) -> int:
    """Pass a partition's committed records to `take`, in order, up to its current high watermark."""

    def take_all(records: Sequence[Any]) -> None:
        for record in records:
            take(record.offset, record.key, record.value)

    return await read_parts(settings, tp, take_all)


async def read_parts(settings: Settings, tp: TopicPartition, take_all: TakeAll) -> int:
    """The same, by up to `PART_RECORDS` records a call. Raises `UnreadableBatchError`."""
    consumer = AIOKafkaConsumer(
        **client_kwargs(settings),
        client_id="sluice",
        isolation_level="read_committed",
        auto_offset_reset="earliest",
        max_partition_fetch_bytes=RECOVERY_FETCH_BYTES,
        fetch_max_wait_ms=20,
    )
    try:
        await consumer.start()
        consumer.assign([tp])
        await consumer.seek_to_beginning(tp)
        return await _read_to_end(consumer, tp, take_all)
    finally:
        await stop_quietly(consumer)


async def _read_to_end(consumer: AIOKafkaConsumer, tp: TopicPartition, take_all: TakeAll) -> int:
    # A new leader answers this only when its high watermark is what it was before.
    stable = (await consumer.end_offsets([tp]))[tp]
    position, end, count = await consumer.position(tp), None, 0
    while end is None or position < end:
        for fetched in await fetch_batches(consumer, 0.05 if end is None else 1.0):
            for part in parts_of(fetched, PART_RECORDS):
                take_all(part)
                count += len(part)
                await asyncio.sleep(0)
            position = fetched.after
        if end is None:
            # The high watermark, not the last stable offset: an open transaction of another
            # source topic can hold the latter below our records.
            highwater = consumer.highwater(tp)
            end = None if highwater is None else max(highwater, stable)
    return count
