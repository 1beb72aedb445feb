"""The bronze worker's owner: begins source partitions where the store's commits end, and fills ranges."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Mapping

from faust.types import TP

from agents.bronze.commit import OvertakenError
from agents.bronze.store import Store
from agents.views.projector import GapError
from streams.faust.app import RECOVERY_SECONDS, all_of, consumer_of
from streams.faust.transport import BatchConsumerThread, OwnerApp
from streams.health import Health
from streams.kafka.batches import Fetched
from streams.roles.alarms import raise_lost
from streams.roles.bronze.partition import BronzePartition
from streams.roles.bronze.resume import PAUSE_SECONDS, Beginner, patiently
from streams.roles.recoveries import Late
from streams.settings import Settings

log = logging.getLogger(__name__)

MEMORY_BYTES = 256 << 20
"""When all ranges together hold more, the largest is closed early and reading waits."""
DRAIN_SECONDS = 7.5
REVOKED_SECONDS = 3.0
BLOCKED_SECONDS = 1.0


class BronzeOwner:
    """`streams.faust.transport.Owner` of the bronze role."""

    def __init__(self, settings: Settings, store: Store, health: Health) -> None:
        self._settings = settings
        self._store = store
        self._health = health
        self._owned: dict[TP, BronzePartition] = {}
        self._lock = asyncio.Lock()
        self._generation = 0
        self._late = Late[BronzePartition](
            self._lock,
            self._begin,
            self._install,
            self._crash,
            generation=lambda: self._generation,
            epoch=lambda tp: self._thread.epochs.get(tp, 0),
        )
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
        return self._late.waiting

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
            await self._late.stop(set(self._late.waiting) - tps)
            gone = [tp for tp, owned in self._owned.items() if tp not in tps or owned.failed]
            await all_of([self._owned.pop(tp).close() for tp in gone])
            begun = tps - set(self._owned) - set(self._late.waiting)
            self._owned.update(await self._late.begin(dict.fromkeys(begun)))
            self._late.park()
            parked = set(self._late.waiting)
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
        await self._late.drain()
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

    async def _begin(self, tp: TP, overtaken: BronzePartition | None) -> BronzePartition:
        """Begin a partition. After another writer was ahead: in two heartbeats, in a generation that is ours.

        Somebody who was stopped learns by then that the partition is another's, and is cancelled here.
        """
        if overtaken is not None:
            await overtaken.close()
            await asyncio.sleep(2 * self._settings.session_seconds / 5)
            while self._thread.generation() != self._generation:  # noqa: ASYNC110 - aiokafka tells nobody
                await asyncio.sleep(PAUSE_SECONDS)
        return await self._beginner.begin(self._thread, tp)

    async def _install(self, tp: TP, owned: BronzePartition) -> None:
        """A partition that was begun while others were read is read from here on."""
        self._owned[tp] = owned
        await self._thread.begin_at({tp: self._position_after_seek(tp)})
        self._tell_health()

    def _position_after_seek(self, tp: TP) -> int:
        """Where to seek a partition to; what was fetched before that seek is not for it any more."""
        owned = self._owned[tp]
        owned.min_epoch = self._thread.epochs.get(tp, 0) + 1
        return owned.position

    async def _crash(self, error: BaseException) -> None:
        await self._app().crash(error)

    def _app(self) -> OwnerApp:
        assert self.app is not None
        return self.app

    def _tell_health(self) -> None:
        self._health.waiting_for = f"the store at {self._store}" if self._late.waiting else None

    # --- what goes wrong -----------------------------------------------------------------------------------

    def _ended(self, owned: BronzePartition, error: Exception) -> None:
        tp = TP(owned.range.topic, owned.range.partition)
        if self._draining or self._owned.get(tp) is not owned:
            return
        if not isinstance(error, OvertakenError):
            log.error("writing Bronze of %s-%d failed: %s", *tp, error)
            self._crashing = asyncio.create_task(self._crash(error))
            return
        log.info("another writer was ahead on %s-%d: looking where to go on", *tp)
        self._late.begin_late(tp, owned)

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
