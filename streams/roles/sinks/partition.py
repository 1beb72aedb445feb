"""One source partition of a sink: the range being filled, and the one being committed."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Callable
from typing import Any, Generic, TypeVar

from agents.protocols import SLICE_RECORDS
from agents.records import Unpacked
from agents.sink import OvertakenError, Proof, Range, Resumed, Sink
from agents.views.projector import GapError
from schemas.validation.avro.known_schemas import UndecidedError
from streams.clock import SYSTEM_CLOCK, Clock
from streams.kafka.batches import Fetched
from streams.kafka.retried import retried
from streams.roles.partition import Partition, ReleasedError
from streams.roles.progress import Progress
from streams.roles.sinks.catch_up import CatchUp
from streams.roles.sinks.memory import Memory
from streams.roles.sinks.source import PartitionSource
from streams.traces import Begun, PartitionTraces, traced

log = logging.getLogger(__name__)

MOST_TIMES = 10
"""How many times its age a range may have while its partition is behind."""

R = TypeVar("R", bound=Range)


class SinkPartition(Partition, Generic[R]):
    """A partition of a sink: fills ranges and commits them one after the other.

    A range is closed when it is full, by `flush`, or when it is `max_seconds` old. While the partition is
    behind by more than that, its age does not count, as history would be split into tiny ranges: the time
    starts when it has caught up, or is `MOST_TIMES` as long. As a range may stay open for long, all that was
    read counts as processed. `on_failure` is called once when no more can be committed: the partition then
    drops its input until its owner has recovered it.
    """

    def __init__(
        self,
        sink: Sink[R],
        source: PartitionSource,
        resumed: Resumed,
        progress: Progress,
        memory: Memory,
        *,
        max_seconds: float,
        on_failure: Callable[[SinkPartition[R]], None],
        clock: Clock = SYSTEM_CLOCK,
        traces: PartitionTraces | None = None,
    ) -> None:
        super().__init__(source.identity, progress, resumed.range.first, clock)
        self.range: R = resumed.range
        self.newest_first: int | None = None
        self._sink = sink
        self._source = source
        self._last_record = resumed.last_record
        self._memory = memory
        self._waits_for_memory = False
        self._max_seconds = max_seconds
        self._on_failure = on_failure
        self._traces = traces
        self._committing: R | None = None
        self._opened_at = clock.monotonic()
        self._catch_up = CatchUp(max_seconds)
        self._closes_early = False
        self._flushing = 0
        self._news = asyncio.Event()
        self._moved = asyncio.Event()
        self._task = asyncio.create_task(self._commit_ranges(), name=f"{sink.name}-{source.partition}")
        memory.holders.add(self)

    @property
    def position(self) -> int:
        """The offset that is to be read next."""
        return self.range.next

    @property
    def waits(self) -> bool:
        """Whether a range is being committed now, or others have to be, as there is no memory left."""
        return self._committing is not None or self._waits_for_memory

    @property
    def stalled(self) -> bool:
        """See `Partition`; in addition, all that was read is committed."""
        return self._committing is None and self.range.empty and super().stalled

    @property
    def held_bytes(self) -> int:
        """Approximate bytes in memory; what is being committed is there twice for a moment."""
        return self.range.held_bytes + (2 * self._committing.held_bytes if self._committing else 0)

    @property
    def closable_bytes(self) -> int:
        """See `streams.roles.sinks.memory.Holder`."""
        return self.range.held_bytes if self.range.until is None else 0

    @property
    def commits(self) -> bool:
        """See `streams.roles.sinks.memory.Holder`."""
        return self._committing is not None

    async def process(self, fetched: Fetched) -> None:
        """Add what was fetched; waits while a full range cannot be committed yet. Raises `GapError`, and
        `UndecidedError` once all before such a record is added."""
        if self.failure is not None or fetched.epoch < self.min_epoch or fetched.after <= self.position:
            return
        if fetched.before > self.position:
            raise GapError(self.position, fetched.before)
        await self._wait_for_memory()
        records = Unpacked(fetched.batches, self.position)
        part: list[Any] = []
        while self.position < fetched.after:
            if not await self._has_room():
                return
            if self.range.empty:
                self._opened_at = self._clock.monotonic()
            try:
                part = part or records.take(SLICE_RECORDS)
                added = self.range.add(part, part[-1].offset + 1 if part else fetched.after)
                if self._traces is not None:
                    self._traces.look(part[:added])
            except UndecidedError:
                self._news.set()
                raise
            except Exception as error:
                self._give_up(error)  # half of it may be in the range, which must not be committed
                raise
            self.identity.processed(self.range.last_record)
            del part[:added]
            self.progress.moved()
            self._news.set()
            await asyncio.sleep(0)

    async def _wait_for_memory(self) -> None:
        # A range whose end is fixed cannot be closed earlier to make room: it is filled whatever its size.
        self._waits_for_memory = True
        try:
            while self.failure is None and self.range.until is None and not await self._memory.has_room():
                pass
        finally:
            self._waits_for_memory = False

    async def _has_room(self) -> bool:
        """Wait until the range is not full; False when it will not be any more."""
        while self.range.full and self.failure is None:
            self._moved.clear()
            await self._moved.wait()
        return self.failure is None

    async def lose(self, until: int) -> None:
        """Kafka has deleted the next records, up to `until`: the next range begins with the loss."""
        await self.flush()
        if self.failure is not None or until <= self.position:  # or it has been recorded meanwhile
            return
        if self.range.rows:  # its end is fixed, and can no longer be reached: start over, with the loss
            self._give_up(OvertakenError())
            self._on_failure(self)
            return
        self.range.lose(until)
        self._news.set()

    async def flush(self) -> None:
        """Close the range and wait until all is committed; a range whose end is fixed stays open."""
        self._flushing += 1
        try:
            while self.failure is None and (self._committing is not None or self._closable):
                self._news.set()
                self._moved.clear()
                await self._moved.wait()
        finally:
            self._flushing -= 1

    def close_early(self) -> None:
        """Close the range as soon as the one before it is committed, if it may be closed."""
        self._closes_early = True
        self._news.set()

    @property
    def _closable(self) -> bool:
        return not self.range.empty and self.range.until is None

    async def still_ours(self) -> bool:
        """Whichever worker owned the partition in between: the sink decides which range counts."""
        return self.failure is None

    async def release(self) -> None:
        """Stop at once; what is not committed is read again by the next owner."""
        self._give_up(ReleasedError())
        await asyncio.gather(self._task, return_exceptions=True)

    def _give_up(self, error: Exception) -> None:
        """From here on the ranges are invalid: only what is in the sink counts."""
        self.failure = self.failure or error
        self._memory.holders.discard(self)
        self._moved.set()
        self._task.cancel()

    # --- committing ----------------------------------------------------------------------------------------

    async def _commit_ranges(self) -> None:
        try:
            while True:
                await self._until_due()
                closed = self._committing = self.range
                processed_at = self.identity.processed_at
                closed.close()
                begun = self._traces.begin() if self._traces else None
                self.range = self._sink.open_range(self._source, closed.next)
                self._closes_early = False
                self._moved.set()
                await self._commit(closed, processed_at, begun)
                self._committing = None
                self._moved.set()
                self._memory.freed.set()
        except Exception as error:  # noqa: BLE001 - the owner decides what to do
            if self.failure is None:
                self.failure = error
                self._on_failure(self)
        finally:
            if self.failure is None:
                self.failure = ReleasedError()
            self._memory.holders.discard(self)
            self._moved.set()

    async def _until_due(self) -> None:
        """Return when the range is to be closed."""
        while True:
            self._news.clear()
            if self.range.full or (self._flushing and self._closable):
                return
            left = None
            if self._closable:
                left = self._due_at() - self._clock.monotonic()
                if left <= 0 or self._closes_early:
                    return
            # Not `wait_for`: where there is news just as we are cancelled, it returns as if nothing were.
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(left):
                    await self._news.wait()

    def _due_at(self) -> float:
        """When the open range is old enough to be closed (monotonic clock, s)."""
        latest = self._opened_at + MOST_TIMES * self._max_seconds
        caught_up_at = self._catch_up.caught_up_at
        if caught_up_at is None:
            return latest
        return min(latest, max(self._opened_at, caught_up_at) + self._max_seconds)

    async def _commit(self, closed: R, processed_at: float, begun: Begun | None) -> None:
        self._last_record = closed.last_record or self._last_record
        name = f"{self._source.topic}-{self._source.partition}"
        await retried(f"verifying {name}", lambda: self.identity.check_processed(processed_at))
        proof = Proof(self.identity.topic_id, self._last_record)
        with traced(self._traces, begun, closed.first, closed.next, closed.rows):
            await self._sink.commit(self._source, closed, proof)
        self.newest_first, self.committed = closed.first, closed.next
        self.progress.moved()

    # --- progress ------------------------------------------------------------------------------------------

    def saw_end(self, stable_end: int, end: int, done_before: int) -> None:
        """See `Partition`."""
        self._catch_up.saw_end(stable_end, self.position, self._clock.monotonic())
        self._news.set()  # it may have caught up
        super().saw_end(stable_end, end, done_before)

    def lag_seconds(self, now_ms: int) -> float:
        """See `Partition`: by what is unread, as what is read may wait in a range, but for longer than it may
        where the sink takes nothing."""
        waits = super().lag_seconds(now_ms) - MOST_TIMES * self._max_seconds
        if self.progress.end_offset <= self.position:
            return max(0.0, waits)
        since_ms = self.progress.caught_up_ms or self._begun_ms
        return max(0.0, waits, (now_ms - since_ms) / 1000)

    def _held(self) -> tuple[R | None, R]:
        return self._committing, self.range

    def _unread_since_ms(self) -> int:
        return self._begun_ms
