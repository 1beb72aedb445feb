"""Contestant (a): aiokafka's getmany with Sluice's decoding and validation, and nothing kept.

One consumer, all partitions, aiokafka's defaults but for the larger partition fetch that the views worker
takes too. `python -m tests.bench.getmany SERVER TOPIC PARTITIONS EVENTS`; prints `first` when it begins to
read and `done` after the last event, then waits to be ended.
"""

from __future__ import annotations

import asyncio
import signal
import sys

from aiokafka import AIOKafkaConsumer, TopicPartition

from schemas.validate import Validator
from streams.bus.transport import PARTITION_FETCH_BYTES


async def run(server: str, topic: str, partitions: int, events: int) -> int:
    """Read and validate `events` records; answers how many were bad."""
    validator = Validator()
    consumer = AIOKafkaConsumer(
        bootstrap_servers=server,
        enable_auto_commit=False,
        auto_offset_reset="earliest",
        max_partition_fetch_bytes=PARTITION_FETCH_BYTES,
    )
    await consumer.start()
    bad = 0
    try:
        consumer.assign([TopicPartition(topic, number) for number in range(partitions)])
        print("first", flush=True)
        while events > 0:
            for records in (await consumer.getmany(timeout_ms=1000)).values():
                decoded = validator.decode_batch(
                    [record.value for record in records], [record.timestamp for record in records]
                )
                bad += len(decoded.bad)
                events -= len(records)
        print("done", flush=True)
        signal.pause()
    finally:
        await consumer.stop()
    return bad


if __name__ == "__main__":
    asyncio.run(run(sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4])))
