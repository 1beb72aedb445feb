"""Sends many records fast, and knows for certain which of them Kafka has acknowledged.

One idempotent producer; records are packed into a batch per partition here, because aiokafka's `send` creates
a future for each. While Kafka is unavailable it waits: an idempotent batch is retried until it is written,
and written once. A record that a broker refuses for good (larger than the topic takes) raises `RefusedError`.
"""

from __future__ import annotations

import asyncio
import contextlib
import math
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import lru_cache
from itertools import count
from typing import Any

from aiokafka import AIOKafkaProducer
from aiokafka.errors import (
    KafkaError,
    KafkaTimeoutError,
    MessageSizeTooLargeError,
    TransactionalIdAuthorizationFailed,
)
from aiokafka.partitioner import murmur2

from streams.kafka.authorized_operations import is_hidden
from streams.kafka.availability import connected_admin
from streams.kafka.client import client_kwargs, send_batch, started
from streams.kafka.raw_batch import RawBatch, RawHeader
from streams.kafka.refusals import in_words, no_right, refusal
from streams.kafka.write_failures import FENCED
from streams.settings import Settings

BATCH_BYTES = 256 * 1024
CLOSE_SECONDS = 2.0
START_TRIES = 3


class RefusedError(Exception):
    """Kafka refuses a record or has no such topic; the text states which, and how to fix it."""


class NoTopicError(RefusedError):
    """Kafka has no such topic."""


@dataclass
class _Open:
    """A batch that is being filled."""

    builder: Any
    records: int
    first: str
    last: str


class Outbox:
    """Batches being sent to one topic. `acknowledged` counts records that are certainly in Kafka.

    `transactional`: what is added belongs to the producer's current transaction.
    """

    def __init__(
        self, producer: AIOKafkaProducer, topic: str, partitions: int, *, transactional: bool = False
    ) -> None:
        self._producer = producer
        self._topic = topic
        self._partitions = partitions
        self._transactional = transactional
        self._open: dict[int, _Open] = {}
        self._pending: set[asyncio.Future[Any]] = set()
        self._refused: BaseException | None = None
        self._next = 0
        self.acknowledged = 0
        self.last_answer = time.monotonic()

    @property
    def unanswered_seconds(self) -> float:
        """How long Kafka has owed an answer; 0 when it owes none."""
        return time.monotonic() - self.last_answer if self._pending else 0.0

    async def add(
        self,
        key: bytes | None,
        value: bytes | None,
        origin: str,
        partition: int | None = None,
        headers: Sequence[RawHeader] = (),
    ) -> None:
        """Put a record into its partition's batch, with the current time as timestamp; a full batch is sent.

        `origin` states in an error where the record came from. Raises `RefusedError`.
        """
        if self._refused is not None:
            raise self._refused
        if partition is None:
            partition = self._partition_of(key)
        stamp = time.time_ns() // 1_000_000
        try:
            named = [(name.decode(), text) for name, text in headers]
        except UnicodeDecodeError:
            raw = RawBatch(stamp, key, value, headers, transactional=self._transactional)
            await self._add_raw(raw, origin, partition)
            return
        record = {"timestamp": stamp, "key": key, "value": value, "headers": named}
        batch = self._open.get(partition)
        if batch is not None and batch.builder.append(**record) is None:
            await self._submit(partition)
            batch = None
        if batch is None:
            batch = self._open[partition] = _Open(self._producer.create_batch(), 0, origin, origin)
            batch.builder.append(**record)
        batch.records += 1
        batch.last = origin

    async def _add_raw(self, batch: RawBatch, origin: str, partition: int) -> None:
        """Send a full batch, after what was added before it."""
        if partition in self._open:
            await self._submit(partition)
        self._open[partition] = _Open(batch, 1, origin, origin)
        await self._submit(partition)

    async def flush(self) -> None:
        """Send what has been added, without waiting for Kafka's answer."""
        for partition in list(self._open):
            await self._submit(partition)

    async def settle(self) -> None:
        """Return when Kafka has acknowledged all that was added. Raises `RefusedError`."""
        await self.flush()
        while self._pending:
            await asyncio.wait(self._pending)
            await asyncio.sleep(0)  # the futures' callbacks
        if self._refused is not None:
            raise self._refused

    def _partition_of(self, key: bytes | None) -> int:
        if key is None:
            self._next = (self._next + 1) % self._partitions
            return self._next
        return kafka_hash(key) % self._partitions

    async def _submit(self, partition: int) -> None:
        batch = self._open.pop(partition)
        if not self._pending:
            self.last_answer = time.monotonic()
        while True:
            with contextlib.suppress(KafkaTimeoutError):  # its queue stayed full: Kafka is down or slow
                answer = await send_batch(self._producer, batch.builder, self._topic, partition)
                break
        self._pending.add(answer)
        answer.add_done_callback(lambda future: self._answered(future, batch))

    def _answered(self, answer: asyncio.Future[Any], batch: _Open) -> None:
        self._pending.discard(answer)
        self.last_answer = time.monotonic()
        error = None if answer.cancelled() else answer.exception()
        if error is not None:
            self._refused = self._refused or _refusal(error, self._topic, batch)
        elif not answer.cancelled():
            self.acknowledged += batch.records


@lru_cache(maxsize=65536)
def kafka_hash(key: bytes) -> int:
    """Kafka's own hash of a key, so that an event goes to the partition that its producer would choose."""
    return int(murmur2(key)) & 0x7FFFFFFF


def _refusal(error: BaseException, topic: str, batch: _Open) -> BaseException:
    if not isinstance(error, KafkaError) or isinstance(error, FENCED):
        return error
    if (refused := refusal(error, "Write")) is not None:
        return RefusedError(refused)
    where = batch.first if batch.records == 1 else f"{batch.first} to {batch.last}"
    if isinstance(error, MessageSizeTooLargeError):
        return RefusedError(f"{where}: larger than the topic {topic} takes (its max.message.bytes)")
    return RefusedError(f"{where}: Kafka refused it for the topic {topic} ({type(error).__name__}: {error})")


@asynccontextmanager
async def outbox(settings: Settings, topic: str) -> AsyncIterator[Outbox]:
    """An `Outbox` for a topic. Waits with back-off while Kafka is unavailable.

    Raises `RefusedError` if there is no such topic. On leaving, batches that Kafka has not acknowledged
    within a few seconds are given up.
    """
    partitions = await partition_count(settings, topic, "Write")
    producer = await started_producer(settings)
    try:
        yield Outbox(producer, topic, partitions)
    finally:
        try:
            async with asyncio.timeout(CLOSE_SECONDS):
                await producer.stop()
        except (TimeoutError, KafkaError):
            await producer.client.close()


async def started_producer(
    settings: Settings, transactional_id: str | None = None, *, compression: str = "lz4"
) -> AIOKafkaProducer:
    """An idempotent producer for outboxes. Waits with back-off while Kafka is unavailable. Raises
    `RefusedError`.

    With a transactional id, the former holder is fenced and its transaction aborted.
    """
    producer = AIOKafkaProducer(
        **client_kwargs(settings), client_id="sluice-replay", enable_idempotence=True,
        max_batch_size=BATCH_BYTES, compression_type=compression, transactional_id=transactional_id,
        transaction_timeout_ms=settings.session_seconds * 1000,
    )  # fmt: skip
    # aiokafka gives up an idempotent batch in one case: its partition has no leader and the batch is older
    # than the request time-out. That is a broker that comes back after a minute, and the batch's sequence
    # number would be lost with it.
    producer._message_accumulator._batch_ttl = math.inf
    return await started(producer, _start(producer, settings))


async def partition_count(settings: Settings, topic: str, operation: str) -> int:
    """How many partitions a topic has. Waits for Kafka. Raises `NoTopicError` if there is no such topic, and
    `RefusedError` if we may not even know: `operation` is what is to be done with it."""
    async with connected_admin(settings) as admin:
        if topic not in await admin.list_topics():
            if await is_hidden(admin, topic):
                raise RefusedError(no_right(f"{operation} topic {topic}"))
            raise NoTopicError(f"there is no topic {topic}: `sluice topics create` makes it")
        (described,) = await admin.describe_topics([topic])
        return len(described["partitions"])


async def _start(producer: AIOKafkaProducer, settings: Settings) -> None:
    """Start it, waiting while Kafka is unavailable. Raises `RefusedError` if Kafka answers and refuses."""
    for tries in count(1):
        try:
            await producer.start()
        except TransactionalIdAuthorizationFailed:
            name = producer._txn_manager.transactional_id
            raise RefusedError(no_right(f"Write transactional id {name}")) from None
        except (KafkaError, OSError) as error:
            if tries >= START_TRIES and isinstance(error, KafkaError) and not error.retriable:
                raise RefusedError(f"Kafka refuses a producer: {in_words(error)}") from None
            async with connected_admin(settings):
                pass  # it has logged that Kafka is unavailable, and waited for it
        else:
            return
