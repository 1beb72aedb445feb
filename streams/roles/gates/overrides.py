"""`ops.overrides`, as each process of the gates role follows it: what people have decided of gates."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from typing import Any

from aiokafka import TopicPartition
from aiokafka.errors import KafkaError

import streams.kafka.fetched_bytes  # noqa: F401 - lets aiokafka read whatever names headers have
from agents.backoff import Backoff
from streams.feed.alien_records import tell
from streams.kafka.client import reading
from streams.kafka.message_formats import UnreadableBatchError
from streams.kafka.refusals import in_words
from streams.settings import Settings
from streams.shutdown import cancelled
from tables.gates.overrides import Override, decode_override
from tables.record_check import Fault, Problem

log = logging.getLogger(__name__)

FETCH_MS = 200
PARTITION = 0
DAMAGED = Problem(Fault.DAMAGED, "its value is no override's, or another gate's")


class Overrides:
    """The newest override of each gate, by its subject; ended ones too. `ready`: they have been read to their
    end once. What was read counts on while Kafka is away: each ends by itself.
    """

    def __init__(self, settings: Settings) -> None:
        self.newest: dict[str, Override] = {}
        self.ready = asyncio.Event()
        self._closing = asyncio.Event()
        self._settings = settings
        self._tp = TopicPartition(settings.topic("ops.overrides"), PARTITION)

    async def follow(self) -> None:
        """Follow the topic until `close`; after a failure from its beginning."""
        backoff = Backoff()
        while not self._closing.is_set():
            try:
                await self._follow(backoff)
            except (KafkaError, OSError, UnreadableBatchError) as error:
                log.warning(
                    "reading %s: %s; next try in %.1f s", self._tp.topic, in_words(error), backoff.seconds
                )
            await backoff.pause(self._closing)

    async def close(self, following: asyncio.Task[None]) -> None:
        """End `follow`."""
        self._closing.set()
        await cancelled(following)

    async def _follow(self, backoff: Backoff) -> None:
        read: dict[str, Override] = {}
        async with reading(self._settings) as consumer:
            consumer.assign([self._tp])
            await consumer.seek_to_beginning()
            end = (await consumer.end_offsets([self._tp]))[self._tp]
            while not self._closing.is_set():
                for records in (await consumer.getmany(timeout_ms=FETCH_MS)).values():
                    self._take(read, records)
                if self.newest is not read and await consumer.position(self._tp) >= end:
                    self.newest = read
                    self.ready.set()
                    backoff.reset()

    def _take(self, read: dict[str, Override], records: Sequence[Any]) -> None:
        """Take records. One that can't be read changes nothing: what was decided before it goes on."""
        for record in records:
            found = decode_override(record.value)
            if record.value is not None and (found is None or found.subject.encode() != record.key):
                tell(self._tp, record.offset, record.key, DAMAGED)
            elif found is None:
                read.pop((record.key or b"").decode(errors="replace"), None)
            else:
                read[found.subject] = found
