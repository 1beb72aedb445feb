"""The role of a sink: recovers partitions at the position given by the sink, and judges their failures."""

from __future__ import annotations

import logging
from collections.abc import Collection
from typing import Generic, TypeVar

from faust.types import TP

from agents.sink import OvertakenError, Range, Resumed, Sink
from streams.kafka.retried import retried
from streams.roles.alarms import raise_lost
from streams.roles.identity import Identity
from streams.roles.owner import PartitionOwner
from streams.roles.progress import Progress
from streams.roles.sinks.memory import Memory
from streams.roles.sinks.partition import SinkPartition
from streams.roles.sinks.source import PartitionSource
from streams.traces import Traces

log = logging.getLogger(__name__)

FETCH_PAUSE_SECONDS = 0.2
"""Nothing reads a range before it is committed, which is seldom."""

R = TypeVar("R", bound=Range)


class SinkRole(Generic[R]):
    """`streams.roles.owner.Role` of a sink. `remedy`: what to do when a topic was recreated."""

    drain_seconds = 7.5

    def __init__(
        self, name: str, sink: Sink[R], *, remedy: str, max_seconds: float, traces: Traces | None = None
    ) -> None:
        self.name = name
        self._sink = sink
        self._remedy = remedy
        self._max_seconds = max_seconds
        self._traces = traces
        self._memory = Memory()

    async def recover(self, owner: PartitionOwner[SinkPartition[R]], tp: TP) -> SinkPartition[R]:
        """Find out where a partition continues, retrying while the sink or Kafka is unavailable.

        Raises `RecreatedTopicError`, and what the sink raises for data that it cannot read.
        """
        doing = f"recovering {tp.topic}-{tp.partition}"
        # Before the sink is asked, which may be unavailable for long.
        await retried(doing, lambda: owner.first_seen(tp))
        return await retried(doing, lambda: self._resume(owner, tp))

    async def _resume(self, owner: PartitionOwner[SinkPartition[R]], tp: TP) -> SinkPartition[R]:
        name = self._sink.name
        identity = Identity(owner.queries, tp, done=f"what {name} has is of", remedy=self._remedy)
        source = PartitionSource(tp, owner.thread, await owner.first_seen(tp), identity)
        opened, last_record = await self._sink.resume(source)
        beginning, end = (await owner.thread.beginnings({tp}))[tp], (await owner.thread.ends({tp}))[tp]
        if opened.until is not None and opened.until <= beginning:
            opened = self._sink.open_range(source, opened.first)
        done = f"newest {name} commit goes up to"
        progress = Progress(*tp, done=done, remedy=self._remedy, clock=owner.clock)
        progress.begins(end, opened.first)
        if beginning > opened.first:
            await raise_lost(owner.settings, self.name, *tp, (opened.first, beginning))
            opened.lose(beginning)
        log.info("%s-%d goes on at offset %d", *tp, opened.next)
        return SinkPartition(
            self._sink,
            source,
            Resumed(opened, last_record),
            progress,
            self._memory,
            max_seconds=self._max_seconds,
            on_failure=lambda partition: owner.failed(tp, partition),
            clock=owner.clock,
            traces=self._traces.of(*tp) if self._traces else None,
        )

    def fetch_pause_s(self, partitions: int) -> float:  # noqa: ARG002 - the role's signature
        """See `streams.faust.transport.Owner`."""
        return FETCH_PAUSE_SECONDS

    def on_failure(self, tp: TP, error: Exception) -> bool:
        """See `streams.roles.owner.Role`: only for another writer the process does not end."""
        if isinstance(error, OvertakenError):
            log.info("another writer was ahead on %s-%d: looking where to go on", *tp)
            return True
        log.error("writing %s of %s-%d failed: %s", self._sink.name, *tp, error)
        return False

    def waiting_for(self, tps: Collection[TP]) -> str | None:
        """The sink, as long as a partition waits for it."""
        return str(self._sink) if tps else None
