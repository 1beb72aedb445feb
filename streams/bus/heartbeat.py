"""What a views worker says of itself once a second: to readers of the feed, and to Prometheus."""

from __future__ import annotations

import asyncio
import logging
import time
from typing import Any

from aiokafka import AIOKafkaProducer
from faust.types import TP

from streams import metrics
from streams.bus.client import client_kwargs
from streams.bus.engine import consumer_of
from streams.bus.owned import OwnedPartition
from streams.bus.transport import OwnerApp
from streams.bus.views import ViewsOwner, now_ms
from streams.settings import Settings
from tables.codec import Assigned, encode_heartbeat, heartbeat_key
from tables.codec import Heartbeat as HeartbeatRecord

log = logging.getLogger(__name__)

HEARTBEAT_SECONDS = 1.0
STUCK_SECONDS = 90.0


class Heartbeat:
    """Once a second: where every owned partition is and where it ends, to the feed, to metrics, to the group.

    Its record is plain, not transactional: it says what is, and is overtaken by the next one. It also ends a
    process whose consumer is stuck: unread records, Kafka answering, and no progress for `STUCK_SECONDS`.
    """

    def __init__(self, settings: Settings, owner: ViewsOwner, app: OwnerApp) -> None:
        self._settings = settings
        self._owner = owner
        self._app = app
        self._feed = settings.topic("views.feed")
        self._group = settings.group("views")

    async def run(self) -> None:
        """Beat until cancelled; then say that this worker left."""
        producer = AIOKafkaProducer(**client_kwargs(self._settings), client_id="sluice", acks="all")
        await producer.start()
        try:
            while True:
                try:
                    await self._beat(producer)
                except Exception as error:  # noqa: BLE001 - the next beat may work; readers notice
                    log.warning("heartbeat: %s: %s", type(error).__name__, error)
                await asyncio.sleep(HEARTBEAT_SECONDS)
        finally:
            try:
                async with asyncio.timeout(1.0):
                    await producer.send_and_wait(
                        self._feed, key=heartbeat_key(self._owner.worker), value=None
                    )
            except Exception as error:  # noqa: BLE001 - readers let the worker expire
                log.debug("last heartbeat: %r", error)
            await asyncio.wait_for(producer.stop(), 2.0)

    async def _beat(self, producer: AIOKafkaProducer) -> None:
        owned = dict(self._owner.owned)
        consumer = consumer_of(self._app)
        async with asyncio.timeout(5.0):
            ends = await consumer.thread.ends(set(owned)) if owned else {}
        now = now_ms()
        partitions: list[Assigned] = []
        for tp, partition in owned.items():
            partition.saw_end(ends[tp], now)
            oldest = partition.oldest_unread_ms()
            partitions.append(Assigned(tp.topic, tp.partition, partition.committed, ends[tp], oldest))
            self._measure(tp, partition, oldest, now)
            if not partition.failed and time.monotonic() - partition.moved_at > STUCK_SECONDS:
                stuck = (
                    f"{tp.topic}-{tp.partition} is stuck: unread records but no move in {STUCK_SECONDS:.0f} s"
                )
                await self._app.crash(RuntimeError(stuck))
        value = encode_heartbeat(HeartbeatRecord(self._owner.worker, now, partitions))
        await producer.send_and_wait(self._feed, key=heartbeat_key(self._owner.worker), value=value)

    def _measure(self, tp: TP, partition: OwnedPartition, oldest: int | None, now: int) -> None:
        labels: tuple[Any, ...] = (self._group, tp.topic, tp.partition)
        metrics.LAG_RECORDS.labels(*labels).set(max(0, partition.end_offset - partition.committed))
        metrics.LAG_SECONDS.labels(*labels).set(0 if oldest is None else max(0, now - oldest) / 1000)
        watermark = partition.projector.state.watermark
        if watermark is not None:
            metrics.WATERMARK.labels(tp.topic, tp.partition).set(watermark)
