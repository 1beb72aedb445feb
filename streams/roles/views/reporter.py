"""What a views worker reports once a second: to readers of the feed, to Prometheus, and to its log."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections import Counter

from aiokafka import AIOKafkaProducer
from faust.types import TP

from schemas.times import SECOND_US
from streams import metrics
from streams.faust.instance_guard import InstanceTakenError
from streams.faust.transport import BatchConsumerThread, OwnerApp
from streams.kafka.client import client_kwargs, started, stop_quietly
from streams.roles.monitor import Reporter, Seen
from streams.roles.views.breaker_alarms import BreakerAlarms
from streams.roles.views.group_alarms import GroupAlarms
from streams.roles.views.partition import ViewsPartition
from streams.roles.views.quarantine_counts import QuarantineCounts
from streams.settings import Settings
from tables.codec import Assigned, Heartbeat, encode_heartbeat
from tables.keys import heartbeat_key

log = logging.getLogger(__name__)

SEND_SECONDS = 5.0
LEAVE_SECONDS = 1.0


class ViewsReporter(Reporter[ViewsPartition]):
    """Writes the position and the end of every owned partition to the feed.

    Its record is plain, not transactional: it describes the present, and the next record supersedes it.
    """

    def __init__(self, settings: Settings, worker: str, quarantined: QuarantineCounts) -> None:
        self._settings = settings
        self._key = heartbeat_key(worker)
        self._worker = worker
        self._feed = settings.topic("views.feed")
        self._quarantined = quarantined
        self._group_alarms = GroupAlarms(settings)
        self._breaker_alarms = BreakerAlarms(settings)
        self._producer: AIOKafkaProducer | None = None
        self._measured: set[TP] = set()

    def log(self) -> None:
        """What was quarantined."""
        self._quarantined.log()

    async def report(
        self, seen: list[Seen[ViewsPartition]], owned: dict[TP, ViewsPartition], now_ms: int
    ) -> None:
        """One heartbeat. Raises `KafkaError`, `TimeoutError`."""
        self._measure(owned)
        partitions = [
            Assigned(tp.topic, tp.partition, partition.committed, end, oldest_ms, _bad(partition))
            for tp, partition, end, oldest_ms in seen
        ]
        value = encode_heartbeat(Heartbeat(self._worker, now_ms, partitions))
        producer = await self._connected()
        async with asyncio.timeout(SEND_SECONDS):
            await producer.send_and_wait(self._feed, key=self._key, value=value)

    async def commit(self, thread: BatchConsumerThread, owned: dict[TP, ViewsPartition]) -> None:
        """The checkpoints' offsets; and how large the state is."""
        sizes: Counter[str] = Counter()
        for partition in owned.values():
            sizes.update(partition.projector.state.sizes())
        for kind, size in sizes.items():
            metrics.STATE.labels(kind).set(size)
        self._group_alarms.look(owned)
        self._breaker_alarms.look(owned)
        await thread.publish({tp: (partition.committed, "") for tp, partition in owned.items()})

    async def leave(self, app: OwnerApp) -> None:
        """Report that this worker left; if that is not written, its heartbeat expires at readers."""
        await self._group_alarms.close()
        await self._breaker_alarms.close()
        producer, self._producer = self._producer, None
        if producer is None:
            return
        try:
            # The process that has our instance now reports under this name.
            if not isinstance(app.crash_reason, InstanceTakenError):
                async with asyncio.timeout(LEAVE_SECONDS):
                    await producer.send_and_wait(self._feed, key=self._key, value=None)
        except Exception as error:  # noqa: BLE001 - see above
            log.debug("last heartbeat: %r", error)
        await stop_quietly(producer)

    async def _connected(self) -> AIOKafkaProducer:
        if self._producer is None:
            producer = AIOKafkaProducer(**client_kwargs(self._settings), client_id="sluice", acks="all")
            self._producer = await started(producer)
        return self._producer

    def _measure(self, owned: dict[TP, ViewsPartition]) -> None:
        for tp, partition in owned.items():
            watermark = partition.projector.state.watermark
            if watermark is not None:
                metrics.WATERMARK.labels(tp.topic, tp.partition).set(watermark / SECOND_US)
        for tp in self._measured - set(owned):  # another worker measures it now
            with contextlib.suppress(KeyError):  # a partition without an event has no watermark
                metrics.WATERMARK.remove(tp.topic, tp.partition)
        self._measured = set(owned)


def _bad(partition: ViewsPartition) -> int | None:
    breaker = partition.projector.state.breaker
    return breaker.bad if breaker.tripped else None
