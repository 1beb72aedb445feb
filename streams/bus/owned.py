"""One source partition owned by a views worker: its fold, its checkpoints, and how far it is."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections.abc import Callable
from typing import Protocol

from agents.project import Interval, Projector
from agents.protocols import Log
from streams import metrics
from streams.bus.batches import Fetched

log = logging.getLogger(__name__)

BEHIND_RECORDS = 10_000
BEHIND_INTERVAL_SECONDS = 1.0
PENDING_RECORDS = 400_000
PENDING_BAD_BYTES = 16 << 20
"""When this much waits for a checkpoint, the agent waits too: memory stays bounded while Kafka is away."""


class PartitionStore(Log, Protocol):
    """A `Log` that can be let go of."""

    async def close(self) -> None:
        """Let go; nothing is committed after it."""


class OwnedPartition:
    """Folds what it is given and writes a checkpoint at most every `interval_s()` seconds.

    After a failed checkpoint it drops what it is given (`failed` is set) until its owner has replaced it by a
    recovered one.
    """

    def __init__(
        self,
        projector: Projector,
        store: PartitionStore,
        min_epoch: int,
        interval_s: Callable[[], float],
        on_failure: Callable[[OwnedPartition, Exception], None],
    ) -> None:
        self.projector = projector
        self.min_epoch = min_epoch
        self.committed = projector.state.next_offset
        self.failed = False
        self.end_offset = 0
        self.caught_up_ms: int | None = None
        self.moved_at = time.monotonic()
        self._store = store
        self._interval_s = interval_s
        self._on_failure = on_failure
        self._writing: Interval | None = None
        self._lock = asyncio.Lock()
        self._something = asyncio.Event()
        self._written = asyncio.Event()
        self._full = asyncio.Event()
        self._behind = False
        self._task = asyncio.create_task(self._checkpoints(), name=f"checkpoints-{projector.partition}")

    async def take(self, fetched: Fetched) -> None:
        """Fold one fetched share; waits while too much is not yet written. Raises `GapError`."""
        if self.failed or fetched.epoch < self.min_epoch:
            return
        self.projector.take(fetched.before, fetched.after, fetched.batches)
        self._behind = fetched.highwater - fetched.after > BEHIND_RECORDS
        self._something.set()
        while self._too_much() and not self.failed:
            self._full.set()
            self._written.clear()
            await self._written.wait()

    def _too_much(self) -> bool:
        pending = self.projector.pending
        return pending.records > PENDING_RECORDS or pending.bad_bytes > PENDING_BAD_BYTES

    def oldest_unread_ms(self) -> int | None:
        """Kafka timestamp (ms) of the oldest record that no checkpoint covers, at worst too old; None: none.

        Where the record itself is not known yet, it is as old as the last moment when all had been read.
        """
        for interval in (self._writing, self.projector.pending):
            if interval is not None and interval.first_timestamp_ms is not None:
                return interval.first_timestamp_ms
        if self.end_offset <= self.committed:
            return None
        return self.caught_up_ms if self.caught_up_ms is not None else self.projector.state.kafka_ms or 0

    def saw_end(self, end_offset: int, now_ms: int) -> None:
        """The partition ends here, as of now."""
        self.end_offset = end_offset
        if end_offset <= self.committed:
            self.caught_up_ms = now_ms
            self.moved_at = time.monotonic()

    async def checkpoint(self) -> bool:
        """Write what has been folded. False when it failed; the partition is then to be recovered."""
        async with self._lock:
            if self.failed:
                return False
            interval = self.projector.interval()
            return True if interval is None else await self._write(interval)

    async def still_ours(self) -> bool:
        """Prove by a checkpoint, with or without changes, that nobody has fenced us."""
        if not await self.checkpoint():
            return False
        async with self._lock:
            state = self.projector.state
            empty = Interval(state.next_offset, feed=[state.checkpoint_record(int(time.time() * 1000))])
            return await self._write(empty)

    async def _write(self, interval: Interval) -> bool:
        self._writing = interval
        started = time.monotonic()
        try:
            await self._store.commit(interval.feed, interval.quarantine)
        except Exception as error:  # noqa: BLE001 - whatever it is, only recovery tells what was written
            self.failed = True
            self._written.set()
            self._on_failure(self, error)
            return False
        self._writing = None
        if interval.next_offset != self.committed:
            self.committed = interval.next_offset
            self.moved_at = time.monotonic()
        _count(interval, time.monotonic() - started)
        self._written.set()
        return True

    async def close(self) -> None:
        """Stop at once and let go of the store; what is not written will be read again by the next owner."""
        self.failed = True
        self._written.set()
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)
        await self._store.close()

    async def _checkpoints(self) -> None:
        while not self.failed:
            await self._something.wait()
            self._something.clear()
            await self.checkpoint()
            pause = max(self._interval_s(), BEHIND_INTERVAL_SECONDS if self._behind else 0.0)
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._full.wait(), pause)
            self._full.clear()


def _count(interval: Interval, seconds: float) -> None:
    for (event, outcome), count in interval.outcomes.items():
        metrics.EVENTS.labels(event, outcome).inc(count)
    for (code, reason), count in interval.reasons.items():
        metrics.QUARANTINE.labels(code, reason).inc(count)
        metrics.ERRORS.labels(code).inc(count)
    metrics.CHECKPOINT.observe(seconds)
    if interval.first_timestamp_ms is not None:
        metrics.EVENT_TO_VIEW.observe(max(0.0, time.time() - interval.first_timestamp_ms / 1000))
