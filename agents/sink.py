"""A sink: where the records of source partitions are written, exactly once, range by range, as a protocol.

A range is the records of a source partition between two offsets. The runtime (`streams.roles.sinks`) fills
one range of a partition after the other and commits them in order; a sink stores which of them are committed.
Any number of writers may attempt the same range, stopped and resumed at any instruction: the sink decides
which of them counts.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from typing import Any, NamedTuple, Protocol, TypeVar

from tables.fingerprint import RecordFingerprint


class OvertakenError(Exception):
    """Another writer has this range, or one with the same beginning: find out again where to continue."""


class Range(Protocol):
    """An open range: `first`, and `next`, the offset after it.

    `until`: the offset at which another writer's pending range has to end. `lost`: offsets [from, to) at its
    beginning that Kafka deleted before they were read. `last_record`: of its newest record.
    `first_timestamp_ms`: Kafka timestamp of its first record.
    """

    first: int
    next: int
    until: int | None
    first_timestamp_ms: int | None
    last_record: RecordFingerprint | None

    @property
    def rows(self) -> int:
        """How many records it has."""

    @property
    def full(self) -> bool:
        """Whether it has to be closed before more is added."""

    @property
    def empty(self) -> bool:
        """Whether no offset has been covered yet."""

    @property
    def held_bytes(self) -> int:
        """Approximate bytes that it holds in memory."""

    def add(self, records: Sequence[Any], after: int) -> int:
        """Add records, all at or above `next` and below `after`, until it is full; returns how many.

        Once all are added, it reaches to `after`, or to `until`.
        """

    def lose(self, until: int) -> None:
        """Kafka has deleted the records from its beginning to `until`; nothing was added yet."""

    def close(self) -> None:
        """Nothing is added any more."""


class Source(Protocol):
    """What a sink may ask of a source partition while it finds out where to continue."""

    topic: str
    partition: int
    first_seen: int
    """Where it began when this worker first saw it."""

    async def hint(self) -> tuple[int, int] | None:
        """First and next offset of the range committed last, as some worker recorded; it may be wrong."""

    async def verify(self, topic_ids: Collection[str], records: Iterable[RecordFingerprint | None]) -> int:
        """Compare the stored identity with the topic; returns the topic's partition count.

        Raises when it is another topic.
        """

    @property
    def topic_id(self) -> str | None:
        """The topic's id, once it is verified; None: the brokers have no topic ids."""


R = TypeVar("R", bound=Range)


class Resumed(NamedTuple):
    """Where a partition continues: the range to fill, and the newest record that is committed."""

    range: Any
    last_record: RecordFingerprint | None = None


class Proof(NamedTuple):
    """What a commit states about its topic: the topic's id, and its newest record up to there."""

    topic_id: str | None
    last_record: RecordFingerprint | None


class Sink(Protocol[R]):
    """`str()` describes what it is and where, for people; `name` is the name of its data."""

    name: str

    async def resume(self, source: Source) -> Resumed:
        """Find out where a partition continues; a pending range of a former writer is finished, unless Kafka
        has deleted all of it: another range is then opened at its beginning.

        Raises `KafkaError` and `OSError`, after which it is called again.
        """

    def open_range(self, source: Source, first: int) -> R:
        """A new range that begins at `first`."""

    async def commit(self, source: Source, closed: R, proof: Proof) -> None:
        """Returns once the range is stored permanently, once. Raises `OvertakenError`."""
