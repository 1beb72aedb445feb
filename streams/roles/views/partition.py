"""One source partition owned by a views worker: its fold, its checkpoints, and how far it is."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import math
import time
from collections.abc import Callable
from typing import Protocol

from agents.protocols import Log
from agents.views.projector import GapError, Interval, Projector
from streams import metrics
from streams.kafka.batches import Fetched
from streams.roles.caught_up import CaughtUp
from streams.roles.identity import FeedRecreatedError, Identity
from streams.roles.recreated_topic import MadeAnew
from streams.roles.views.quarantine_counts import BadRecords

log = logging.getLogger(__name__)

BEHIND_RECORDS = 10_000
BEHIND_INTERVAL_SECONDS = 1.0
FIRST_READ_SECONDS = 2.0
STILL_SECONDS = 3.0
PENDING_RECORDS = 400_000
PENDING_BAD_BYTES = 16 << 20
"""When this much waits for a checkpoint, the agent waits too: memory stays bounded while Kafka is away."""


def made_anew_watch(topic: str, partition: int) -> MadeAnew:
    """Whether a raw topic is still the one that was folded."""
    mend = "Give it another name, or delete the feed to begin anew"
    return MadeAnew(topic, partition, "checkpoint is at", mend)


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
        *,
        bad_records: BadRecords,
        identity: Identity | None = None,
    ) -> None:
        self.projector = projector
        self.identity = identity
        self.min_epoch = min_epoch
        self.committed = projector.state.next_offset
        self.failed = False
        self.end_offset = 0
        self._caught_up = CaughtUp()
        self._made_anew = made_anew_watch(projector.topic, projector.partition)
        self.moved_at = time.monotonic()
        self._unsure_until = math.inf
        self._store = store
        self._interval_s = interval_s
        self._on_failure = on_failure
        self._bad_records = bad_records
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
        try:
            self.projector.take(fetched.before, fetched.after, fetched.batches)
        except GapError:
            raise
        except Exception:
            self._give_up()  # half a batch may be folded: nothing of it may be written
            raise
        if self.identity is not None:
            self.identity.took(self.projector.state.last_record)
        self._unsure_until = 0.0
        self._behind = fetched.highwater - fetched.after > BEHIND_RECORDS
        self._something.set()
        while self._too_much() and not self.failed:
            self._full.set()
            self._written.clear()
            await self._written.wait()

    def _too_much(self) -> bool:
        pending = self.projector.pending
        return pending.records > PENDING_RECORDS or pending.bad_bytes > PENDING_BAD_BYTES

    def begins_reading(self) -> None:
        """Reading goes on from here; it had to wait for other partitions to be recovered."""
        now = time.monotonic()
        self.moved_at = now
        self._unsure_until = min(self._unsure_until, now + FIRST_READ_SECONDS)

    @property
    def stands_still(self) -> bool:
        """Whether there are unread records, and none has come for some seconds."""
        behind = not self.failed and self.end_offset > self.projector.state.next_offset
        return behind and time.monotonic() - self.moved_at > STILL_SECONDS

    def has_news(self) -> None:
        """Something was folded, or lost, that no checkpoint says yet."""
        self._something.set()

    @property
    def unsure(self) -> bool:
        """Whether this was recovered and has not read on, for a moment at most after it could:
        `oldest_unread_ms` is then the time of the record before."""
        recovered = self.projector.state.kafka_ms is not None
        return recovered and time.monotonic() < self._unsure_until and self.end_offset > self.committed

    def oldest_unread_ms(self) -> int | None:
        """Kafka timestamp (ms) of the oldest record that no checkpoint covers, at worst too old; None: none.

        Where the record itself is not known yet, it is as old as the last moment when all had been read.
        """
        for interval in (self._writing, self.projector.pending):
            if interval is not None and interval.first_timestamp_ms is not None:
                return interval.first_timestamp_ms
        if self.end_offset <= self.committed:
            return None
        known = self._caught_up.at_ms
        return known if known is not None else self.projector.state.kafka_ms or 0

    def saw_end(self, stable_end: int, end: int, now_ms: int) -> None:
        """The partition ends at `end` as of now, and at `stable_end` for read_committed readers.

        Raises `RecreatedTopicError` when it ends below its checkpoint, and not only at one look.
        """
        self.end_offset = end
        self._caught_up.saw_end(end, self.committed, now_ms)
        if stable_end <= self.committed:
            self.moved_at = time.monotonic()
        self._made_anew.saw_end(stable_end, self.committed)

    async def checkpoint(self) -> bool:
        """Write what has been folded. False when it failed; the partition is then to be recovered."""
        async with self._lock:
            if self.failed:
                return False
            return await self._write(prove=False)

    async def still_ours(self) -> bool:
        """Prove by a checkpoint, with or without changes, that nobody has fenced us."""
        async with self._lock:
            return not self.failed and await self._write(prove=True)

    async def verify(self) -> None:
        """Look whether the source and the feed are still what they were.

        A feed that is another one makes the partition fail as a checkpoint may: it is recovered from the new
        one. Raises `RecreatedTopicError`, `KafkaError`, `TimeoutError`.
        """
        if self.identity is None or self.failed:
            return
        try:
            await self.identity.check()
        except FeedRecreatedError as error:
            async with self._lock:
                if not self.failed:
                    self._give_up()
                    self._on_failure(self, error)

    async def _write(self, *, prove: bool) -> bool:
        started = time.monotonic()
        try:
            interval = self.projector.interval()
            if interval is None and prove:
                state = self.projector.state
                interval = Interval(
                    state.next_offset, feed=[state.checkpoint_record(int(time.time() * 1000))]
                )
            if interval is None:
                return True
            self._writing = interval
            await self._store.commit(interval.feed, interval.quarantine)
        except Exception as error:  # noqa: BLE001 - whatever it is, only recovery tells what was written
            self._give_up()
            self._on_failure(self, error)
            return False
        except BaseException:  # cancelled in the middle: the transaction is open, and nobody will end it
            self._give_up()
            raise
        self._writing = None
        if interval.next_offset != self.committed:
            self.committed = interval.next_offset
            self.moved_at = time.monotonic()
        _measure(interval, time.monotonic() - started)
        self._bad_records.add(interval.reasons)
        self._written.set()
        return True

    async def close(self) -> None:
        """Stop at once and let go of the store; what is not written will be read again by the next owner."""
        self._give_up()
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)
        await self._store.close()

    def _give_up(self) -> None:
        """From here on the state is worth nothing: only what is in the feed counts."""
        self.failed = True
        self._written.set()

    async def _checkpoints(self) -> None:
        while not self.failed:
            await self._something.wait()
            self._something.clear()
            await self.checkpoint()
            pause = max(self._interval_s(), BEHIND_INTERVAL_SECONDS if self._behind else 0.0)
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._full.wait(), pause)
            self._full.clear()


def _measure(interval: Interval, seconds: float) -> None:
    for (event, outcome), count in interval.outcomes.items():
        metrics.EVENTS.labels(event, outcome).inc(count)
    metrics.CHECKPOINT.observe(seconds)
    if interval.first_timestamp_ms is not None:
        metrics.EVENT_TO_VIEW.observe(max(0.0, time.time() - interval.first_timestamp_ms / 1000))
