"""What a sink's worker reports once a second."""

from __future__ import annotations

from typing import TypeVar

from faust.types import TP
from prometheus_client import Gauge

from agents.sink import Range
from streams.faust.transport import BatchConsumerThread
from streams.roles.monitor import Reporter, Seen
from streams.roles.owner import PartitionOwner
from streams.roles.sinks.partition import SinkPartition

R = TypeVar("R", bound=Range)


class SinkReporter(Reporter[SinkPartition[R]]):
    """`oldest`: the gauge that is set to the age of the oldest record that is not committed."""

    def __init__(self, owner: PartitionOwner[SinkPartition[R]], oldest: Gauge | None = None) -> None:
        self._owner = owner
        self._oldest = oldest

    async def report(
        self, seen: list[Seen[SinkPartition[R]]], owned: dict[TP, SinkPartition[R]], now_ms: int
    ) -> None:
        """The oldest record, including those of partitions that wait for the sink."""
        if self._oldest is None:
            return
        oldest = [at_ms for _, _, _, at_ms in seen if at_ms is not None]
        oldest += [at_ms for tp, at_ms in self._owner.recovering_since_ms.items() if tp not in owned]
        self._oldest.set(max(0, now_ms - min(oldest, default=now_ms)) / 1000)

    async def commit(self, thread: BatchConsumerThread, owned: dict[TP, SinkPartition[R]]) -> None:
        """Where the newest ranges end; their beginning, as metadata, is the hint where to continue."""
        await thread.publish(
            {
                tp: (partition.committed, str(partition.newest_first))
                for tp, partition in owned.items()
                if partition.newest_first is not None
            }
        )
