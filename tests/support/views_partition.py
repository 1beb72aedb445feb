"""A partition of the views worker on a log in memory that can fail."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import Any

from aiokafka import TopicPartition
from faust.types import TP

from agents.protocols import FeedRecord
from agents.quarantine.record import Message
from agents.views.projector import Projector
from schemas.validation.validator import Validator
from streams.kafka.batches import Fetched
from streams.roles.views.partition import ViewsPartition
from streams.roles.views.quarantine_counts import QuarantineCounts
from tables.codec import decode_checkpoint
from tables.fold.limits import Limits
from tables.fold.state import PartitionState
from tables.views import VIEWS
from tests.support.roles import FixedClock, identity_of, progress_of

TOPIC = "t"
ONE = TP(TOPIC, 0)
NOW_MS = 1_772_359_200_000
CLICK = (
    b'{"event_id":"e%d","event":"search.click","version":1,"occurred_at":"2026-03-01T10:00:00Z","source":"s",'
    b'"city":"ulm","payload":{"session_id":"s","listing_id":"l","position":1}}'
)
OnFailure = Callable[[ViewsPartition], None]


class Record:
    def __init__(self, offset: int) -> None:
        self.offset, self.timestamp, self.key, self.value = offset, NOW_MS, None, CLICK % offset


class Batch(list[Record]):
    @property
    def base_offset(self) -> int:
        return self[0].offset


class MemoryLog:
    """Keeps what is committed. `error` is raised instead; while `gate` is closed a commit waits."""

    def __init__(self) -> None:
        self.commits: list[list[FeedRecord]] = []
        self.error: Exception | None = None
        self.gate = asyncio.Event()
        self.gate.set()
        self.entered = asyncio.Event()
        self.closed = False

    async def commit(self, feed: Sequence[FeedRecord], quarantine: Sequence[Message]) -> None:  # noqa: ARG002
        self.entered.set()
        await self.gate.wait()
        if self.error:
            raise self.error
        self.commits.append(list(feed))

    async def close(self) -> None:
        self.closed = True

    @property
    def next_offsets(self) -> list[int]:
        """The offset in each commit's checkpoint."""
        return [decode_checkpoint(feed[-1][1] or b"").next for feed in self.commits]


class Owned:
    """A partition on a `MemoryLog`; its checkpoints come only when asked for, or once an hour."""

    def __init__(
        self,
        on_failure: OnFailure | None = None,
        quarantined: QuarantineCounts | None = None,
        tp: TP = ONE,
        clock: FixedClock | None = None,
    ) -> None:
        self.log = MemoryLog()
        self.clock = clock or FixedClock(NOW_MS)
        self.failures: list[Exception] = []
        state = PartitionState(TOPIC, VIEWS.values(), Limits(2880, 840, 3600, 168))
        self.projector = Projector(*tp, state, Validator(), lambda: NOW_MS)
        self.partition = ViewsPartition(
            self.projector, self.log, identity_of(tp), progress_of(tp, "checkpoint is at", self.clock),
            interval_s=lambda: 3600.0, on_failure=on_failure or self.failed,
            quarantined=quarantined or QuarantineCounts(), clock=self.clock,
        )  # fmt: skip
        self.partition.min_epoch = 1

    def failed(self, partition: ViewsPartition) -> None:
        assert partition.failure is not None
        self.failures.append(partition.failure)

    def saw_end(self, stable_end: int, end: int) -> None:
        self.partition.saw_end(stable_end, end, self.partition.done_offset)

    async def process(self, first: int, end: int, epoch: int = 1) -> None:
        batches: list[Any] = [Batch(map(Record, range(first, end)))] if end > first else []
        await self.partition.process(Fetched(TopicPartition(TOPIC, 0), first, end, batches, end, epoch))
