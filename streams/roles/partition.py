"""What the owner of source partitions needs from each of them, and how one may end."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable
from typing import Any

from streams.clock import Clock
from streams.kafka.batches import Fetched
from streams.roles.identity import Identity
from streams.roles.progress import Progress


class ReleasedError(Exception):
    """The partition was released: its next owner continues."""


class Partition(ABC):
    """One source partition that is owned: it processes what is fetched and writes the results.

    `failure`: why it no longer writes, until its owner has recovered it; None: it writes.
    `min_epoch`: what was fetched in an earlier epoch is not for it.
    `committed`: everything below this offset is written.
    """

    def __init__(self, identity: Identity, progress: Progress, committed: int, clock: Clock) -> None:
        self.identity = identity
        self.progress = progress
        self.committed = committed
        self.min_epoch = 0
        self.failure: Exception | None = None
        self._clock = clock
        self._begun_ms = clock.wall_ms()

    @property
    @abstractmethod
    def position(self) -> int:
        """The offset that is to be read next."""

    @property
    def done_offset(self) -> int:
        """Everything below this offset is processed, for the detection of a stall."""
        return self.position

    @property
    def waits(self) -> bool:
        """Whether it has to wait for others: then it is not stuck."""
        return False

    @property
    def unsure(self) -> bool:
        """Whether the age of its oldest unwritten record is unknown for the moment."""
        return False

    @property
    def stalled(self) -> bool:
        """Whether there are unread records and no progress for seconds, though it could progress."""
        return self.failure is None and self.progress.stalled(self.position)

    def oldest_uncommitted_ms(self) -> int | None:
        """Kafka timestamp (ms) of the oldest record that is not written, at worst too old; None: none."""
        for held in self._held():
            first_ms: int | None = None if held is None else held.first_timestamp_ms
            if first_ms is not None:
                return first_ms
        if self.progress.end_offset <= self.done_offset:
            return None
        known = self.progress.caught_up_ms  # what is not read yet came after all had been read
        return known if known is not None else self._unread_since_ms()

    def lag_seconds(self, now_ms: int) -> float:
        """How far it is behind what it is to have written by now; 0: it is not. Where nothing was ever read,
        since it was owned: what is there may be of any age."""
        oldest_ms = self.oldest_uncommitted_ms()
        return 0.0 if oldest_ms is None else max(0, now_ms - (oldest_ms or self._begun_ms)) / 1000

    @abstractmethod
    def _held(self) -> Iterable[Any]:
        """What is read and not written, the oldest first: each with a `first_timestamp_ms`, or None."""

    @abstractmethod
    def _unread_since_ms(self) -> int:
        """Since when there may be unread records (ms), where no moment is known at which all were read."""

    def saw_end(self, stable_end: int, end: int, done_before: int) -> None:
        """The partition ends at `end` as of now, and at `stable_end` for read_committed readers.

        `done_before`: `done_offset` before the request. Raises `RecreatedTopicError` when the partition
        ends below it, and not only at one check.
        """
        self.progress.saw_end(stable_end, end, self.done_offset)
        self.progress.check_recreated(stable_end, done_before)

    def begins_reading(self) -> None:  # noqa: B027 - a role may have nothing to do
        """It is read from its position on, from now."""

    @abstractmethod
    async def process(self, fetched: Fetched) -> None:
        """Process what was fetched; waits while too much is not written. Raises `GapError`."""

    @abstractmethod
    async def lose(self, until: int) -> None:
        """Kafka has deleted the records to be read next, up to `until`: record it and continue there."""

    @abstractmethod
    async def flush(self) -> None:
        """Write all that was processed."""

    @abstractmethod
    async def still_ours(self) -> bool:
        """Whether it can continue after a rebalance in which another worker may have owned it."""

    async def verify(self) -> None:
        """Check that it is still what was read. Raises `RecreatedTopicError`, `KafkaError`."""
        await self.identity.check()

    @abstractmethod
    async def release(self) -> None:
        """Stop at once; what is not written is read again by the next owner."""
