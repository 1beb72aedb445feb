"""Puts records into a raw topic as producers would: by key, lz4, in batches that are full."""

from __future__ import annotations

import asyncio
import zlib
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from typing import Any

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition

from streams.kafka.client import client_kwargs
from streams.settings import Settings
from streams.sources.market import Record

PARTITIONS = 4
BATCH_BYTES = 64 * 1024
IN_FLIGHT = 64


def partition_of(key: bytes | None, partitions: int = PARTITIONS) -> int:
    """All records of a key on one partition."""
    return zlib.crc32(key or b"") % partitions


@asynccontextmanager
async def producing(settings: Settings, batch_bytes: int = BATCH_BYTES) -> AsyncIterator[AIOKafkaProducer]:
    """A producer of batches of this size, before compression."""
    producer = AIOKafkaProducer(
        **client_kwargs(settings),
        compression_type="lz4",
        max_batch_size=batch_bytes,
        max_request_size=2 * batch_bytes,
    )
    await producer.start()
    try:
        yield producer
    finally:
        await producer.stop()


async def load(
    settings: Settings, topic: str, records: Iterable[Record], batch_bytes: int = BATCH_BYTES
) -> None:
    """Write all records; Kafka timestamps are the times at which they were sent on the virtual clock."""
    async with producing(settings, batch_bytes) as producer:
        await send_all(producer, topic, records, PARTITIONS)


async def send_all(
    producer: AIOKafkaProducer, topic: str, records: Iterable[Record], partitions: int
) -> None:
    """Write all records to a topic of so many partitions; returns when they are acknowledged."""
    open_batches: dict[int, Any] = {}
    sent: set[asyncio.Future[Any]] = set()
    for record in records:
        partition = partition_of(record.key, partitions)
        batch = open_batches.get(partition)
        if batch is None or not _append(batch, record):
            if batch is not None:
                sent.add(await producer.send_batch(batch, topic, partition=partition))
            batch = open_batches[partition] = producer.create_batch()
            if not _append(batch, record):
                raise ValueError(f"a record of {len(record.value or b'')} bytes does not fit into a batch")
        if len(sent) >= IN_FLIGHT:
            sent = await _await_one(sent)
    for partition, batch in open_batches.items():
        sent.add(await producer.send_batch(batch, topic, partition=partition))
    while sent:
        sent = await _await_one(sent)


def _append(batch: Any, record: Record) -> bool:
    return batch.append(timestamp=record.at_us // 1000, key=record.key, value=record.value) is not None


async def _await_one(sent: set[asyncio.Future[Any]]) -> set[asyncio.Future[Any]]:
    done, waiting = await asyncio.wait(sent, return_when=asyncio.FIRST_COMPLETED)
    for answer in done:
        answer.result()
    return waiting


async def ends_of(settings: Settings, topic: str, partitions: int = PARTITIONS) -> dict[int, int]:
    """End offset of each partition."""
    consumer = AIOKafkaConsumer(**client_kwargs(settings), isolation_level="read_committed")
    await consumer.start()
    try:
        tps = [TopicPartition(topic, number) for number in range(partitions)]
        return {tp.partition: end for tp, end in (await consumer.end_offsets(tps)).items()}
    finally:
        await consumer.stop()
