"""The limit of aiokafka: `getmany`, all settings as they are, and a plain msgspec decode of each value."""

from __future__ import annotations

import asyncio

import msgspec
from aiokafka import AIOKafkaConsumer, TopicPartition

from tests.bench.peers.contestants.decoding import plain_decoder
from tests.bench.peers.contestants.protocol import Task, begun, done, task


async def read(asked: Task) -> None:
    """Read and decode all records."""
    decode = plain_decoder(asked.schemas).decode
    consumer = AIOKafkaConsumer(
        bootstrap_servers=asked.server, enable_auto_commit=False, auto_offset_reset="earliest"
    )
    await consumer.start()
    records = refused = 0
    try:
        begun()
        consumer.assign([TopicPartition(asked.topic, number) for number in range(asked.partitions)])
        while records < asked.events:
            for batch in (await consumer.getmany(timeout_ms=1000)).values():
                for record in batch:
                    try:
                        decode(record.value or b"")
                    except msgspec.DecodeError:
                        refused += 1
                records += len(batch)
        done({"records": records, "refused": refused}, asked)
    finally:
        await consumer.stop()


if __name__ == "__main__":
    asyncio.run(read(task()))
