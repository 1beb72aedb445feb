"""Reading single records of topics, and asking Kafka what it cannot say yet."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any, TypeVar

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import KafkaError

T = TypeVar("T")

POLL_MS = 200
RETRY_SECONDS = 0.3


async def records_from(
    consumer: AIOKafkaConsumer, starts: dict[TopicPartition, int], most: int | None = None
) -> AsyncIterator[Any]:
    """The records of assigned partitions from these offsets to the current ends, `most` of each partition."""
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


async def until_coordinated(ask: Callable[[], Awaitable[T]]) -> T:
    """The answer about a group, as soon as its coordinator is available; raises Kafka's errors.

    Before the first group of a cluster, or while a broker starts, there is none for some seconds.
    """
    while True:
        try:
            return await ask()
        except KafkaError as error:
            if not error.retriable:
                raise
        await asyncio.sleep(RETRY_SECONDS)
