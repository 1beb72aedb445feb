"""Reading the quarantine topic (docs/contract.md §1): bad records, why they are bad, where they came from."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing
from itertools import chain
from typing import Any

from aiokafka import TopicPartition
from aiokafka.errors import TopicAuthorizationFailedError

import streams.kafka.fetched_bytes  # noqa: F401 - lets aiokafka read whatever names headers have
from agents.quarantine.record import Position, QuarantineRecord, decode
from streams.kafka.client import reading
from streams.kafka.producer import RefusedError, partition_count
from streams.kafka.refusals import no_right
from streams.settings import Settings

POLL_MS = 200


async def quarantine_records(
    settings: Settings, wanted: Mapping[int, int] | None = None
) -> AsyncGenerator[QuarantineRecord, None]:
    """All committed records of the quarantine topic up to its end of now, partition by partition in order.

    `wanted` reads only these partitions, from these offsets on. Raises `RefusedError` without the topic.
    """
    async with aclosing(committed_records(settings, settings.topic("events.quarantine"), wanted)) as records:
        async for record in records:
            yield decode(record)


async def committed_records(
    settings: Settings, topic: str, wanted: Mapping[int, int] | None = None
) -> AsyncGenerator[Any, None]:
    """A topic's records up to its last stable offset of now, partition by partition in order.

    `wanted` as in `quarantine_records`. Raises `RefusedError`: no topic, or no right to read it.
    """
    known = [
        TopicPartition(topic, number) for number in range(await partition_count(settings, topic, "Read"))
    ]
    partitions = [partition for partition in known if wanted is None or partition.partition in wanted]
    if not partitions:
        return
    async with reading(settings, "sluice-quarantine") as consumer:
        # Assigned once: aiokafka's stop() hangs when an assignment has just been replaced by another.
        consumer.assign(partitions)
        if wanted is None:
            await consumer.seek_to_beginning(*partitions)
        else:
            for partition in partitions:
                consumer.seek(partition, wanted[partition.partition])
        ends = await consumer.end_offsets(partitions)
        for partition in partitions:
            # The position, unlike the records, also passes the marks that end a transaction.
            while await consumer.position(partition) < ends[partition]:
                try:
                    fetched = await consumer.getmany(partition, timeout_ms=POLL_MS)
                except TopicAuthorizationFailedError:
                    raise RefusedError(no_right(f"Read topic {topic}")) from None
                for record in chain.from_iterable(fetched.values()):
                    yield record


async def quarantine_record(settings: Settings, at: Position) -> QuarantineRecord | None:
    """The record at a position; None if there is none. Raises `RefusedError`."""
    async with aclosing(quarantine_records(settings, {at.partition: at.offset})) as records:
        async for record in records:
            return record if record.at == at else None
    return None


async def first_offsets(settings: Settings) -> dict[int, int]:
    """The first offset that each partition of the quarantine topic still has. Raises `RefusedError`."""
    topic = settings.topic("events.quarantine")
    partitions = [
        TopicPartition(topic, number) for number in range(await partition_count(settings, topic, "Read"))
    ]
    async with reading(settings, "sluice-quarantine") as consumer:
        first = await consumer.beginning_offsets(partitions)
    return {partition.partition: offset for partition, offset in first.items()}


async def _partitions(settings: Settings, topic: str) -> list[TopicPartition]:
    count = await partition_count(settings, topic, "Read")
    return [TopicPartition(topic, number) for number in range(count)]
