"""What the owner of source partitions needs from each of them, and how one may end."""

from __future__ import annotations

from typing import Protocol

from streams.kafka.batches import Fetched
from streams.roles.progress import Progress


class ReleasedError(Exception):
    """The partition was released: its next owner continues."""


class Partition(Protocol):
    """One source partition that is owned: it processes what is fetched and writes the results.

    `failure`: why it no longer writes, until its owner has recovered it; None: it writes.
    `min_epoch`: what was fetched in an earlier epoch is not for it.
    """

    min_epoch: int
    failure: Exception | None
    progress: Progress

    @property
    def position(self) -> int:
        """The offset that is to be read next."""

    @property
    def committed(self) -> int:
        """Everything below this offset is written."""

    @property
    def done_offset(self) -> int:
        """Everything below this offset is processed, for the detection of a stall."""

    @property
    def waits(self) -> bool:
        """Whether it has to wait for others: then it is not stuck."""

    @property
    def unsure(self) -> bool:
        """Whether the age of its oldest unwritten record is unknown for the moment."""

    @property
    def stalled(self) -> bool:
        """Whether there are unread records and no progress for seconds, though it could progress."""

    def oldest_uncommitted_ms(self) -> int | None:
        """Kafka timestamp (ms) of the oldest record that is not written, at worst too old; None: none."""

    def begins_reading(self) -> None:
        """It is read from its position on, from now."""

    async def process(self, fetched: Fetched) -> None:
        """Process what was fetched; waits while too much is not written. Raises `GapError`."""

    async def lose(self, until: int) -> None:
        """Kafka has deleted the records to be read next, up to `until`: record it and continue there."""

    async def flush(self) -> None:
        """Write all that was processed."""

    async def still_ours(self) -> bool:
        """Whether it can continue after a rebalance in which another worker may have owned it."""

    async def verify(self) -> None:
        """Check that it is still what was read. Raises `RecreatedTopicError`, `KafkaError`."""

    def saw_end(self, stable_end: int, end: int, done_before: int) -> None:
        """The partition ends at `end` as of now, and at `stable_end` for read_committed readers.

        `done_before`: `done_offset` before the request. Raises `RecreatedTopicError` when the partition
        ends below it, and not only at one check.
        """

    async def release(self) -> None:
        """Stop at once; what is not written is read again by the next owner."""
