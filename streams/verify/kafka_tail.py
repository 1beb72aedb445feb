"""Loads what is in Kafka and not yet in Bronze, as the lines that Bronze will have of it."""

from __future__ import annotations

import gzip
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import OffsetOutOfRangeError

from agents.bronze.range import RangeBuilder
from agents.protocols import SLICE_RECORDS
from agents.records import Unpacked
from schemas.validation.validator import Validator
from streams.kafka.batches import Fetched, fetch_batches
from streams.kafka.client import reading
from streams.settings import Settings
from streams.verify.bronze_source import bad_record
from streams.verify.records import Records
from streams.verify.wish import Wish

KAFKA = "kafka"
FETCH_SECONDS = 1.0
RANGE_BYTES, LEAST_BYTES = 16 << 20, 1 << 20
"""So many bytes of values are in memory at a time, shared by the partitions; so many of one at least."""

Part = tuple[int, int]
"""Offsets [from, to)."""


class KafkaTail:
    """What Kafka has of these parts of partitions. `validator` judges it as the workers do."""

    def __init__(
        self,
        settings: Settings,
        parts: Mapping[TopicPartition, Part],
        validator: Callable[[], Awaitable[Validator]],
    ) -> None:
        self._settings = settings
        self._parts = {tp: part for tp, part in parts.items() if part[0] < part[1]}
        self._validator = validator
        self.read: Counter[TopicPartition] = Counter()

    async def load(self, records: Records, wish: Wish) -> list[str]:
        """Load what is wished for; answers what there is not, in words. Raises aiokafka's errors, and
        `RecordsError`."""
        if not self._parts:
            return []
        self.read.clear()
        with ThreadPoolExecutor(1, "gzip") as pool:
            loading = _Loading(records, wish, await self._validator(), pool, range_bytes(len(self._parts)))
            async with reading(self._settings, "sluice-explain", auto_offset_reset="none") as consumer:
                try:
                    await self._read(consumer, loading)
                except OffsetOutOfRangeError as error:
                    return [
                        f"{tp.topic}-{tp.partition} offsets from {at:,} on"
                        for tp, at in error.args[0].items()
                    ]
        return []

    async def _read(self, consumer: AIOKafkaConsumer, loading: _Loading) -> None:
        consumer.assign([*self._parts])
        left = dict(self._parts)
        for tp, (first, _) in left.items():
            consumer.seek(tp, first)
        ranges = {tp: loading.open(tp, first) for tp, (first, _) in left.items()}
        while left:
            for fetched in await fetch_batches(consumer, FETCH_SECONDS):
                tp = TopicPartition(*fetched.tp)
                if tp in left:
                    ranges[tp] = await self._take(ranges[tp], fetched, left[tp][1], loading)
                    if fetched.after >= left[tp][1]:
                        await loading.take(ranges[tp])
                        del left[tp]

    async def _take(
        self, filled: RangeBuilder, fetched: Fetched, end: int, loading: _Loading
    ) -> RangeBuilder:
        """Add what lies below the end to a partition's range, which is loaded when it is full."""
        tp = TopicPartition(*fetched.tp)
        unpacked = Unpacked(fetched.batches, max(fetched.before, filled.next))
        while part := [record for record in unpacked.take(SLICE_RECORDS) if record.offset < end]:
            self.read[tp] += len(part)
            while part:
                del part[: filled.add(part, part[-1].offset + 1)]
                if filled.full:
                    await loading.take(filled)
                    filled = loading.open(tp, filled.next)
        return filled


def range_bytes(partitions: int) -> int:
    """So many bytes of each partition's values are in memory at a time."""
    return max(LEAST_BYTES, RANGE_BYTES // partitions)


class _Loading:
    """Where what was read goes."""

    def __init__(
        self, records: Records, wish: Wish, validator: Validator, pool: ThreadPoolExecutor, most_bytes: int
    ) -> None:
        self._most_bytes = most_bytes
        self._records = records
        self._wish = wish
        self._validator = validator
        self._pool = pool

    def open(self, tp: TopicPartition, first: int) -> RangeBuilder:
        """A range that begins there."""
        return RangeBuilder(
            tp.topic,
            tp.partition,
            first,
            validator=self._validator,
            pool=self._pool,
            max_bytes=self._most_bytes,
        )

    async def take(self, filled: RangeBuilder) -> None:
        """Load a range."""
        filled.close()
        for path, _, data in filled.objects():
            if not self._wish(path):
                continue
            lines: list[Any] = gzip.decompress(data).splitlines(keepends=True)
            if path.startswith("event="):
                await self._records.add_events(lines, KAFKA)
            else:
                await self._records.add_bad(
                    [bad_record(path, line, self._validator) for line in lines], KAFKA
                )
