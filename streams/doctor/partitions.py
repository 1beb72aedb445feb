"""Reading a little of topics: where they end, and single records, without a group."""

from __future__ import annotations

from collections.abc import AsyncIterator, Collection
from contextlib import asynccontextmanager
from typing import Any

from aiokafka import AIOKafkaConsumer, TopicPartition

from streams.kafka.client import client_kwargs, stop_quietly
from streams.kafka.topology import partition_counts
from streams.settings import Settings

POLL_MS = 200


@asynccontextmanager
async def reading(
    settings: Settings, isolation_level: str = "read_committed"
) -> AsyncIterator[AIOKafkaConsumer]:
    """A consumer that belongs to no group."""
    consumer = AIOKafkaConsumer(
        **client_kwargs(settings), client_id="sluice-doctor", isolation_level=isolation_level,
        auto_offset_reset="earliest", enable_auto_commit=False, fetch_max_wait_ms=100,
    )  # fmt: skip
    try:
        await consumer.start()
        yield consumer
    finally:
        await stop_quietly(consumer)


async def partitions_of(settings: Settings, names: Collection[str]) -> list[TopicPartition]:
    """All partitions of those of the topics that exist, in order."""
    counts = await partition_counts(settings, names)
    return [TopicPartition(name, number) for name in sorted(counts) for number in range(counts[name])]


async def records_from(
    consumer: AIOKafkaConsumer, starts: dict[TopicPartition, int], most: int | None = None
) -> AsyncIterator[Any]:
    """The records of assigned partitions from these offsets to the ends of now, `most` of each partition."""
    ends = await consumer.end_offsets(list(starts))
    for tp, offset in starts.items():
        consumer.seek(tp, offset)
    left = {tp for tp in starts if starts[tp] < ends[tp]}
    counts = dict.fromkeys(starts, 0)
    while left:
        for tp, records in (await consumer.getmany(*left, timeout_ms=POLL_MS)).items():
            for record in records:
                if most is None or counts[tp] < most:
                    counts[tp] += 1
                    yield record
        # The position, unlike the records, also passes the marks that end a transaction.
        left = {
            tp
            for tp in left
            if await consumer.position(tp) < ends[tp] and (most is None or counts[tp] < most)
        }
