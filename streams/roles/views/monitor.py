"""What a views worker says of itself once a second: to readers of the feed, to Prometheus, and to its log."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections import Counter

from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError
from faust.types import TP

from streams import metrics
from streams.clock import now_ms
from streams.faust.app import consumer_of
from streams.faust.instance_guard import InstanceTakenError
from streams.faust.transport import OwnerApp
from streams.kafka.client import client_kwargs, stop_quietly
from streams.roles.lag import LagGauges, MoveWatch, StuckError
from streams.roles.recreated_topic import RecreatedTopicError
from streams.roles.views.owner import ViewsOwner
from streams.roles.views.partition import OwnedPartition
from streams.settings import Settings
from tables.codec import Assigned, encode_heartbeat, heartbeat_key
from tables.codec import Heartbeat as HeartbeatRecord

log = logging.getLogger(__name__)

HEARTBEAT_SECONDS = 1.0
KAFKA_SECONDS = 5.0
BEATS_A_COMMIT = 5


class Heartbeat:
    """Once a second: where every owned partition is and where it ends, to the feed and to metrics.

    Its record is plain, not transactional: it says what is, and is overtaken by the next one. It also ends a
    process whose consumer is stuck: unread records, Kafka answering, and no progress for `STUCK_SECONDS`; and
    now and then it commits the checkpoints' offsets to the group, for lag tools alone; and what was
    quarantined since the last beat is told.
    """

    def __init__(self, settings: Settings, owner: ViewsOwner, app: OwnerApp) -> None:
        self._settings = settings
        self._owner = owner
        self._app = app
        self._feed = settings.topic("views.feed")
        self._lag = LagGauges(settings.group("views"))
        self._moves = MoveWatch()
        self._beats = 0

    async def run(self) -> None:
        """Beat until cancelled; then say that this worker left."""
        producer = await self._connected()
        try:
            while True:
                self._owner.bad_records.tell()
                try:
                    await self._beat(producer)
                except (RecreatedTopicError, StuckError) as error:
                    await self._app.crash(error)
                except Exception as error:  # noqa: BLE001 - the next beat may work; readers notice
                    log.warning("heartbeat: %s: %s", type(error).__name__, error)
                    for partition in self._owner.owned.values():
                        partition.moved_at = time.monotonic()  # nobody moves while Kafka is away
                await self._pause()
        finally:
            await self._leave(producer)

    async def _pause(self) -> None:
        """Until the next beat, which comes as soon as what was left out of this one can be told."""
        left_out = [partition for partition in self._owner.owned.values() if partition.unsure]
        for _ in range(10):
            await asyncio.sleep(HEARTBEAT_SECONDS / 10)
            if left_out and not any(partition.unsure for partition in left_out):
                return

    async def _connected(self) -> AIOKafkaProducer:
        while True:
            producer = AIOKafkaProducer(**client_kwargs(self._settings), client_id="sluice", acks="all")
            try:
                await producer.start()
            except (KafkaError, OSError) as error:
                log.warning("heartbeat: %s: %s", type(error).__name__, error)
                await stop_quietly(producer)
                await asyncio.sleep(HEARTBEAT_SECONDS)
            else:
                return producer

    async def _leave(self, producer: AIOKafkaProducer) -> None:
        try:
            # Whoever has our instance now reports under this name.
            if not isinstance(self._app.crash_reason, InstanceTakenError):
                async with asyncio.timeout(1.0):
                    await producer.send_and_wait(
                        self._feed, key=heartbeat_key(self._owner.worker), value=None
                    )
        except Exception as error:  # noqa: BLE001 - readers let the worker expire
            log.debug("last heartbeat: %r", error)
        await stop_quietly(producer)

    async def _beat(self, producer: AIOKafkaProducer) -> None:
        owned = dict(self._owner.owned)
        thread = consumer_of(self._app).thread
        ends = await thread.ends(set(owned)) if owned else {}
        now = now_ms()
        self._moves.begins_look(reading=not owned or consumer_of(self._app).flow_active)
        self._moves.keep(set(owned))
        partitions = []
        for tp, partition in owned.items():
            # What lies behind somebody's open transaction is unread too, though it cannot be read yet.
            end = max(ends[tp], thread.highwater(tp) or 0)
            partition.saw_end(ends[tp], end, now)
            if partition.unsure:
                continue  # what was last reported on it stands: a guess would close gates at every restart
            oldest = partition.oldest_unread_ms()
            partitions.append(Assigned(tp.topic, tp.partition, partition.committed, end, oldest))
            self._measure(tp, partition, oldest, now)
            waits = partition.failed or self._owner.waits_for_another(tp)
            self._moves.look(tp, partition.moved_at, waits=waits)
        value = encode_heartbeat(HeartbeatRecord(self._owner.worker, now, partitions))
        async with asyncio.timeout(KAFKA_SECONDS):
            await producer.send_and_wait(self._feed, key=heartbeat_key(self._owner.worker), value=value)
        await self._owner.verify()
        await self._owner.look_for_lost()
        self._forget(set(owned))
        if self._beats % BEATS_A_COMMIT == 0 and owned:
            self._measure_state(owned)
            await thread.publish({tp: partition.committed for tp, partition in owned.items()})
        self._beats += 1

    def _measure(self, tp: TP, partition: OwnedPartition, oldest: int | None, now: int) -> None:
        self._lag.measure(tp, partition.end_offset - partition.committed, oldest, now)
        watermark = partition.projector.state.watermark
        if watermark is not None:
            metrics.WATERMARK.labels(tp.topic, tp.partition).set(watermark)

    def _measure_state(self, owned: dict[TP, OwnedPartition]) -> None:
        sizes: Counter[str] = Counter()
        for partition in owned.values():
            sizes.update(partition.projector.state.sizes())
        for kind, size in sizes.items():
            metrics.STATE.labels(kind).set(size)

    def _forget(self, owned: set[TP]) -> None:
        """Measure no longer what is not ours any more: somebody else does."""
        for tp in self._lag.keep(owned):
            with contextlib.suppress(KeyError):  # a partition without an event has no watermark
                metrics.WATERMARK.remove(tp.topic, tp.partition)
