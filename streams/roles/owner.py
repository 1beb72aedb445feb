"""The owner of source partitions: recovers, feeds and releases them, whatever the role does with them."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Collection, Mapping
from typing import Generic, Protocol, TypeVar

from faust.types import TP

from agents.views.projector import GapError
from schemas.validation.avro.known_schemas import UndecidedError
from streams.clock import SYSTEM_CLOCK, Clock
from streams.faust.app import RECOVERY_SECONDS, all_of, consumer_of
from streams.faust.transport import BatchConsumerThread, OwnerApp
from streams.health import Health
from streams.kafka.batches import Fetched
from streams.kafka.retried import RETRY_SECONDS, retried
from streams.metrics import PARTITION_FAILURES, RECOVERY
from streams.registry.schemas import Schemas
from streams.roles.alarms import raise_lost
from streams.roles.identity import IdentityQueries
from streams.roles.partition import Partition
from streams.roles.recoveries import Recoveries
from streams.roles.schema_waits import SchemaWaits
from streams.settings import Settings

log = logging.getLogger(__name__)

BLOCKED_SECONDS = 1.0

P = TypeVar("P", bound=Partition)
T = TypeVar("T")


class Role(Protocol[P]):
    """What a role does with the partitions that it owns.

    `drain_seconds`: how long the last writes of a process that stops may take.
    """

    name: str
    drain_seconds: float

    def fetch_pause_s(self, partitions: int) -> float:
        """See `streams.faust.transport.Owner`, for a worker of so many partitions."""

    async def recover(self, owner: PartitionOwner[P], tp: TP) -> P:
        """Begin a partition where its work has ended, retrying while what it needs is unavailable."""

    def on_failure(self, tp: TP, error: Exception) -> bool:
        """Log why a partition failed; returns whether recovery can help. If not, the process ends."""

    def waiting_for(self, tps: Collection[TP]) -> str | None:
        """In words, what the partitions being recovered wait for; None: nothing."""


class PartitionOwner(Generic[P]):
    """`streams.faust.transport.Owner` of a role that reads the raw topics."""

    def __init__(
        self,
        settings: Settings,
        role: Role[P],
        health: Health,
        schemas: Schemas,
        clock: Clock = SYSTEM_CLOCK,
    ) -> None:
        self.settings = settings
        self.clock = clock
        self.app: OwnerApp | None = None
        self.queries = IdentityQueries(lambda: self.thread, clock)
        """One for all partitions of the worker."""
        self._role = role
        self._health = health
        self._owned: dict[TP, P] = {}
        self._lock = asyncio.Lock()
        self._generation = 0
        self._first_seen: dict[TP, int] = {}
        self._recoveries = Recoveries[P](
            self._lock,
            self._keep_or_recover,
            self._install,
            self.crash,
            generation=lambda: self._generation,
            epoch=lambda tp: self.thread.epochs.get(tp, 0),
            clock=clock,
        )
        self._schema_waits = SchemaWaits[P](
            schemas, self._park, self._resume, self.crash, role=role.name, health=health
        )
        self._draining = False
        self._assigning = False
        self._assigned_at = clock.monotonic()
        self._processing: tuple[TP, float] | None = None
        self._losing: TP | None = None
        self._crashing: asyncio.Task[None] | None = None

    @property
    def owned(self) -> Mapping[TP, P]:
        """The partitions that this worker owns now."""
        return self._owned

    @property
    def recovering_since_ms(self) -> Mapping[TP, int]:
        """The partitions that are being recovered, and since when (wall clock, ms)."""
        return self._recoveries.waiting

    @property
    def thread(self) -> BatchConsumerThread:
        """The consumer's thread, which sends requests to Kafka."""
        assert self.app is not None
        return consumer_of(self.app).thread

    def waits(self, tp: TP) -> bool:
        """Whether a partition that does not move has to wait, for itself or behind another one."""
        processing = self._processing
        behind = (
            processing is not None
            and processing[0] != tp
            and self.clock.monotonic() - processing[1] > BLOCKED_SECONDS
        )
        owned = self._owned.get(tp)  # an assignment may have taken it meanwhile
        held = tp == self._losing or tp in self._recoveries.waiting or tp in self._schema_waits
        return behind or held or owned is None or owned.waits

    async def crash(self, error: BaseException) -> None:
        """End the process."""
        assert self.app is not None
        await self.app.crash(error)

    # --- Owner ---------------------------------------------------------------------------------------------

    def fetch_pause_s(self) -> float:
        """Seconds for which records may wait at a broker while this process keeps up."""
        return self._role.fetch_pause_s(len(self._owned))

    async def assigned(self, tps: set[TP], generation: int) -> Mapping[TP, int]:
        """Release revoked partitions, prove those that were kept, recover the rest.

        A partition that is not recovered within a moment is parked at its end and read once it is recovered.
        """
        self._draining = False
        self._assigning = False
        self._assigned_at = self.clock.monotonic()
        async with asyncio.timeout(RECOVERY_SECONDS), self._lock:
            self._generation = generation
            self._assigning = True
            if self._draining:
                return {}
            await self._schema_waits.stop()
            await self._recoveries.stop(set(self._recoveries.waiting) - tps)
            gone = [tp for tp, kept in self._owned.items() if tp not in tps or kept.failure is not None]
            await all_of([self._owned.pop(tp).release() for tp in gone])
            begun = {tp: self._owned.pop(tp, None) for tp in tps - set(self._recoveries.waiting)}
            self._owned.update(await self._recoveries.begin(begun))
            self._recoveries.park()
            parked = set(self._recoveries.waiting)
            ends = await retried("parking partitions", lambda: self.thread.ends(parked)) if parked else {}
            if tps:
                self._log_owned(len(tps))
            self._assigning = False
            self.report_health()
            return {**ends, **{tp: self._begin_reading(tp) for tp in self._owned}}

    async def process(self, fetched: Fetched) -> None:
        """Pass what was fetched to its partition, if it is owned."""
        tp = TP(*fetched.tp)
        partition = self._owned.get(tp)
        if partition is None:
            return
        self._processing = (tp, self.clock.monotonic())
        try:
            await self._process(tp, partition, fetched)
        except GapError as gap:
            self._losing = tp
            await self._process_after_loss(tp, partition, fetched, gap)
        finally:
            self._processing = self._losing = None
        await asyncio.sleep(0)  # lets writers run under load

    async def _process(self, tp: TP, partition: P, fetched: Fetched) -> None:
        """Raises `GapError`. What has undecided schemas is processed once these are decided."""
        while True:
            try:
                await partition.process(fetched)
            except UndecidedError as undecided:
                if await self._schema_waits.decided(tp, partition, undecided):
                    continue
            return

    async def flush(self, seconds: float) -> bool:
        """Write all that was processed; False: it was not written in time."""
        try:
            async with asyncio.timeout(seconds):
                await all_of([partition.flush() for partition in self._owned.values()])
        except TimeoutError:
            return False
        return True

    async def drain(self) -> None:
        """Write what can be written in time, then release all; the rest is read again by the next owner."""
        self._draining = True
        await self._schema_waits.stop()
        await self._recoveries.drain()
        try:
            async with asyncio.timeout(self._role.drain_seconds), self._lock:
                await all_of([partition.flush() for partition in self._owned.values()])
        except TimeoutError:
            seconds = self._role.drain_seconds
            log.warning("what is not written within %.1f s is dropped, and read again later", seconds)
        owned = list(self._owned.values())
        self._owned.clear()
        await asyncio.gather(*(partition.release() for partition in owned))

    # --- recovery ------------------------------------------------------------------------------------------

    async def first_seen(self, tp: TP) -> int:
        """Where a partition began when this worker first asked. Raises `KafkaError`, `TimeoutError`."""
        if tp not in self._first_seen:
            self._first_seen.update(await self.thread.beginnings({tp}))
        return self._first_seen[tp]

    async def _keep_or_recover(self, tp: TP, kept: P | None) -> P:
        """Continue with a kept partition if no other worker has owned it; otherwise recover it."""
        if kept is not None and kept.failure is None:
            ours = False
            try:
                ours = await kept.still_ours()
            finally:
                if not ours:
                    await kept.release()
            if ours:
                return kept
        elif kept is not None:
            await kept.release()
            await self.until_still_assigned()
        return await self._role.recover(self, tp)

    async def until_still_assigned(self) -> None:
        """Two heartbeats, and until the generation is ours: a worker that was stopped, and fenced meanwhile,
        learns by then that the partition has another owner, and is cancelled here."""
        await asyncio.sleep(2 * self.settings.session_seconds / 5)
        while self.thread.generation() != self._generation:  # noqa: ASYNC110 - aiokafka has no event for it
            await asyncio.sleep(RETRY_SECONDS)

    def failed(self, tp: TP, partition: P) -> None:
        """A partition no longer writes, because of `partition.failure`: recover it, or end the process."""
        assert partition.failure is not None
        if not self._role.on_failure(tp, partition.failure):
            self._crashing = asyncio.create_task(self.crash(partition.failure))
        elif not self._draining and self._owned.get(tp) is partition:  # else its holder does
            if not self._recoveries.waiting:
                self._assigned_at = self.clock.monotonic()
            PARTITION_FAILURES.labels(self.settings.group(self._role.name)).inc()
            self._recoveries.recover_in_background(tp, partition)
            self.report_health()

    async def _install(self, tp: TP, partition: P) -> None:
        """Start reading a partition that was recovered while others were read."""
        self._owned[tp] = partition
        await self.thread.begin_at({tp: self._begin_reading(tp)})
        if not self._recoveries.waiting:
            self._log_owned(len(self._owned))
        self.report_health()

    def _begin_reading(self, tp: TP) -> int:
        """Where to seek a partition to; what was fetched before that seek is dropped."""
        partition = self._owned[tp]
        partition.min_epoch = self.thread.epochs.get(tp, 0) + 1
        partition.begins_reading()
        if partition.failure is not None and tp not in self._recoveries.waiting:  # since it was recovered
            self.failed(tp, partition)
        return partition.position

    async def _park(self, tp: TP, partition: P) -> None:
        """Read a partition no further than what was fetched, which is dropped."""
        partition.min_epoch = self.thread.epochs.get(tp, 0) + 2  # reading it again begins the second of them
        ends = await retried("parking a partition", lambda: self.thread.ends({tp}))
        await self.thread.begin_at(ends)

    async def _resume(self, tp: TP, partition: P) -> None:
        async with self._lock:
            if self._owned.get(tp) is partition and partition.failure is None and not self._draining:
                await self.thread.begin_at({tp: self._begin_reading(tp)})

    def _log_owned(self, count: int) -> None:
        seconds = self.clock.monotonic() - self._assigned_at
        late = len(self._recoveries.waiting)
        if not late:
            RECOVERY.observe(seconds)
        more = f", {late} of them still to be recovered" if late else ""
        log.info(
            "own %d partitions as of generation %d, after %.2f s%s", count, self._generation, seconds, more
        )

    def report_health(self) -> None:
        """Report what is waited for."""
        what = self._role.waiting_for(self._recoveries.waiting)
        if what is not None or not self._assigning:  # meanwhile, what was said is still what is waited for
            self._health.waiting_for = what

    # --- lost records --------------------------------------------------------------------------------------

    async def _process_after_loss(self, tp: TP, partition: P, fetched: Fetched, gap: GapError) -> None:
        beginning = (await retried("looking for lost records", lambda: self.thread.beginnings({tp})))[tp]
        if beginning <= gap.expected:
            raise gap
        await retried("looking for lost records", partition.verify)
        await self._lose(tp, partition, (gap.expected, gap.got))
        await self._process(tp, partition, fetched)

    async def find_lost(self) -> None:
        """Stalled partitions: has Kafka deleted the records to be read next, and all after them?"""
        still = {tp: partition for tp, partition in self._owned.items() if partition.stalled}
        beginnings = await self.thread.beginnings(set(still)) if still else {}
        for tp, partition in still.items():
            lost = (partition.position, beginnings[tp])
            if lost[0] < lost[1]:
                await partition.verify()
                await self._lose(tp, partition, lost)

    async def _lose(self, tp: TP, partition: P, lost: tuple[int, int]) -> None:
        """Raise the alarm before the loss is recorded, so that no crash loses it.

        A partition that is not what was read has lost nothing: it has failed, and is recovered. Nor has one
        that goes on meanwhile with what was fetched before Kafka deleted it.
        """
        if partition.failure is not None:
            return
        await raise_lost(self.settings, self._role.name, *tp, lost)
        if partition.position == lost[0]:
            await partition.lose(lost[1])
