"""The bronze worker's owner: begins source partitions where the store's commits end, and fills ranges."""

from __future__ import annotations

import asyncio
import logging
import time
import uuid
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from aiokafka.errors import KafkaError
from faust.types import TP

from agents.bronze_commit import Committer, OvertakenError, Resume
from agents.bronze_range import RangeBuilder
from agents.bronze_store import Store, StoreError
from agents.project import GapError
from schemas.avro import AvroDecoder
from schemas.validate import Validator
from streams import logs
from streams.bus.batches import Fetched
from streams.bus.bronze_alarm import send_alarm
from streams.bus.bronze_hint import hint_of
from streams.bus.bronze_partition import BronzePartition
from streams.bus.engine import consumer_of
from streams.bus.health import Health
from streams.bus.owned import TopicMadeAnewError
from streams.bus.transport import OwnerApp
from streams.bus.views import now_ms
from streams.errors import ErrorCode
from streams.settings import Settings
from tables.alarms import lost_alarm

log = logging.getLogger(__name__)

MEMORY_BYTES = 256 << 20
"""When all ranges together hold more, the largest is closed early and reading waits."""
BEGIN_SECONDS = 20.0
"""How long an assignment waits for the store; partitions that take longer are begun in the background."""
DRAIN_SECONDS = 7.5
REVOKED_SECONDS = 3.0
PAUSE_SECONDS = 1.0
COMPRESSING_THREADS = 2


class BronzeOwner:
    """`streams.bus.transport.Owner` of the bronze role."""

    def __init__(self, settings: Settings, store: Store, health: Health) -> None:
        self._settings = settings
        self._store = store
        self._health = health
        self._owned: dict[TP, BronzePartition] = {}
        self._beginning: dict[TP, asyncio.Task[None]] = {}
        self._lock = asyncio.Lock()
        self._written = asyncio.Event()
        self._draining = False
        self._crashing: asyncio.Task[None] | None = None
        self._avro = (
            AvroDecoder.load(Path(settings.avro_schemas_dir))
            if settings.avro_schemas_dir
            else AvroDecoder({})
        )
        self._validator = Validator(settings.max_event_bytes, self._avro)
        self._pool = ThreadPoolExecutor(COMPRESSING_THREADS, thread_name_prefix="gzip")
        self._nonce = uuid.uuid4().hex
        self.app: OwnerApp | None = None

    @property
    def owned(self) -> Mapping[TP, BronzePartition]:
        """The partitions that this worker fills ranges of now."""
        return self._owned

    # --- Owner ---------------------------------------------------------------------------------------------

    async def assigned(self, tps: set[TP], generation: int) -> Mapping[TP, int]:
        """Keep the ranges of what stays ours, drop those of what does not, begin the rest.

        While the store does not answer, its partitions are parked at their ends and begun when it does: Faust
        would not wait so long.
        """
        async with self._lock:
            started = time.monotonic()
            for tp in set(self._beginning) - tps:
                self._beginning.pop(tp).cancel()
            gone = [tp for tp, owned in self._owned.items() if tp not in tps or owned.failed]
            await asyncio.gather(*(self._owned.pop(tp).close() for tp in gone))
            new = tps - set(self._owned) - set(self._beginning)
            begun = {tp: asyncio.create_task(self._begin(tp)) for tp in new}
            if begun:
                await asyncio.wait(begun.values(), timeout=BEGIN_SECONDS)
            late = {tp for tp, task in begun.items() if not task.done()}
            for tp in set(begun) - late:
                self._owned[tp] = begun[tp].result()
            await self._park({tp: begun[tp] for tp in late})
            if tps:
                seconds = time.monotonic() - started
                log.info("own %d partitions as of generation %d, after %.2f s", len(tps), generation, seconds)
            self._tell_health()
            return {tp: self._position_after_seek(tp) for tp in self._owned}

    async def take(self, fetched: Fetched) -> None:
        """Add what was fetched to its partition's range; waits while memory is full."""
        owned = self._owned.get(TP(*fetched.tp))
        if owned is None:
            return
        while self._held_bytes() > MEMORY_BYTES and not owned.failed:
            await self._make_room()
        try:
            await owned.take(fetched)
        except GapError as gap:
            await self._lose(owned, fetched, gap)

    async def revoked(self) -> None:
        """A rebalance begins: close all ranges and write them, if that is quick."""
        try:
            async with asyncio.timeout(REVOKED_SECONDS):
                await asyncio.gather(*(owned.flush() for owned in self._owned.values()))
        except TimeoutError:
            log.info("a rebalance did not wait for the ranges that are being written")

    async def drain(self) -> None:
        """The process stops: write what can be written in time; the rest is read again later."""
        self._draining = True
        async with self._lock:
            for task in self._beginning.values():
                task.cancel()
            owned = list(self._owned.values())
            try:
                async with asyncio.timeout(DRAIN_SECONDS):
                    await asyncio.gather(*(partition.flush() for partition in owned))
            except TimeoutError:
                log.warning(
                    "ranges not finished within %.1f s are dropped and read again later", DRAIN_SECONDS
                )
            await asyncio.gather(*(partition.close() for partition in owned))
            self._owned.clear()

    # --- memory --------------------------------------------------------------------------------------------

    def _held_bytes(self) -> int:
        return sum(owned.held_bytes for owned in self._owned.values())

    async def _make_room(self) -> None:
        self._written.clear()
        largest = max(self._owned.values(), key=lambda owned: owned.range.held_bytes, default=None)
        if largest is not None and largest.range.until is None:
            largest.close_early()
        try:
            await asyncio.wait_for(self._written.wait(), PAUSE_SECONDS)
        except TimeoutError:
            log.debug("waiting for memory: %d bytes are held", self._held_bytes())

    # --- where a partition begins --------------------------------------------------------------------------

    async def _begin(self, tp: TP) -> BronzePartition:
        """Find out where a partition goes on, again and again while store or Kafka are away."""
        committer = Committer(self._store, tp.topic, tp.partition, self._nonce, self._store_failed)
        while True:
            try:
                return await self._begin_once(tp, committer)
            except (KafkaError, TimeoutError) as error:
                log.warning("beginning %s-%d: %s: %s; trying again", *tp, type(error).__name__, error)
                await asyncio.sleep(PAUSE_SECONDS)

    async def _begin_once(self, tp: TP, committer: Committer) -> BronzePartition:
        assert self.app is not None
        thread = consumer_of(self.app).thread
        hint = await hint_of(thread, tp)
        resume = await committer.resume(hint)
        beginning, end = (await thread.beginnings({tp}))[tp], (await thread.ends({tp}))[tp]
        first = _first_of(resume, beginning)
        if first > end:
            raise TopicMadeAnewError(
                f"{tp.topic}-{tp.partition} ends at {end}, but its newest Bronze commit goes up to {first}:"
                " the topic was made anew. Give it another name, or SLUICE_BRONZE_URL another prefix"
            )
        until = resume.intent.next if resume.intent is not None and resume.intent.next > beginning else None
        begin = self._range(tp, first, until)
        if beginning > first:
            await self._alarm(tp, first, beginning)
            begin.lose(beginning)
        log.info("%s-%d goes on at offset %d", *tp, begin.next)
        return BronzePartition(
            begin,
            lambda first, until: self._range(tp, first, until),
            committer,
            max_seconds=self._settings.bronze_max_seconds,
            on_written=self._written.set,
            on_end=self._ended,
        )

    def _range(self, tp: TP, first: int, until: int | None) -> RangeBuilder:
        return RangeBuilder(
            tp.topic,
            tp.partition,
            first,
            validator=self._validator,
            avro=self._avro,
            pool=self._pool,
            max_bytes=self._settings.bronze_max_bytes,
            until=until,
        )

    async def _park(self, late: Mapping[TP, asyncio.Task[BronzePartition]]) -> None:
        """Begin these partitions whenever the store answers; until then nothing of them is read."""
        if not late:
            return
        consumer = consumer_of(self._app())
        await consumer.begin_at(await consumer.thread.ends(set(late)))
        for tp, task in late.items():
            self._beginning[tp] = asyncio.create_task(self._begin_late(tp, task))

    async def _begin_late(self, tp: TP, begun: asyncio.Task[BronzePartition]) -> None:
        try:
            owned = await begun
            async with self._lock:
                if self._draining or self._beginning.get(tp) is not asyncio.current_task():
                    await owned.close()
                    return
                del self._beginning[tp]
                self._owned[tp] = owned
                await consumer_of(self._app()).begin_at({tp: self._position_after_seek(tp)})
                self._tell_health()
        except Exception as error:  # noqa: BLE001 - whatever it is, the partition would stand still in silence
            await self._app().crash(error)

    def _position_after_seek(self, tp: TP) -> int:
        """Where to seek a partition to; what was fetched before that seek is not for it any more."""
        owned = self._owned[tp]
        owned.min_epoch = consumer_of(self._app()).thread.epochs.get(tp, 0) + 1
        return owned.position

    def _app(self) -> OwnerApp:
        assert self.app is not None
        return self.app

    def _tell_health(self) -> None:
        self._health.waiting_for = f"the store at {self._store}" if self._beginning else None

    # --- what goes wrong -----------------------------------------------------------------------------------

    def _store_failed(self, operation: str, error: StoreError, next_try_seconds: float) -> None:
        logs.emit(
            ErrorCode.EVENT_PUT_FAILED,
            f"Bronze: {error}; next try in {next_try_seconds:g} s",
            operation=operation,
        )

    def _ended(self, owned: BronzePartition, error: Exception) -> None:
        tp = TP(owned.range.topic, owned.range.partition)
        if self._draining or self._owned.get(tp) is not owned:
            return
        if not isinstance(error, OvertakenError):
            log.error("writing Bronze of %s-%d failed: %s", *tp, error)
            self._crashing = asyncio.create_task(self._app().crash(error))
            return
        log.info("another writer was ahead on %s-%d: looking where to go on", *tp)
        begun = asyncio.create_task(self._begin_anew(owned, tp))
        self._beginning[tp] = asyncio.create_task(self._begin_late(tp, begun))

    async def _begin_anew(self, owned: BronzePartition, tp: TP) -> BronzePartition:
        await asyncio.sleep(PAUSE_SECONDS)
        await owned.close()
        return await self._begin(tp)

    async def _lose(self, owned: BronzePartition, fetched: Fetched, gap: GapError) -> None:
        tp = TP(*fetched.tp)
        beginning = (await consumer_of(self._app()).thread.beginnings({tp}))[tp]
        if beginning <= gap.expected:
            raise gap
        await self._alarm(tp, gap.expected, gap.got)
        await owned.lose(gap.got)
        await owned.take(fetched)

    async def _alarm(self, tp: TP, first: int, until: int) -> None:
        code = ErrorCode.PIPELINE_LAG_EXCEEDED
        alarm = lost_alarm(
            "bronze", *tp, (first, until), code=code.name, severity=code.severity, at_us=now_ms() * 1000
        )
        logs.emit(code, alarm.detail, topic=tp.topic, partition=tp.partition)
        await send_alarm(self._settings, alarm)


def _first_of(resume: Resume, beginning: int) -> int:
    if resume.next is not None:
        return resume.next
    return beginning if resume.intent is None else min(resume.intent.first, beginning)
