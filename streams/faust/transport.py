"""Faust's transport with the records left in their batches: one message per fetched share of a partition.

Stock Faust creates an object, a stream step and an acknowledgement for every record. Here its consumer passes
an agent one message whose value is a `Fetched`, and asks an `Owner` where to begin when partitions are
assigned. Groups, rebalancing, flow control, streams and agents remain Faust's own. Hooks used and why each is
needed: docs/architecture.md, "Faust".
"""

from __future__ import annotations

import asyncio
import inspect
import logging
from collections.abc import AsyncIterator, Callable, Coroutine, Mapping
from contextlib import suppress
from time import time
from typing import Any, Protocol, TypeVar, cast

import faust
from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import KafkaConnectionError, KafkaError
from faust.transport.drivers.aiokafka import AIOKafkaConsumerThread, ConsumerRebalanceListener
from faust.transport.drivers.aiokafka import Consumer as FaustConsumer
from faust.transport.drivers.aiokafka import Transport as FaustTransport
from faust.types import TP, ConsumerMessage

from streams.faust.daemon_thread import DaemonThread
from streams.faust.instance_guard import InstanceGuard, InstanceTakenError
from streams.faust.pace import FetchPace
from streams.health import Health
from streams.kafka.batches import Fetched, fetch_batches
from streams.kafka.client import client_kwargs, commit_once, stop_quietly
from streams.kafka.fingerprint_check import Comparison, compare
from streams.kafka.instances import InstanceAssignor, client_id
from streams.kafka.retried import retried
from streams.kafka.topic_ids import TopicIdentities, topic_identities
from streams.settings import Settings
from tables.fingerprint import RecordFingerprint

log = logging.getLogger(__name__)

FETCH_MAX_WAIT_MS = 250
"""How long a fetch of nothing waits at the broker; a seek, and a request for offsets, waits behind it."""
PARTITION_FETCH_BYTES = 1 << 20
FETCH_TIMEOUT_SECONDS = 1.0
ASK_SECONDS = 5.0

T = TypeVar("T")


class Owner(Protocol):
    """Processes the partitions that this process owns. All but `fetch_pause_s` runs in the application's
    event loop."""

    def fetch_pause_s(self) -> float:
        """Seconds for which records may wait at a broker while this process keeps up. In any thread."""

    async def assigned(self, tps: set[TP], generation: int) -> Mapping[TP, int]:
        """Partitions are assigned as of this generation: recover them; returns where to read each from."""

    async def process(self, fetched: Fetched) -> None:
        """Process what was fetched; returns when more may be passed (back-pressure)."""

    async def drain(self) -> None:
        """The process stops: write what has been processed and release all partitions."""


class OwnerApp(faust.App):
    """A Faust app whose partitions belong to an `Owner`."""

    logger = logging.getLogger("faust.app")

    owner: Owner
    sluice: Settings
    role: str
    health: Health

    def _new_transport(self) -> Any:
        return BatchTransport(self.conf.broker_consumer, self)


class GenerationListener(ConsumerRebalanceListener):
    """Passes its generation to the sticky assignor, which aiokafka fails to do.

    Without it a process that was stopped and woke up claims what it owned before it was stopped, with the
    same priority as the live owners.
    """

    async def on_partitions_assigned(self, assigned: Any) -> None:
        """Before Faust hears of the assignment."""
        consumer = self._thread._ensure_consumer()
        InstanceAssignor.on_generation_assignment(consumer._coordinator.generation)
        await super().on_partitions_assigned(assigned)


_faust_log = logging.getLogger("faust.transport")


class BatchConsumerThread(AIOKafkaConsumerThread):
    """The thread that owns the aiokafka consumer; it fetches, checks CRCs and passes on batches."""

    logger = _faust_log
    Worker = DaemonThread

    def __post_init__(self) -> None:
        super().__post_init__()
        self.epochs: dict[Any, int] = {}
        self._begun = 0  # how often `begin_at` was called

    async def on_start(self) -> None:
        """Check which process has our instance before any join; pace the fetches."""
        await retried("starting to consume", self._start_consumer, (KafkaConnectionError,))
        app = cast(OwnerApp, self.app)
        guard = InstanceGuard(app.sluice, app.conf.id, self._instance_taken, self._tell_waiting)
        guard.attach(self._ensure_consumer())
        FetchPace(app.owner.fetch_pause_s).attach(self._ensure_consumer())

    async def _start_consumer(self) -> None:
        """Raises KafkaConnectionError: Kafka may have gone away since it was looked at."""
        try:
            await super().on_start()
        except KafkaConnectionError:
            consumer, self._consumer = self._ensure_consumer(), None
            await stop_quietly(consumer)
            raise

    def _stopped_set(self) -> None:
        with suppress(RuntimeError):  # a crashed one may have closed its loop: nothing waits in it
            super()._stopped_set()

    def _instance_taken(self, error: InstanceTakenError) -> None:
        asyncio.run_coroutine_threadsafe(self.app.crash(error), self.parent_loop)

    def _tell_waiting(self, what: str | None) -> None:
        cast(OwnerApp, self.app).health.waiting_for = what or "an assignment"

    def _create_worker_consumer(self, _: Any) -> AIOKafkaConsumer:
        app = cast(OwnerApp, self.app)
        settings = app.sluice
        return AIOKafkaConsumer(
            **client_kwargs(settings),
            client_id=client_id(app.role),
            group_id=app.conf.id,
            group_instance_id=settings.instance or None,
            partition_assignment_strategy=[InstanceAssignor],
            enable_auto_commit=False,
            auto_offset_reset="earliest",
            isolation_level="read_committed",
            fetch_min_bytes=1,
            fetch_max_wait_ms=FETCH_MAX_WAIT_MS,
            max_partition_fetch_bytes=PARTITION_FETCH_BYTES,
            session_timeout_ms=settings.session_seconds * 1000,
            heartbeat_interval_ms=settings.session_seconds * 1000 // 5,
            rebalance_timeout_ms=60_000,
            metadata_max_age_ms=30_000,
        )

    async def getmany(self, active_partitions: Any, timeout: float) -> Any:  # noqa: ASYNC109 - Faust's signature
        """Fetch; takes nothing once a `begin_at` has followed, or the caller was cancelled.

        Faust's method queue goes on with either, and what is taken then would be missed.
        """
        begun, waits, consumer = self._begun, True, self._ensure_consumer()

        def wanted() -> bool:
            return waits and self._begun == begun

        try:
            return await self.call_thread(self._fetch, consumer, timeout, active_partitions, wanted)
        finally:
            waits = False

    async def _fetch(
        self, consumer: AIOKafkaConsumer, timeout_s: float, only: Any, wanted: Callable[[], bool]
    ) -> dict[TopicPartition, Fetched]:
        if not self.consumer.flow_active:
            return {}
        taken = await fetch_batches(consumer, timeout_s, only, self.epochs, wanted)
        return {fetched.tp: fetched for fetched in taken}

    async def begin_at(self, positions: Mapping[TP, int]) -> None:
        """Seek, and start a new epoch of each partition, to distinguish what was fetched before."""
        await self.ask(self._begin_at(positions))

    async def _begin_at(self, positions: Mapping[TP, int]) -> None:
        consumer = self._ensure_consumer()
        owned = consumer.assignment()
        self._begun += 1
        for tp, offset in positions.items():
            if tp in owned:
                self.epochs[tp] = self.epochs.get(tp, 0) + 1
                consumer.seek(tp, offset)

    async def beginnings(self, tps: set[TP]) -> Mapping[TP, int]:
        """First offsets that Kafka still has."""
        return cast(Mapping[TP, int], await self.ask(self._ensure_consumer().beginning_offsets(list(tps))))

    async def ends(self, tps: set[TP]) -> Mapping[TP, int]:
        """Ends of the partitions for read_committed readers: an open transaction holds them back."""
        return cast(Mapping[TP, int], await self.ask(self._ensure_consumer().end_offsets(list(tps))))

    async def topic_identities(self, tps: set[TP]) -> TopicIdentities:
        """Which topics these partitions belong to, according to their leaders."""
        return await self.ask(topic_identities(self._ensure_consumer()._client, tps))

    async def compare(self, tp: TP, leader: int, mark: RecordFingerprint) -> Comparison:
        """Compare a stored fingerprint with the record now at its offset. Raises aiokafka's errors."""
        return await self.ask(compare(self._ensure_consumer(), tp, leader, mark))

    def generation(self) -> int:
        """The group's generation as last reported by the coordinator; below 0: not a member."""
        return cast(int, self._ensure_consumer()._coordinator.generation)

    async def publish(self, offsets: Mapping[TP, tuple[int, str]]) -> None:
        """Commit offsets, each with its metadata, to the group, for lag tools: nothing else uses them."""
        await self.ask(self._publish(offsets))

    async def _publish(self, offsets: Mapping[TP, tuple[int, str]]) -> None:
        consumer = self._ensure_consumer()
        owned = consumer.assignment()
        ours = {TopicPartition(*tp): committed for tp, committed in offsets.items() if tp in owned}
        if not ours:
            return
        try:
            await commit_once(consumer, ours)
        except KafkaError as error:
            log.debug("offsets for lag tools: %r", error)

    async def published(self, tp: TP) -> tuple[int, str] | None:
        """What was committed to the group last, with its metadata. Raises `KafkaError`, `TimeoutError`."""
        coordinator: Any = self._ensure_consumer()._coordinator
        key = TopicPartition(*tp)
        committed = (await self.ask(coordinator.fetch_committed_offsets([key]))).get(key)
        return None if committed is None else (committed.offset, committed.metadata)

    async def ask(self, question: Coroutine[Any, Any, T]) -> T:
        """Run a coroutine in the consumer's thread, for a limited time. Raises `TimeoutError`.

        Not by Faust's method queue: its two workers also fetch, and a request about a partition without a
        leader would block them for as long as aiokafka retries.
        """
        limited = asyncio.wait_for(question, ASK_SECONDS)
        try:
            return await asyncio.wrap_future(asyncio.run_coroutine_threadsafe(limited, self.thread_loop))
        finally:
            if not self.thread_loop.is_running():  # it has ended before the request
                for coroutine in (limited, question):
                    if inspect.getcoroutinestate(coroutine) == inspect.CORO_CREATED:
                        coroutine.close()


class _Unread(dict[TP, int | None]):
    """Replaces Faust's record of the last offset read, by which it drops messages that it considers old.

    After a seek back those are the messages that are needed; epochs decide what is old.
    """

    def __getitem__(self, _: TP) -> None:
        return None

    def __setitem__(self, _: TP, __: int | None) -> None:
        pass

    def update(self, *_: Any, **__: Any) -> None:
        """No-op."""


class BatchConsumer(FaustConsumer):
    """Faust's consumer, with batches as messages and positions that come from the `Owner`."""

    logger = _faust_log
    RebalanceListener = GenerationListener
    _thread: BatchConsumerThread

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._read_offset = _Unread()

    def _new_consumer_thread(self) -> BatchConsumerThread:
        return BatchConsumerThread(self, loop=self.loop, beacon=self.beacon)

    @property
    def thread(self) -> BatchConsumerThread:
        """The consumer's thread: seeks and offsets go through it."""
        return self._thread

    async def seek_to_committed(self) -> Mapping[TP, int]:
        """Where reading begins after a rebalance: the owner's checkpoints, never the group's offsets."""
        app = cast(OwnerApp, self.app)
        assigned = {TP(tp.topic, tp.partition) for tp in self.assignment()}
        try:
            positions = await app.owner.assigned(assigned, app.consumer_generation_id)
            await self.begin_at(positions)
        except Exception as error:
            # Faust would silently continue without these partitions.
            await app.crash(error)
            raise
        return positions

    async def begin_at(self, positions: Mapping[TP, int]) -> None:
        """Read these partitions from these offsets on, whatever was fetched before."""
        await self._thread.begin_at(positions)

    async def getmany(self, timeout: float) -> AsyncIterator[tuple[TP, Any]]:  # noqa: ARG002, ASYNC109
        """Yield one message per partition that has records; nothing once the flow stopped or moved on."""
        records, _ = await self._wait_next_records(FETCH_TIMEOUT_SECONDS)
        generation = self.app.consumer_generation_id
        for tp, fetched in (records or {}).items():
            if not self.flow_active or self.should_stop or self.app.consumer_generation_id != generation:
                return
            yield tp, self._to_message(tp, fetched)

    def _to_message(self, tp: TP, record: Any) -> Any:
        fetched: Fetched = record
        return ConsumerMessage(
            tp.topic,
            tp.partition,
            fetched.before,
            time(),
            0,
            [],
            None,
            cast(bytes, fetched),  # Faust passes a message's value on as it is
            None,
            0,
            0,
            tp,
            generation_id=self.app.consumer_generation_id,
        )

    def on_buffer_full(self, tp: TP) -> None:
        """No-op: the stream's bounded queue is the back-pressure."""

    def on_buffer_drop(self, tp: TP) -> None:
        """No-op: see `on_buffer_full`."""

    async def on_stop(self) -> None:
        """Drain while the consumer is still a member of the group, then leave it."""
        await cast(OwnerApp, self.app).owner.drain()
        await super().on_stop()


class BatchTransport(FaustTransport):
    """Faust's aiokafka transport with the consumer above."""

    Consumer = BatchConsumer
