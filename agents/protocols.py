"""What agents need of the outside, as protocols: `streams` has the real ones, tests may have their own."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple, Protocol

FeedRecord = tuple[bytes, bytes | None]
"""Key and value of a record of views.feed; a None value is a tombstone."""


class Record(Protocol):
    """One record of a raw topic, as Kafka has it."""

    offset: int
    timestamp: int
    key: bytes | None
    value: bytes | None


class RecordBatch(Protocol):
    """A record batch, undecoded: iterating it decodes. `base_offset` is its first offset."""

    base_offset: int

    def __iter__(self) -> Iterable[Record]: ...  # type: ignore[override]  # aiokafka's batches are their own iterators


class BadRecord(NamedTuple):
    """A quarantined record: the original key and value, untouched, and the headers that say why."""

    key: bytes | None
    value: bytes | None
    headers: list[tuple[str, bytes]]


class Log(Protocol):
    """Where a source partition's checkpoints go."""

    async def commit(self, feed: Sequence[FeedRecord], quarantine: Sequence[BadRecord]) -> None:
        """Write all of it or nothing. Raises when it is not known to be written."""
