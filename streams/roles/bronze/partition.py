"""One source partition owned by a bronze worker: the range being filled, and the one being written."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections.abc import Callable
from typing import Any

from aiokafka.errors import KafkaError

from agents.bronze.commit import Built, Committer, OvertakenError
from agents.bronze.files import Commit
from agents.bronze.range import RangeBuilder
from agents.protocols import SLICE_RECORDS
from agents.records import Unpacked
from agents.views.projector import GapError
from streams import metrics
from streams.kafka.batches import Fetched
from streams.roles.bronze.catch_up import Behind
from streams.roles.caught_up import CaughtUp
from streams.roles.identity import Identity
from streams.roles.recreated_topic import MadeAnew
from tables.fingerprint import RecordMark

log = logging.getLogger(__name__)

PAUSE_SECONDS = 1.0
STILL_SECONDS = 3.0

MOST_TIMES = 10
"""How many times its age a range may have while its partition is behind."""

MakeRange = Callable[[int, int | None], RangeBuilder]
"""Begins a range at its first offset; the second says where it has to end, if that is settled already."""


class BronzePartition:
    """Fills ranges from what it is given and writes them one after the other, reading on meanwhile.

    A range is closed when it is full, by `flush`, or when it is `max_seconds` old. While the partition is
    behind by more than that, its age does not count, as history would become dust: the time begins when it
    has caught up, or is `MOST_TIMES` as long. `on_written` is called after each commit, `on_end` once when
    no more can be written: the partition then drops what it is given
    (`failed`) until its owner has begun it anew.
    """

    def __init__(
        self,
        begin: RangeBuilder,
        make_range: MakeRange,
        committer: Committer,
        made_anew: MadeAnew,
        *,
        identity: Identity | None = None,
        last_record: RecordMark | None = None,
        max_seconds: float,
        on_written: Callable[[], None],
        on_end: Callable[[BronzePartition, Exception], None],
    ) -> None:
        self.range = begin
        self.newest: Commit | None = None
        self.committed = begin.first
        self.min_epoch = 0
        self.failed = False
        self.end_offset = 0
        self.moved_at = time.monotonic()
        self._make_range = make_range
        self._committer = committer
        self._made_anew = made_anew
        self.identity = identity
        self._last_record = last_record
        self._caught_up = CaughtUp()
        self._begun_ms = int(time.time() * 1000)
        self._max_seconds = max_seconds
        self._on_written = on_written
        self._on_end = on_end
        self._writing: RangeBuilder | None = None
        self._opened_at = time.monotonic()
        self._behind = Behind(max_seconds)
        self._closes_early = False
        self._flushing = 0
        self._news = asyncio.Event()
        self._moved = asyncio.Event()
        self._task = asyncio.create_task(self._write_ranges(), name=f"bronze-{begin.partition}")

    @property
    def position(self) -> int:
        """The offset that is to be read next."""
        return self.range.next

    @property
    def waits_for_store(self) -> bool:
        """Whether a range is being written now."""
        return self._writing is not None

    @property
    def stands_still(self) -> bool:
        """Whether there are unread records, none has come for seconds, and all that was read is written."""
        behind = not self.failed and self._writing is None and self.range.empty
        return behind and self.end_offset > self.position and time.monotonic() - self.moved_at > STILL_SECONDS

    @property
    def held_bytes(self) -> int:
        """Bytes in memory, about; what is being written is there twice for a moment."""
        return self.range.held_bytes + (2 * self._writing.held_bytes if self._writing else 0)

    async def take(self, fetched: Fetched) -> None:
        """Add what was fetched; waits while a full range cannot be written yet. Raises `GapError`."""
        if self.failed or fetched.epoch < self.min_epoch or fetched.after <= self.position:
            return
        if fetched.before > self.position:
            raise GapError(self.position, fetched.before)
        records = Unpacked(fetched.batches, self.position)
        part: list[Any] = []
        while self.position < fetched.after:
            if not await self._has_room():
                return
            if self.range.empty:
                self._opened_at = time.monotonic()
            try:
                part = part or records.take(SLICE_RECORDS)
                taken = self.range.take(part, part[-1].offset + 1 if part else fetched.after)
            except Exception:
                self._give_up()  # half of it may be in the range: nothing of that may be written
                raise
            if self.identity is not None:
                self.identity.took(self.range.last_record)
            del part[:taken]
            self.moved_at = time.monotonic()
            self._news.set()
            await asyncio.sleep(0)

    async def _has_room(self) -> bool:
        """Wait until the range is not full; False when it will not be any more."""
        while self.range.full and not self.failed:
            self._moved.clear()
            await self._moved.wait()
        return not self.failed

    async def lose(self, until: int) -> None:
        """Kafka has deleted what was to be read next, up to `until`: the next range begins with that."""
        await self.flush()
        if self.failed or until <= self.position:  # or somebody has noted it meanwhile
            return
        if self.range.rows:  # its end is settled, and cannot be reached any more: begin again, with the loss
            self._give_up()
            self._on_end(self, OvertakenError())
            return
        self.range.lose(until)
        self._news.set()

    async def flush(self) -> None:
        """Close the range and wait until all is written; one whose end is settled stays open."""
        self._flushing += 1
        try:
            while not self.failed and (self._writing is not None or self._closable):
                self._news.set()
                self._moved.clear()
                await self._moved.wait()
        finally:
            self._flushing -= 1

    def close_early(self) -> None:
        """Close the range as soon as the one before it is written."""
        self._closes_early = True
        self._news.set()

    @property
    def _closable(self) -> bool:
        return not self.range.empty and self.range.until is None

    async def still_ours(self) -> bool:
        """Whoever had the partition in between: the store decides whose range counts."""
        return not self.failed

    async def close(self) -> None:
        """Stop at once; what is not committed is read again by the next owner."""
        self._give_up()
        await asyncio.gather(self._task, return_exceptions=True)

    def _give_up(self) -> None:
        """From here on the ranges are worth nothing: only what is in the store counts."""
        self.failed = True
        self._moved.set()
        self._task.cancel()

    # --- writing -------------------------------------------------------------------------------------------

    async def _write_ranges(self) -> None:
        try:
            while True:
                await self._until_due()
                closed = self._writing = self.range
                taken_at = self.identity.taken_at if self.identity is not None else 0.0
                closed.close()
                self.range = self._make_range(closed.next, None)
                self._closes_early = False
                self._moved.set()
                await self._write(closed, taken_at)
                self._writing = None
                self._moved.set()
                self._on_written()
        except Exception as error:  # noqa: BLE001 - the owner judges what is to be done
            self.failed = True
            self._on_end(self, error)
        finally:
            self.failed = True
            self._moved.set()

    async def _until_due(self) -> None:
        """Return when the range is to be closed."""
        while True:
            self._news.clear()
            if self.range.full or (self._flushing and self._closable):
                return
            left = None
            if self._closable:
                left = self._due_at() - time.monotonic()
                if left <= 0 or self._closes_early:
                    return
            # Not `wait_for`: where there is news just as we are cancelled, it returns as if nothing were.
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(left):
                    await self._news.wait()

    def _due_at(self) -> float:
        """When the open range is old enough to be closed (monotonic clock, s)."""
        latest = self._opened_at + MOST_TIMES * self._max_seconds
        caught_up_at = self._behind.caught_up_at
        if caught_up_at is None:
            return latest
        return min(latest, max(self._opened_at, caught_up_at) + self._max_seconds)

    async def _write(self, closed: RangeBuilder, taken_at: float) -> None:
        started = time.monotonic()
        objects = await asyncio.to_thread(closed.objects)
        self._last_record = closed.last_record or self._last_record
        topic_id = None
        if self.identity is not None:
            await self._verify(self.identity, taken_at)
            topic_id = self.identity.topic_id
        commit = await self._committer.commit(
            Built(closed.first, closed.next, closed.lost, objects, topic_id, self._last_record)
        )
        self.newest, self.committed = commit, commit.next
        self.moved_at = time.monotonic()
        metrics.BRONZE_OBJECTS.inc(len(objects))
        metrics.BRONZE_BYTES.labels("raw").inc(closed.raw_bytes)
        metrics.BRONZE_BYTES.labels("stored").inc(sum(len(made.data) for made in objects))
        metrics.BRONZE_COMMIT.observe(time.monotonic() - started)

    async def _verify(self, identity: Identity, taken_at: float) -> None:
        """Before anything of a range is written: was it of this topic? Asks while Kafka is away."""
        while True:
            try:
                await identity.check_taken(taken_at)
            except (KafkaError, OSError) as error:
                where = f"{self.range.topic}-{self.range.partition}"
                log.warning("verifying %s: %s: %s; trying again", where, type(error).__name__, error)
                await asyncio.sleep(PAUSE_SECONDS)
            else:
                return

    # --- how far it is -------------------------------------------------------------------------------------

    def saw_end(self, stable_end: int, end: int, position: int, now_ms: int) -> None:
        """The partition ends at `end` as of now, and at `stable_end` for read_committed readers.

        `position`: where we were before that was asked; raises `RecreatedTopicError` when the partition ends
        below it, and not only at one look.
        """
        self.end_offset = end
        self._caught_up.saw_end(end, self.position, now_ms)
        self._behind.saw_end(stable_end, self.position)
        self._news.set()  # it may have caught up
        if stable_end <= self.position:
            self.moved_at = time.monotonic()
        self._made_anew.saw_end(stable_end, position)

    def oldest_uncommitted_ms(self) -> int | None:
        """Kafka timestamp (ms) of the oldest record that is not committed, at worst too old; None: none.

        Where it is not read yet, it is as old as the last moment when all had been read, or as our beginning.
        """
        for held in (self._writing, self.range):
            if held is not None and held.first_timestamp_ms is not None:
                return held.first_timestamp_ms
        if self.end_offset <= self.position:
            return None
        known = self._caught_up.at_ms
        return known if known is not None else self._begun_ms
