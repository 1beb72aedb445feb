"""A source partition as presented to a sink (`agents.sink.Source`)."""

from __future__ import annotations

from collections.abc import Collection, Iterable

from faust.types import TP

from streams.faust.transport import BatchConsumerThread
from streams.roles.identity import Identity
from tables.fingerprint import RecordFingerprint


class PartitionSource:
    """Sends requests about one partition to Kafka, in the consumer's thread."""

    def __init__(self, tp: TP, thread: BatchConsumerThread, first_seen: int, identity: Identity) -> None:
        self.topic, self.partition = tp
        self.first_seen = first_seen
        self.identity = identity
        self._tp = tp
        self._thread = thread

    @property
    def topic_id(self) -> str | None:
        """See `agents.sink.Source`."""
        return self.identity.topic_id

    async def hint(self) -> tuple[int, int] | None:
        """From the group's offset, whose metadata is the first offset of the newest range."""
        published = await self._thread.published(self._tp)
        if published is None or not published[1].isdecimal():
            return None
        return int(published[1]), published[0]

    async def verify(self, topic_ids: Collection[str], records: Iterable[RecordFingerprint | None]) -> int:
        """See `agents.sink.Source`. Raises `RecreatedTopicError`, `KafkaError`, `TimeoutError`."""
        return await self.identity.begin(topic_ids, records)
