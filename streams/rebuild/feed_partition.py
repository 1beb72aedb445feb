"""What one partition of the feed has of a view that is rebuilt; read on whenever that is asked."""

from __future__ import annotations

from types import TracebackType
from typing import Self

from aiokafka import AIOKafkaConsumer, TopicPartition

from streams.kafka.batches import fetch_batches, records_of
from streams.kafka.client import client_kwargs, started, stop_quietly
from streams.settings import Settings
from tables.codec import Checkpoint, decode_checkpoint
from tables.definitions import ALIAS, definition_of
from tables.keys import source_topic
from tables.record_check import definition, is_feed_key
from tables.spec.view import View

FETCH_BYTES = 4 << 20
FETCH_SECONDS = 1.0


class FeedPartition:
    """One partition of the feed.

    `checkpoints`: source topic → its newest one, aliases included. `rebuilt`: alias → the records of a
    rebuild of this view. `there`: source topic → the keys that it has of this definition.
    """

    def __init__(self, settings: Settings, number: int, view: View) -> None:
        self.tp = TopicPartition(settings.topic("views.feed"), number)
        self.checkpoints: dict[str, Checkpoint] = {}
        self.rebuilt: dict[str, dict[bytes, bytes]] = {}
        self.there: dict[str, set[bytes]] = {}
        self._view = view.name
        self._definition = definition_of(view).encode()
        common = {**client_kwargs(settings), "client_id": "sluice-rebuild", "enable_auto_commit": False}
        self._consumer = AIOKafkaConsumer(
            **common, isolation_level="read_committed", auto_offset_reset="earliest", fetch_max_wait_ms=20,
            max_partition_fetch_bytes=FETCH_BYTES,
        )  # fmt: skip
        # Its ends are high watermarks: open transactions do not hold them back.
        self._ends = AIOKafkaConsumer(**common)

    async def __aenter__(self) -> Self:
        await started(self._consumer)
        try:
            await started(self._ends)
        except BaseException:
            await stop_quietly(self._consumer)
            raise
        self._consumer.assign([self.tp])
        await self._consumer.seek_to_beginning(self.tp)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await stop_quietly(self._consumer)
        await stop_quietly(self._ends)

    async def read_on(self) -> None:
        """Read to the end that the partition has now. Raises aiokafka's errors, `FeedFormatError`."""
        end = (await self._ends.end_offsets([self.tp]))[self.tp]
        position = await self._consumer.position(self.tp)
        while position < end:
            for fetched in await fetch_batches(self._consumer, FETCH_SECONDS):
                for record in records_of(fetched):
                    self._take(record.key, record.value)
                position = fetched.after

    def _take(self, key: bytes | None, value: bytes | None) -> None:
        if key is None or not is_feed_key(key):
            return
        of_topic = source_topic(key)
        if of_topic is None:
            return
        topic = of_topic.decode()
        if key[:1] == b"c":
            if value is None:
                self.checkpoints.pop(topic, None)
            else:
                self.checkpoints[topic] = decode_checkpoint(value)
        _, is_alias, of = topic.partition(ALIAS)
        if is_alias:
            if of.startswith(f"{self._view}@"):
                records = self.rebuilt.setdefault(topic, {})
                if value is None:
                    records.pop(key, None)
                else:
                    records[key] = value
        elif definition(key) == self._definition:
            keys = self.there.setdefault(topic, set())
            (keys.discard if value is None else keys.add)(key)
