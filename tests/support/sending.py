"""Raw records into Kafka, whatever they are: also a null key with a null value, which `send` refuses."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Iterable
from typing import Any

from aiokafka import AIOKafkaProducer

from streams.kafka.client import started
from tests.support.kafka import Raw


async def started_producer(bootstrap: str, **more: Any) -> AIOKafkaProducer:
    """A producer that waits for all replicas."""
    return await started(AIOKafkaProducer(bootstrap_servers=bootstrap, acks="all", **more))


async def send_all(producer: AIOKafkaProducer, topic: str, records: Iterable[Raw]) -> None:
    """Send each partition's records in order, in batches; returns when all are there."""
    by_partition = defaultdict(list)
    for record in records:
        by_partition[record.partition].append(record)
    sent: list[asyncio.Future[Any]] = []
    for partition, mine in by_partition.items():
        batch = producer.create_batch()
        for record in mine:
            named = {"key": record.key, "value": record.value, "headers": list(record.headers)}
            while batch.append(timestamp=record.timestamp_ms, **named) is None:
                sent.append(await producer.send_batch(batch, topic, partition=partition))
                batch = producer.create_batch()
        sent.append(await producer.send_batch(batch, topic, partition=partition))
    await asyncio.gather(*sent)


async def produce_all(bootstrap: str, topic: str, records: Iterable[Raw], **more: Any) -> None:
    """`send_all` with a producer of its own."""
    producer = await started_producer(bootstrap, **more)
    try:
        await send_all(producer, topic, records)
    finally:
        await producer.stop()
