"""The views worker: owns source partitions, recovers them from the feed and folds them."""

from __future__ import annotations

import asyncio
import logging
import os
import socket
import time
import uuid
from collections.abc import Mapping, Sequence

from aiokafka.errors import (
    ClusterAuthorizationFailedError,
    KafkaError,
    TopicAuthorizationFailedError,
    TransactionalIdAuthorizationFailed,
)
from faust.types import TP

from agents.views.projector import GapError, Projector
from streams import metrics
from streams.faust.app import RECOVERY_SECONDS, all_of, consumer_of
from streams.faust.transport import BatchConsumerThread, OwnerApp
from streams.feed.writer import PartitionLog
from streams.health import Health
from streams.kafka.batches import Fetched
from streams.kafka.record_size import TOO_LARGE
from streams.kafka.write_failures import tell_failed_write
from streams.roles.identity import FeedRecreatedError, Identity
from streams.roles.recoveries import Late, Progress, watched
from streams.roles.recreated_topic import RecreatedTopicError
from streams.roles.views.feed_topics import WrittenTopics
from streams.roles.views.partition import OwnedPartition
from streams.roles.views.quarantine_counts import BadRecords
from streams.roles.views.recovery import Recovery
from streams.settings import Settings

log = logging.getLogger(__name__)

TRANSACTION_CPU_SECONDS = 0.0015
"""CPU of one checkpoint transaction, measured; the interval grows with the partitions: a tenth at most."""
DRAIN_SECONDS = 6.0
RECOVERY_PAUSE_SECONDS = 1.0
BLOCKED_SECONDS = 1.0
NAMED = 8
HOPELESS = (
    *TOO_LARGE,
    TopicAuthorizationFailedError,
    ClusterAuthorizationFailedError,
    TransactionalIdAuthorizationFailed,
)
"""Answers of Kafka that stay the same however often one asks."""


class ViewsOwner:
    """`streams.faust.transport.Owner` of the views role."""

    def __init__(self, settings: Settings, health: Health) -> None:
        self._settings = settings
        self._health = health
        self._owned: dict[TP, OwnedPartition] = {}
        self._lock = asyncio.Lock()
        self._generation = 0
        self._recoveries: set[asyncio.Task[None]] = set()
        self._progress: dict[TP, Progress] = {}
        self._written = WrittenTopics(settings, self._tell_health)
        self._late = Late[OwnedPartition](
            self._lock,
            self._keep_or_recover,
            self._install_late,
            self._crash,
            generation=lambda: self._generation,
            epoch=lambda tp: self._thread.epochs.get(tp, 0),
        )
        self._draining = False
        self._assigning = False
        self._assigned_at = time.monotonic()
        self._taking: tuple[TP, float] | None = None
        self._recovery = Recovery(settings, lambda: self._thread, self._make_owned)
        self.bad_records = BadRecords()
        self.app: OwnerApp | None = None
        self.worker = settings.instance or f"{socket.gethostname()}-{os.getpid()}-{uuid.uuid4().hex[:8]}"

    @property
    def owned(self) -> Mapping[TP, OwnedPartition]:
        """The partitions that this worker owns now."""
        return self._owned

    @property
    def _thread(self) -> BatchConsumerThread:
        assert self.app is not None
        return consumer_of(self.app).thread

    def interval_s(self) -> float:
        """Seconds between two checkpoints of a partition."""
        return max(self._settings.checkpoint_ms / 1000, 10 * TRANSACTION_CPU_SECONDS * len(self._owned))

    def waits_for_another(self, tp: TP) -> bool:
        """Whether what is fetched of a partition waits behind one whose checkpoint cannot be written yet."""
        taking = self._taking
        return taking is not None and taking[0] != tp and time.monotonic() - taking[1] > BLOCKED_SECONDS

    async def _crash(self, error: BaseException) -> None:
        assert self.app is not None
        await self.app.crash(error)

    # --- Owner ---------------------------------------------------------------------------------------------

    async def assigned(self, tps: set[TP], generation: int) -> Mapping[TP, int]:
        """Let go of what is not ours any more, prove what we kept, recover the rest.

        What is not recovered within a moment is parked at its end and read on when it is.
        """
        self._draining = False
        self._assigning = False
        self._assigned_at = time.monotonic()
        async with asyncio.timeout(RECOVERY_SECONDS), self._lock:
            self._generation = generation
            self._assigning = True
            if self._draining:
                return {}
            await self._late.stop(set(self._late.waiting) - tps)
            await all_of(self._owned.pop(tp).close() for tp in set(self._owned) - tps)
            begun = {tp: self._owned.pop(tp, None) for tp in tps - set(self._late.waiting)}
            self._owned.update(await self._late.begin(begun))
            self._late.park()
            ends = await self._ends(set(self._late.waiting))
            if tps:
                self._tell_owned(len(tps))
            self._assigning = False
            self._tell_health()
            return {**ends, **{tp: self._begin_reading(tp) for tp in self._owned}}

    async def _ends(self, tps: set[TP]) -> Mapping[TP, int]:
        while tps:
            try:
                return await self._thread.ends(tps)
            except (KafkaError, OSError) as error:  # the time for it all is limited
                log.warning("parking partitions: %s: %s; trying again", type(error).__name__, error)
                await asyncio.sleep(RECOVERY_PAUSE_SECONDS)
        return {}

    def _begin_reading(self, tp: TP) -> int:
        """Where to seek a partition to; what was fetched before that seek is not for it any more."""
        owned = self._owned[tp]
        owned.min_epoch = self._thread.epochs.get(tp, 0) + 1
        owned.begins_reading()
        return owned.projector.state.next_offset

    async def _install(self, tp: TP, owned: OwnedPartition) -> None:
        """A partition that was recovered while others were read is read from here on."""
        self._owned[tp] = owned
        await self._thread.begin_at({tp: self._begin_reading(tp)})

    async def _install_late(self, tp: TP, owned: OwnedPartition) -> None:
        await self._install(tp, owned)
        if not self._late.waiting:
            self._tell_owned(len(self._owned))
        self._tell_health()

    def _tell_owned(self, count: int) -> None:
        seconds = time.monotonic() - self._assigned_at
        late = len(self._late.waiting)
        if not late:
            metrics.RECOVERY.observe(seconds)
        more = f", {late} of them still to be recovered" if late else ""
        log.info(
            "own %d partitions as of generation %d, after %.2f s%s", count, self._generation, seconds, more
        )

    def _tell_health(self) -> None:
        missing = self._written.waiting
        late = [f"{tp.topic}-{tp.partition}" for tp in sorted(self._late.waiting) if tp not in missing]
        what = [*missing.values(), *(["the recovery of " + _some(late)] if late else [])]
        if self._assigning and not what:
            return  # what has been told is still what is waited for
        self._health.waiting_for = "; ".join(what) or None

    async def take(self, fetched: Fetched) -> None:
        """Fold what was fetched, if it is of a partition and an epoch that is ours."""
        tp = TP(*fetched.tp)
        owned = self._owned.get(tp)
        if owned is None:
            return
        self._taking = (tp, time.monotonic())
        try:
            await owned.take(fetched)
        except GapError as gap:
            await self._lose(owned, fetched, gap)
        finally:
            self._taking = None
        await asyncio.sleep(0)  # gives the checkpoints their turn under load

    async def drain(self) -> None:
        """Last checkpoints, then let go. What is not written in time is read again by the next owner."""
        self._draining = True
        for task in self._recoveries:
            task.cancel()
        await self._late.drain()
        try:
            async with asyncio.timeout(DRAIN_SECONDS), self._lock:
                owned = list(self._owned.values())
                await all_of(partition.checkpoint() for partition in owned)
        except TimeoutError:
            log.warning("the last checkpoint did not end within %.0f s", DRAIN_SECONDS)
        owned = list(self._owned.values())
        self._owned.clear()
        await asyncio.gather(*(partition.close() for partition in owned))
        self.bad_records.tell(last=True)

    # --- recovery ------------------------------------------------------------------------------------------

    async def _keep_or_recover(self, tp: TP, kept: OwnedPartition | None) -> OwnedPartition:
        """Prove a partition that was kept, or recover it, again and again while Kafka is away."""
        if kept is not None:
            proved = False
            try:
                proved = await kept.still_ours()
            finally:
                if not proved:
                    await kept.close()
            if proved:
                return kept
        progress = self._progress[tp] = Progress()
        return await watched(self._recover_patiently(tp, progress), progress, "recovering {}-{}".format(*tp))

    async def _recover_patiently(self, tp: TP, progress: Progress) -> OwnedPartition:
        while True:
            try:
                await self._recovery.see(tp)
                await self._written.have(tp, progress.moved)
                return await self._recover(tp)
            except HOPELESS:
                raise
            except (KafkaError, OSError) as error:  # Kafka went away again; the time for it all is limited
                log.warning("recovering %s-%d: %s: %s; trying again", *tp, type(error).__name__, error)
                await asyncio.sleep(RECOVERY_PAUSE_SECONDS)

    async def _recover(self, tp: TP) -> OwnedPartition:
        return await self._recovery.recover(tp, self._progress.setdefault(tp, Progress()))

    def _make_owned(
        self, projector: Projector, store: PartitionLog, min_epoch: int, identity: Identity
    ) -> OwnedPartition:
        return OwnedPartition(
            projector,
            store,
            min_epoch,
            self.interval_s,
            self._failed,
            bad_records=self.bad_records,
            identity=identity,
        )

    async def verify(self) -> None:
        """Look whether all partitions are still what was read. Raises `RecreatedTopicError`, `KafkaError`."""
        await all_of(owned.verify() for owned in self._owned.values())

    def _failed(self, owned: OwnedPartition, error: Exception) -> None:
        name = f"{owned.projector.topic}-{owned.projector.partition}"
        if isinstance(error, FeedRecreatedError):
            log.warning("%s: %s", name, error)
        elif not isinstance(error, RecreatedTopicError):
            tell_failed_write(f"the checkpoint of {name}", error, self._settings.topic("views.feed"))
        task = asyncio.create_task(self._mend(owned, error), name=f"mend-{name}")
        self._recoveries.add(task)
        task.add_done_callback(self._recoveries.discard)

    async def _mend(self, owned: OwnedPartition, error: Exception) -> None:
        """After two heartbeats a partition that is still ours, in the same generation, is recovered.

        Somebody who was stopped and is fenced learns by then that the partition is no longer his. What
        another try would not mend ends the process.
        """
        tp = TP(owned.projector.topic, owned.projector.partition)
        await_heartbeats = 2 * self._settings.session_seconds / 5
        while not isinstance(error, HOPELESS) and isinstance(error, KafkaError | OSError):
            await asyncio.sleep(await_heartbeats)
            try:
                await self._replace(tp, owned)
            except Exception as failure:  # noqa: BLE001 - judged by the loop's condition
                tell_failed_write("recovering {}-{}".format(*tp), failure, self._settings.topic("views.feed"))
                error = failure
            else:
                return
        await self._crash(error)

    async def _replace(self, tp: TP, owned: OwnedPartition) -> None:
        """Recover a partition that failed, unless it is not ours to recover any more."""
        if not await self._is_still(tp, owned):
            return
        await owned.close()
        progress = self._progress[tp] = Progress()
        fresh = await watched(self._recover(tp), progress, "recovering {}-{}".format(*tp))
        try:
            async with self._lock:
                if self._owned.get(tp) is owned and self._thread.generation() == self._generation:
                    await self._install(tp, fresh)
        finally:
            if self._owned.get(tp) is not fresh:
                await fresh.close()

    async def _is_still(self, tp: TP, owned: OwnedPartition) -> bool:
        async with self._lock:
            return self._owned.get(tp) is owned and self._thread.generation() == self._generation

    # --- lost records --------------------------------------------------------------------------------------

    async def _lose(self, owned: OwnedPartition, fetched: Fetched, gap: GapError) -> None:
        tp = TP(*fetched.tp)
        beginning = (await self._thread.beginnings({tp}))[tp]
        if beginning <= gap.expected:
            raise gap
        if owned.identity is not None:
            await owned.identity.check()
        await self._recovery.lose(owned.projector, gap.got)
        await owned.take(fetched)

    async def look_for_lost(self) -> None:
        """Partitions that stand still: has Kafka deleted what was to be read next, and all behind it?"""
        still = {tp: owned for tp, owned in self._owned.items() if owned.stands_still}
        beginnings = await self._thread.beginnings(set(still)) if still else {}
        for tp, owned in still.items():
            if beginnings[tp] > owned.projector.state.next_offset:
                if owned.identity is not None:
                    await owned.identity.check()
                await self._recovery.lose(owned.projector, beginnings[tp])
                owned.has_news()


def _some(names: Sequence[str]) -> str:
    more = f" and {len(names) - NAMED} more" if len(names) > NAMED else ""
    return ", ".join(names[:NAMED]) + more
