"""The topic with the log of schemas (`schemas.validation.avro.log_entries`): one partition, kept for ever."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Sequence
from itertools import chain

from aiokafka import TopicPartition

from schemas.validation.avro.log_entries import Entry, SchemaEntry, decode_entry, encode_entry
from streams.kafka.client import reading
from streams.kafka.producer import outbox, partition_count
from streams.kafka.topics import SCHEMAS
from streams.settings import Settings

log = logging.getLogger(__name__)

POLL_MS = 200


class SchemaLog:
    """Reads the log, each entry into `take`, and writes to it. Every method raises aiokafka's errors, and
    `RefusedError` without the topic; none may run beside another."""

    def __init__(self, settings: Settings, take: Callable[[Entry], None]) -> None:
        self._settings = settings
        self._take = take
        self._topic = settings.topic(SCHEMAS)
        self._next = 0
        self._lock = asyncio.Lock()

    async def read(self) -> None:
        """Take all entries up to the log's end of now."""
        async with self._lock:
            await self._read()

    async def append(self, entries: Sequence[Entry]) -> None:
        """Write entries, and take all up to the last of them: it is not sure that they come first."""
        async with self._lock:
            async with outbox(self._settings, self._topic) as box:
                for entry in entries:
                    key = b"%d" % entry.id if isinstance(entry, SchemaEntry) else None
                    await box.add(key, encode_entry(entry), "an entry of the log of schemas", 0)
                await box.settle()
            await self._read()

    async def _read(self) -> None:
        await partition_count(self._settings, self._topic, "Read")  # says how to mend it
        partition = TopicPartition(self._topic, 0)
        async with reading(self._settings, "sluice-schemas") as consumer:
            consumer.assign([partition])
            consumer.seek(partition, self._next)
            end = (await consumer.end_offsets([partition]))[partition]
            while await consumer.position(partition) < end:
                fetched = await consumer.getmany(partition, timeout_ms=POLL_MS)
                for record in chain.from_iterable(fetched.values()):
                    entry = decode_entry(record.value)
                    if entry is None:
                        log.warning("%s: offset %d is no entry; passed over", self._topic, record.offset)
                    else:
                        self._take(entry)
                    self._next = record.offset + 1
