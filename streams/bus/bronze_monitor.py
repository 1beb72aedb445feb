"""How far a bronze worker is, once a second: metrics, the group's offsets, and whether it is stuck."""

from __future__ import annotations

import asyncio
import logging
import time
from typing import Any

from aiokafka.errors import KafkaError
from faust.types import TP

from streams import metrics
from streams.bus.bronze import BronzeOwner
from streams.bus.bronze_hint import publish
from streams.bus.bronze_partition import BronzePartition
from streams.bus.engine import consumer_of
from streams.bus.transport import OwnerApp
from streams.bus.views import now_ms
from streams.settings import Settings

log = logging.getLogger(__name__)

BEAT_SECONDS = 1.0
KAFKA_SECONDS = 5.0
STUCK_SECONDS = 90.0
BEATS_A_PUBLISH = 5


class BronzeMonitor:
    """Watches the partitions of a `BronzeOwner`; ends a process that has unread records and does not move."""

    def __init__(self, settings: Settings, owner: BronzeOwner, app: OwnerApp) -> None:
        self._owner = owner
        self._app = app
        self._group = settings.group("bronze")
        self._measured: set[TP] = set()

    async def run(self) -> None:
        """Watch until cancelled."""
        beats = 0
        while True:
            try:
                await self._beat(publishes=beats % BEATS_A_PUBLISH == 0)
            except (KafkaError, TimeoutError) as error:
                log.warning("watching Bronze: %s: %s", type(error).__name__, error)
                for partition in self._owner.owned.values():
                    partition.moved_at = time.monotonic()  # nobody moves while Kafka is away
            beats += 1
            await asyncio.sleep(BEAT_SECONDS)

    async def _beat(self, *, publishes: bool) -> None:
        owned = dict(self._owner.owned)
        thread = consumer_of(self._app).thread
        async with asyncio.timeout(KAFKA_SECONDS):
            ends = await thread.ends(set(owned)) if owned else {}
        now = now_ms()
        oldest_ms = now
        for tp, partition in owned.items():
            partition.saw_end(ends[tp], now)
            oldest_ms = min(oldest_ms, self._measure(tp, partition, now))
            await self._end_if_stuck(tp, partition)
        metrics.BRONZE_OLDEST.set((now - oldest_ms) / 1000)
        self._forget(set(owned))
        if publishes:
            newest = {tp: partition.newest for tp, partition in owned.items() if partition.newest is not None}
            async with asyncio.timeout(KAFKA_SECONDS):
                await publish(thread, newest)

    def _measure(self, tp: TP, partition: BronzePartition, now: int) -> int:
        labels: tuple[Any, ...] = (self._group, tp.topic, tp.partition)
        oldest_ms = min(now, partition.oldest_uncommitted_ms(now))
        metrics.LAG_RECORDS.labels(*labels).set(max(0, partition.end_offset - partition.committed))
        metrics.LAG_SECONDS.labels(*labels).set((now - oldest_ms) / 1000)
        return oldest_ms

    def _forget(self, owned: set[TP]) -> None:
        """Measure no longer what is not ours any more: somebody else does."""
        for tp in self._measured - owned:
            for gauge in (metrics.LAG_RECORDS, metrics.LAG_SECONDS):
                gauge.remove(self._group, tp.topic, tp.partition)
        self._measured = owned

    async def _end_if_stuck(self, tp: TP, partition: BronzePartition) -> None:
        if partition.failed or partition.waits_for_store:
            partition.moved_at = time.monotonic()
        elif time.monotonic() - partition.moved_at > STUCK_SECONDS:
            stuck = f"{tp.topic}-{tp.partition}: unread records, and no move in {STUCK_SECONDS:.0f} s"
            await self._app.crash(RuntimeError(stuck))
