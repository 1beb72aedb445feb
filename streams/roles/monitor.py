"""Reports a worker's progress once a second: to lag tools and to Prometheus. Ends a process that is stuck."""

from __future__ import annotations

import asyncio
import logging
from typing import Generic, NamedTuple, TypeVar

from faust.types import TP

from streams import metrics
from streams.clock import Clock
from streams.faust.app import all_of, consumer_of
from streams.faust.transport import BatchConsumerThread, OwnerApp
from streams.kafka.refusals import in_words
from streams.roles.lag import LagGauges, MoveWatch, StuckError
from streams.roles.lag_alarms import LagAlarms
from streams.roles.owner import PartitionOwner
from streams.roles.partition import Partition
from streams.roles.progress import RecreatedTopicError

log = logging.getLogger(__name__)

BEAT_SECONDS = 1.0
BEATS_A_COMMIT = 5

P_co = TypeVar("P_co", bound=Partition, covariant=True)
P = TypeVar("P", bound=Partition)


class Seen(NamedTuple, Generic[P_co]):
    """A partition as of a heartbeat. `oldest_ms`: Kafka timestamp of its oldest unwritten record."""

    tp: TP
    partition: P_co
    end_offset: int
    oldest_ms: int | None


class Reporter(Generic[P]):
    """Reports a role's partitions to others; what a role has nothing to report of stays as it is here."""

    def log(self) -> None:
        """Once a second: log what happened in the second before."""

    async def report(self, seen: list[Seen[P]], owned: dict[TP, P], now_ms: int) -> None:
        """Once a second. `seen`: the owned partitions, except those whose lag is not known."""

    async def commit(self, thread: BatchConsumerThread, owned: dict[TP, P]) -> None:
        """From time to time: commit offsets to the group, for lag tools."""

    async def leave(self, app: OwnerApp) -> None:
        """The worker stops."""


class Monitor(Generic[P]):
    """Checks the partitions of an owner; ends a process that has unread records and does not move."""

    def __init__(self, role: str, owner: PartitionOwner[P], reporter: Reporter[P], app: OwnerApp) -> None:
        self._owner = owner
        self._reporter = reporter
        self._app = app
        self._clock: Clock = owner.clock
        group = owner.settings.group(role)
        self._lag = LagGauges(group)
        self._recovering = metrics.RECOVERING.labels(group)
        self._last_beat = metrics.BEAT.labels(group)
        self._last_beat.set(owner.clock.wall_ms() / 1000)
        for topic in owner.settings.raw_topics:
            metrics.LOST_RECORDS.labels(group, topic)
        metrics.PARTITION_FAILURES.labels(group)
        self._alarms = LagAlarms(owner.settings, role)
        self._moves = MoveWatch(owner.clock.monotonic)
        self._beats = 0

    async def run(self) -> None:
        """Check once a second until cancelled."""
        try:
            while True:
                self._reporter.log()
                try:
                    await self._beat()
                except (RecreatedTopicError, StuckError) as error:
                    await self._app.crash(error)
                except Exception as error:  # noqa: BLE001 - the next beat may work; readers notice
                    log.warning("looking how far we are: %s", in_words(error))
                    for partition in self._owner.owned.values():
                        partition.progress.moved()  # nothing moves while Kafka is unavailable
                self._beats += 1
                await self._pause()
        finally:
            await self._alarms.close()
            await self._reporter.leave(self._app)

    def _look_at_lag(self, seen: list[Seen[P]], now_ms: int) -> None:
        """Those that are being recovered count from when that began: nothing of them is read meanwhile."""
        late = self._owner.recovering_since_ms.items()
        ages = {tp: (now_ms - since_ms) / 1000 for tp, since_ms in late}
        ages |= {one.tp: one.partition.lag_seconds(now_ms) for one in seen}
        self._alarms.look(ages, {*self._owner.owned, *ages})

    async def _pause(self) -> None:
        """Until the next heartbeat, sent as soon as partitions left out of this one can be reported."""
        left_out = [partition for partition in self._owner.owned.values() if partition.unsure]
        if not left_out:
            await asyncio.sleep(BEAT_SECONDS)
            return
        for _ in range(10):
            await asyncio.sleep(BEAT_SECONDS / 10)
            if not any(partition.unsure for partition in left_out):
                return

    async def _beat(self) -> None:
        owned = dict(self._owner.owned)
        consumer = consumer_of(self._app)
        before = {tp: partition.done_offset for tp, partition in owned.items()}
        ends = await consumer.thread.ends(set(owned)) if owned else {}
        now_ms = self._clock.wall_ms()
        since_ms = min(self._owner.recovering_since_ms.values(), default=now_ms)
        self._recovering.set(max(0, now_ms - since_ms) / 1000)
        self._moves.begins_look(reading=not owned or consumer.flow_active)
        self._moves.keep(set(owned))
        seen = []
        for tp, partition in owned.items():
            # Records behind an open transaction of a producer are unread too, though they cannot be read yet.
            end = max(ends[tp], consumer.thread.highwater(tp) or 0)
            partition.saw_end(ends[tp], end, before[tp])
            if partition.unsure:
                continue  # what was last reported on it stands: a guess would close gates at every restart
            oldest_ms = partition.oldest_uncommitted_ms()
            seen.append(Seen(tp, partition, end, oldest_ms))
            self._lag.measure(tp, partition.done_offset, end - partition.committed, oldest_ms, now_ms)
            self._moves.look(tp, partition.progress.moved_at, waits=self._owner.waits(tp))
        self._lag.keep(set(owned))
        self._look_at_lag(seen, now_ms)
        await self._reporter.report(seen, owned, now_ms)
        await all_of([partition.verify() for partition in owned.values()])
        await self._owner.find_lost()
        if self._beats % BEATS_A_COMMIT == 0 and owned:
            await self._reporter.commit(consumer.thread, owned)
        self._last_beat.set(self._clock.wall_ms() / 1000)
