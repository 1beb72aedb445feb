"""The bronze worker's owner: begins source partitions where the store's commits end, and fills ranges."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Mapping

from faust.types import TP

from agents.bronze_commit import OvertakenError
from agents.bronze_store import Store
from agents.project import GapError
from streams.bus.alarms import raise_lost
from streams.bus.batches import Fetched
from streams.bus.bronze_begin import PAUSE_SECONDS, Beginner, patiently
from streams.bus.bronze_partition import BronzePartition
from streams.bus.engine import RECOVERY_SECONDS, all_of, consumer_of
from streams.bus.health import Health
from streams.bus.transport import BatchConsumerThread, OwnerApp
from streams.bus.wall_clock import now_ms
from streams.settings import Settings

log = logging.getLogger(__name__)

MEMORY_BYTES = 256 << 20
"""When all ranges together hold more, the largest is closed early and reading waits."""
BEGIN_SECONDS = 5.0
"""How long an assignment waits for the store; partitions that take longer are begun in the background."""
LOOK_SECONDS = 0.02
DRAIN_SECONDS = 7.5
REVOKED_SECONDS = 3.0
BLOCKED_SECONDS = 1.0


class BronzeOwner:
    """`streams.bus.transport.Owner` of the bronze role."""

    def __init__(self, settings: Settings, store: Store, health: Health) -> None:
        self._settings = settings
        self._store = store
        self._health = health
        self._owned: dict[TP, BronzePartition] = {}
        self._begun: set[asyncio.Task[BronzePartition]] = set()
        self._beginning: dict[TP, asyncio.Task[None]] = {}
        self._waiting_since_ms: dict[TP, int] = {}
        self._parked_at: dict[TP, int] = {}
        self._lock = asyncio.Lock()
        self._generation = 0
        self._taking_since: float | None = None
        self._written = asyncio.Event()
        self._draining = False
        self._crashing: asyncio.Task[None] | None = None
        self._beginner = Beginner(settings, store, self._written.set, self._ended)
        self.app: OwnerApp | None = None

    @property
    def owned(self) -> Mapping[TP, BronzePartition]:
        """The partitions that this worker fills ranges of now."""
        return self._owned

    @property
    def waiting_since_ms(self) -> Mapping[TP, int]:
        """The partitions that wait for the store before they begin, and since when (wall clock, ms)."""
        return {tp: since for tp, since in self._waiting_since_ms.items() if tp in self._beginning}

    @property
    def blocked(self) -> bool:
        """Whether what is fetched of any partition waits behind one whose range cannot be written yet."""
        since = self._taking_since
        return since is not None and time.monotonic() - since > BLOCKED_SECONDS

    @property
    def _thread(self) -> BatchConsumerThread:
        return consumer_of(self._app()).thread

    # --- Owner ---------------------------------------------------------------------------------------------

    async def assigned(self, tps: set[TP], generation: int) -> Mapping[TP, int]:
        """Keep the ranges of what stays ours, drop those of what does not, begin the rest.

        While the store does not answer, its partitions are parked at their ends and begun when it does: Faust
        would not wait so long.
        """
        started = time.monotonic()
        async with asyncio.timeout(RECOVERY_SECONDS), self._lock:
            self._generation = generation
            self._stop_beginning(set(self._beginning) - tps)
            gone = [tp for tp, owned in self._owned.items() if tp not in tps or owned.failed]
            await all_of([self._owned.pop(tp).close() for tp in gone])
            await self._begin_all(tps - set(self._owned) - set(self._beginning))
            parked = set(self._beginning)
            self._parked_at = {tp: self._thread.epochs.get(tp, 0) for tp in parked}
            ends = await patiently("parking partitions", lambda: self._thread.ends(parked)) if parked else {}
            if tps:
                seconds = time.monotonic() - started
                log.info("own %d partitions as of generation %d, after %.2f s", len(tps), generation, seconds)
            self._tell_health()
            return {**ends, **{tp: self._position_after_seek(tp) for tp in self._owned}}

    async def take(self, fetched: Fetched) -> None:
        """Add what was fetched to its partition's range; waits while memory is full."""
        owned = self._owned.get(TP(*fetched.tp))
        if owned is None:
            return
        self._taking_since = time.monotonic()
        try:
            await self._take(owned, fetched)
        finally:
            self._taking_since = None

    async def _take(self, owned: BronzePartition, fetched: Fetched) -> None:
        # A range whose end is settled cannot be closed earlier to make room: it is filled whatever it holds.
        while self._held_bytes() > MEMORY_BYTES and not owned.failed and owned.range.until is None:
            await self._make_room()
        try:
            await owned.take(fetched)
        except GapError as gap:
            await self._lose(owned, fetched, gap)

    async def revoked(self) -> None:
        """A rebalance begins: close all ranges and write them, if that is quick."""
        try:
            async with asyncio.timeout(REVOKED_SECONDS):
                await all_of([owned.flush() for owned in self._owned.values()])
        except TimeoutError:
            log.info("a rebalance did not wait for the ranges that are being written")

    async def drain(self) -> None:
        """The process stops: write what can be written in time; the rest is read again later."""
        self._draining = True
        self._stop_beginning(set(self._beginning))
        for begun in self._begun:
            begun.cancel()
        try:
            async with asyncio.timeout(DRAIN_SECONDS), self._lock:
                await all_of([partition.flush() for partition in self._owned.values()])
        except TimeoutError:
            log.warning("ranges not finished within %.1f s are dropped and read again later", DRAIN_SECONDS)
        owned = list(self._owned.values())
        self._owned.clear()
        await asyncio.gather(*(partition.close() for partition in owned))

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

    # --- beginning partitions ------------------------------------------------------------------------------

    async def _begin_all(self, tps: set[TP]) -> None:
        """Begin partitions; those that take long are begun in the background."""
        begun = {tp: asyncio.create_task(self._beginner.begin(self._thread, tp)) for tp in tps}
        self._begun = set(begun.values())
        try:
            if begun:
                await asyncio.wait(self._begun, timeout=BEGIN_SECONDS, return_when=asyncio.FIRST_EXCEPTION)
            for tp, task in begun.items():
                if not task.done():
                    self._begin_in_background(tp, task)
                elif not task.cancelled():
                    self._owned[tp] = task.result()
        except BaseException:
            for task in begun.values():
                task.cancel()
            raise
        finally:
            self._begun = set()

    def _begin_in_background(self, tp: TP, begun: asyncio.Task[BronzePartition]) -> None:
        self._waiting_since_ms[tp] = now_ms()
        late = self._beginning[tp] = asyncio.create_task(self._begin_late(tp, begun))
        late.add_done_callback(lambda _: begun.cancel())

    async def _begin_late(self, tp: TP, begun: asyncio.Task[BronzePartition]) -> None:
        owned: BronzePartition | None = None
        try:
            owned = await begun
            while not await self._installed(tp, owned):  # noqa: ASYNC110 - the seek is in another thread
                await asyncio.sleep(LOOK_SECONDS)
        except Exception as error:  # noqa: BLE001 - whatever it is, the partition would stand still in silence
            await self._app().crash(error)
        finally:
            if owned is not None and self._owned.get(tp) is not owned:
                await owned.close()

    async def _installed(self, tp: TP, owned: BronzePartition) -> bool:
        """Whether it is read now, or is not to be; not before the seek that parks it lies behind us."""
        async with self._lock:
            if self._draining or self._beginning.get(tp) is not asyncio.current_task():
                return True
            if self._thread.epochs.get(tp, 0) <= self._parked_at.get(tp, -1):
                return False
            del self._beginning[tp]
            self._owned[tp] = owned
            await self._thread.begin_at({tp: self._position_after_seek(tp)})
            self._tell_health()
            return True

    def _stop_beginning(self, tps: set[TP]) -> None:
        for tp in tps:
            self._beginning.pop(tp).cancel()

    def _position_after_seek(self, tp: TP) -> int:
        """Where to seek a partition to; what was fetched before that seek is not for it any more."""
        owned = self._owned[tp]
        owned.min_epoch = self._thread.epochs.get(tp, 0) + 1
        return owned.position

    def _app(self) -> OwnerApp:
        assert self.app is not None
        return self.app

    def _tell_health(self) -> None:
        self._health.waiting_for = f"the store at {self._store}" if self._beginning else None

    # --- what goes wrong -----------------------------------------------------------------------------------

    def _ended(self, owned: BronzePartition, error: Exception) -> None:
        tp = TP(owned.range.topic, owned.range.partition)
        if self._draining or self._owned.get(tp) is not owned:
            return
        if not isinstance(error, OvertakenError):
            log.error("writing Bronze of %s-%d failed: %s", *tp, error)
            self._crashing = asyncio.create_task(self._app().crash(error))
            return
        log.info("another writer was ahead on %s-%d: looking where to go on", *tp)
        self._begin_in_background(tp, asyncio.create_task(self._begin_anew(owned, tp)))

    async def _begin_anew(self, owned: BronzePartition, tp: TP) -> BronzePartition:
        """Begin again after two heartbeats, in a generation that is ours.

        Somebody who was stopped learns by then that the partition is another's, and is cancelled here.
        """
        await owned.close()
        await asyncio.sleep(2 * self._settings.session_seconds / 5)
        while self._thread.generation() != self._generation:  # noqa: ASYNC110 - aiokafka tells nobody
            await asyncio.sleep(PAUSE_SECONDS)
        return await self._beginner.begin(self._thread, tp)

    async def look_for_lost(self) -> None:
        """Partitions that stand still: has Kafka deleted what was to be read next, and all behind it?"""
        still = {tp: owned for tp, owned in self._owned.items() if owned.stands_still}
        beginnings = await self._thread.beginnings(set(still)) if still else {}
        for tp, owned in still.items():
            if owned.position < beginnings[tp]:
                await self._lost(owned, tp, (owned.position, beginnings[tp]))

    async def _lose(self, owned: BronzePartition, fetched: Fetched, gap: GapError) -> None:
        tp = TP(*fetched.tp)
        beginning = (await patiently("looking for lost records", lambda: self._thread.beginnings({tp})))[tp]
        if beginning <= gap.expected:
            raise gap
        await self._lost(owned, tp, (gap.expected, gap.got))
        await owned.take(fetched)

    async def _lost(self, owned: BronzePartition, tp: TP, lost: tuple[int, int]) -> None:
        if owned.identity is not None:
            await patiently("looking for lost records", owned.identity.check)
        await raise_lost(self._settings, "bronze", *tp, lost)
        await owned.lose(lost[1])
