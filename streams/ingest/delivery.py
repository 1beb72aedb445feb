"""Sends events to Kafka, and says of each request when all of its events are there.

Of each partition one batch is under way; what comes meanwhile is the next. So a lone event waits for nobody,
and many requests share a batch. An idempotent batch is retried until it is written, and written once.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from aiokafka import AIOKafkaProducer, TopicPartition
from aiokafka.errors import KafkaError, KafkaTimeoutError, ProducerClosed

from agents.backoff import Backoff
from streams.kafka.client import send_batch, stop_quietly
from streams.kafka.producer import RefusedError, kafka_hash, partition_count, started_producer
from streams.kafka.record_size import TOO_LARGE, forget_refused
from streams.kafka.write_failures import log_failed_write
from streams.settings import Settings
from streams.sources.mappings.verdicts import Sendable

log = logging.getLogger(__name__)


class NotDeliveredError(Exception):
    """Kafka has not acknowledged all events, and it is not known which of them it has."""


@dataclass
class _Batch:
    """Events of one partition that are sent together. `done`: which of them Kafka refused for their size, by
    their `id`; events of several requests may be in it."""

    builder: Any
    done: asyncio.Future[frozenset[int]]
    events: list[Sendable] = field(default_factory=list)


class _Lane:
    """What is sent to one partition: one batch after the other."""

    def __init__(self) -> None:
        self.waiting: deque[_Batch] = deque()
        self.sending: asyncio.Task[None] | None = None


class Delivery:
    """The way to a topic. `waiting_for` says what it cannot do without yet; None: it is open."""

    def __init__(self, settings: Settings, topic: str) -> None:
        self.waiting_for: str | None = "Kafka"
        self.topic = topic
        self._settings = settings
        self._lanes: dict[int, _Lane] = {}
        self._producer: AIOKafkaProducer | None = None
        self._partitions = 0
        self._next = 0
        self._replacing: asyncio.Task[None] | None = None
        self._oldest: dict[int, float] = {}

    @property
    def unanswered_seconds(self) -> float:
        """How long Kafka has owed an answer; 0 when it owes none."""
        return time.monotonic() - min(self._oldest.values()) if self._oldest else 0.0

    async def start(self) -> None:
        """Wait for Kafka. Raises `RefusedError` if there is no such topic."""
        self._partitions = await partition_count(self._settings, self.topic, "Write")
        self._producer = await started_producer(self._settings, compression="snappy")
        self.waiting_for = None

    def add(self, events: Sequence[Sendable]) -> list[asyncio.Future[frozenset[int]]]:
        """Put events on their way. Each future is done when Kafka has acknowledged its part of them: with the
        `id` of each that is too large for the topic. Raises `NotDeliveredError`, and the futures do."""
        if self._producer is None or self.waiting_for is not None:
            raise NotDeliveredError(f"waiting for {self.waiting_for}")
        known = self._producer.client.cluster.partitions_for_topic(self.topic)
        self._partitions = len(known or ()) or self._partitions  # a topic may grow
        parts: dict[int, asyncio.Future[frozenset[int]]] = {}
        stamp = time.time_ns() // 1_000_000
        for event in events:
            batch = self._batch_for(self._partition_of(event.key), event, stamp)
            batch.events.append(event)
            parts[id(batch)] = batch.done
        return list(parts.values())

    def _partition_of(self, key: bytes | None) -> int:
        if key is None:
            self._next = (self._next + 1) % self._partitions
            return self._next
        return kafka_hash(key) % self._partitions

    def _batch_for(self, partition: int, event: Sendable, stamp: int) -> _Batch:
        """The partition's last waiting batch with the event in it; a new one if that is full."""
        assert self._producer is not None
        lane = self._lanes.setdefault(partition, _Lane())
        record = {"timestamp": stamp, "key": event.key, "value": event.value}
        if lane.waiting and lane.waiting[-1].builder.append(**record) is not None:
            return lane.waiting[-1]
        batch = _Batch(self._producer.create_batch(), asyncio.get_running_loop().create_future())
        batch.done.add_done_callback(_take)
        batch.builder.append(**record)
        lane.waiting.append(batch)
        if lane.sending is None:
            lane.sending = asyncio.create_task(self._send_all(partition, lane), name=f"deliver-{partition}")
        return batch

    async def _send_all(self, partition: int, lane: _Lane) -> None:
        try:
            while lane.waiting:
                batch = lane.waiting.popleft()
                self._oldest[partition] = time.monotonic()
                await self._send(partition, batch)
        finally:
            lane.sending = None
            self._oldest.pop(partition, None)

    async def _send(self, partition: int, batch: _Batch) -> None:
        try:
            too_large = await self._written(partition, batch)
        except Exception as error:  # noqa: BLE001 - whatever it is, the requests have to hear of it
            batch.done.set_exception(NotDeliveredError(f"{type(error).__name__}"))
            self._fail(error)
        except asyncio.CancelledError:
            batch.done.set_exception(NotDeliveredError("ingest is ending"))
            raise
        else:
            batch.done.set_result(too_large)

    async def _written(self, partition: int, batch: _Batch) -> frozenset[int]:
        """Send a batch; event by event if Kafka refuses it for its size. Raises Kafka's errors."""
        if await self._is_taken(partition, batch.builder):
            return frozenset()
        if len(batch.events) == 1:
            return frozenset(map(id, batch.events))
        too_large = set()
        for event in batch.events:
            assert self._producer is not None
            alone = self._producer.create_batch()
            alone.append(timestamp=time.time_ns() // 1_000_000, key=event.key, value=event.value)
            if not await self._is_taken(partition, alone):
                too_large.add(id(event))
        return frozenset(too_large)

    async def _is_taken(self, partition: int, builder: Any) -> bool:
        producer = self._producer
        assert producer is not None
        while True:
            with contextlib.suppress(KafkaTimeoutError):  # its queue stayed full: Kafka is down or slow
                answer = await send_batch(producer, builder, self.topic, partition)
                break
        try:
            await answer
        except TOO_LARGE:
            forget_refused(producer, TopicPartition(self.topic, partition), builder.record_count())
            return False
        return True

    def _fail(self, error: Exception) -> None:
        """A producer that has failed is replaced: it takes nothing more."""
        log_failed_write("the delivery of events to Kafka", error, self.topic)
        if self._replacing is None and not isinstance(error, ProducerClosed):
            self.waiting_for = "a new producer"
            self._replacing = asyncio.create_task(self._replace(), name="replace-producer")

    async def _replace(self) -> None:
        former, self._producer = self._producer, None
        try:
            for lane in self._lanes.values():
                _give_up(lane)
            if former is not None:
                await stop_quietly(former)
            await self._start_again()
        finally:
            self._replacing = None

    async def _start_again(self) -> None:
        backoff = Backoff()
        while self._producer is None:
            try:
                self._producer = await started_producer(self._settings, compression="snappy")
            except RefusedError as error:
                log.error("no new producer: %s; next try in %.1f s", error, backoff.seconds)  # noqa: TRY400
                await backoff.pause()
        self.waiting_for = None

    async def close(self) -> None:
        """Stop. What Kafka has not acknowledged by now fails."""
        self.waiting_for = "nothing any more: it is ending"
        tasks = [lane.sending for lane in self._lanes.values() if lane.sending is not None]
        tasks += [self._replacing] if self._replacing is not None else []
        for lane in self._lanes.values():
            _give_up(lane)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        if self._producer is not None:
            with contextlib.suppress(KafkaError):
                await stop_quietly(self._producer)


def _give_up(lane: _Lane) -> None:
    while lane.waiting:
        lane.waiting.popleft().done.set_exception(NotDeliveredError("the producer has failed"))


def _take(done: asyncio.Future[Any]) -> None:
    """Retrieve how it ended: the request may be gone by then."""
    if not done.cancelled():
        done.exception()
