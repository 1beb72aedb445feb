"""One source partition of a views worker: its fold, and its checkpoints."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import math
from collections.abc import Callable
from typing import Protocol

from agents.protocols import Log
from agents.views.projector import GapError, Interval, Projector
from schemas.validation.avro.known_schemas import UndecidedError
from streams import metrics
from streams.clock import SYSTEM_CLOCK, Clock
from streams.kafka.batches import Fetched
from streams.roles.identity import FeedRecreatedError, Identity
from streams.roles.partition import Partition, ReleasedError
from streams.roles.progress import Progress
from streams.roles.views.quarantine_counts import QuarantineCounts
from streams.traces import PartitionTraces, traced

log = logging.getLogger(__name__)

BEHIND_RECORDS = 10_000
BEHIND_INTERVAL_SECONDS = 1.0
FIRST_READ_SECONDS = 2.0
PENDING_RECORDS = 400_000
PENDING_BAD_BYTES = 16 << 20
"""When this much waits for a checkpoint, the agent waits too: this bounds memory while Kafka is down."""


class PartitionLog(Log, Protocol):
    """A `Log` of one partition."""

    async def close(self) -> None:
        """Nothing is committed after it."""


class ViewsPartition(Partition):
    """A partition of the views role: folds its input and writes a checkpoint at most every `interval_s()`
    seconds.

    After a failed checkpoint it drops its input (`failure` is set) until its owner has replaced it by a
    recovered one.
    """

    def __init__(
        self,
        projector: Projector,
        feed: PartitionLog,
        identity: Identity,
        progress: Progress,
        *,
        interval_s: Callable[[], float],
        on_failure: Callable[[ViewsPartition], None],
        quarantined: QuarantineCounts,
        clock: Clock = SYSTEM_CLOCK,
        traces: PartitionTraces | None = None,
    ) -> None:
        super().__init__(identity, progress, projector.state.next_offset, clock)
        self.projector = projector
        self._feed = feed
        self._interval_s = interval_s
        self._on_failure = on_failure
        self._quarantined = quarantined
        self._traces = traces
        self._unsure_until = math.inf
        self._committing: Interval | None = None
        self._lock = asyncio.Lock()
        self._news = asyncio.Event()
        self._written = asyncio.Event()
        self._full = asyncio.Event()
        self._behind = False
        self._task = asyncio.create_task(self._checkpoints(), name=f"checkpoints-{projector.partition}")

    @property
    def position(self) -> int:
        """The offset that is to be folded next."""
        return self.projector.state.next_offset

    @property
    def done_offset(self) -> int:
        """What a checkpoint covers."""
        return self.committed

    @property
    def unsure(self) -> bool:
        """Whether this was recovered and has read nothing since, for a moment at most after it could:
        `oldest_uncommitted_ms` is then the time of the record before."""
        recovered = self.projector.state.kafka_ms is not None
        waits = recovered and self._clock.monotonic() < self._unsure_until
        return waits and self.progress.end_offset > self.committed

    def begins_reading(self) -> None:
        """Reading continues from here; it had to wait for other partitions to be recovered."""
        self.progress.moved()
        self._unsure_until = min(self._unsure_until, self._clock.monotonic() + FIRST_READ_SECONDS)

    async def process(self, fetched: Fetched) -> None:
        """Fold one fetched share; waits while too much is not yet written. Raises `GapError`, and
        `UndecidedError` once all before such a record is folded."""
        if self.failure is not None or fetched.epoch < self.min_epoch:
            return
        try:
            self.projector.fold(fetched.before, fetched.after, fetched.batches)
        except GapError:
            raise
        except UndecidedError:
            self._news.set()
            raise
        except Exception as error:
            self._give_up(error)  # half a batch may be folded, which must not be written
            raise
        self.identity.processed(self.projector.state.last_record)
        self._unsure_until = 0.0
        self._behind = fetched.highwater - fetched.after > BEHIND_RECORDS
        self._news.set()
        while self._too_much() and self.failure is None:
            self._full.set()
            self._written.clear()
            await self._written.wait()

    def _too_much(self) -> bool:
        pending = self.projector.pending
        return pending.records > PENDING_RECORDS or pending.bad_bytes > PENDING_BAD_BYTES

    async def lose(self, until: int) -> None:
        """See `Partition`."""
        if until > self.position:  # or it has been recorded meanwhile
            self.projector.lose(until)
            self._news.set()

    async def verify(self) -> None:
        """Check that the source and the feed are still the same.

        A different feed fails the partition like a failed checkpoint: it is recovered from the new feed.
        Raises `RecreatedTopicError`, `KafkaError`, `TimeoutError`.
        """
        if self.failure is not None:
            return
        try:
            await self.identity.check()
        except FeedRecreatedError as error:
            async with self._lock:
                self._fail(error)

    def _held(self) -> tuple[Interval | None, Interval]:
        return self._committing, self.projector.pending

    def _unread_since_ms(self) -> int:
        return self.projector.state.kafka_ms or 0

    # --- checkpoints ---------------------------------------------------------------------------------------

    async def flush(self) -> None:
        """Write a checkpoint of what has been folded."""
        await self.checkpoint()

    async def checkpoint(self) -> bool:
        """The same; False when it failed: the partition must then be recovered."""
        async with self._lock:
            return self.failure is None and await self._commit(prove=False)

    async def still_ours(self) -> bool:
        """Prove by a checkpoint, with or without changes, that this worker is not fenced."""
        async with self._lock:
            return self.failure is None and await self._commit(prove=True)

    async def _commit(self, *, prove: bool) -> bool:
        started = self._clock.monotonic()
        try:
            interval = self.projector.interval()
            if interval is None and prove:
                state = self.projector.state
                interval = Interval(state.next_offset, feed=[state.checkpoint_record(self._clock.wall_ms())])
            if interval is None:
                return True
            self._committing = interval
            begun = self._traces.begin() if self._traces else None
            with traced(self._traces, begun, self.committed, interval.next_offset, interval.records):
                await self._feed.commit(interval.feed, interval.quarantine)
        except Exception as error:  # noqa: BLE001 - whatever it is, only recovery shows what was written
            self._fail(error)
            return False
        except BaseException:  # cancelled in the middle: the transaction stays open, and nothing ends it
            self._give_up(ReleasedError())
            raise
        self._committing = None
        if interval.next_offset != self.committed:
            self.committed = interval.next_offset
            self.progress.moved()
        self._measure(interval, started)
        self._quarantined.add(interval.reasons, interval.examples)
        self._written.set()
        return True

    def _fail(self, error: Exception) -> None:
        if self.failure is None:
            self._give_up(error)
            self._on_failure(self)

    def _give_up(self, error: Exception) -> None:
        """From here on the state is invalid: only what is in the feed counts."""
        self.failure = self.failure or error
        self._written.set()

    async def release(self) -> None:
        """See `Partition`."""
        self._give_up(ReleasedError())
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)
        await self._feed.close()

    async def _checkpoints(self) -> None:
        while self.failure is None:
            await self._news.wait()
            self._news.clear()
            began = self._clock.monotonic()
            await self.checkpoint()
            interval = max(self._interval_s(), BEHIND_INTERVAL_SECONDS if self._behind else 0.0)
            pause = max(0.0, began + interval - self._clock.monotonic())
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._full.wait(), pause)
            self._full.clear()

    def _measure(self, interval: Interval, started: float) -> None:
        for (event, outcome), count in interval.outcomes.items():
            metrics.EVENTS.labels(event, outcome).inc(count)
        for (event, version), count in interval.adapted.items():
            metrics.ADAPTED.labels(event, version).inc(count)
        metrics.CHECKPOINT.observe(self._clock.monotonic() - started)
        interval.ages.observe(self._clock.wall_ms(), metrics.EVENT_TO_VIEW)
