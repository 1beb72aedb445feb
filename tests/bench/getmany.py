"""Contestant (a): aiokafka's getmany with Sluice's decoding and validation, and nothing kept.

One consumer, all partitions, aiokafka's defaults; `getmany` without a limit, which is one of them, or with
one. `python -m tests.bench.getmany SERVER TOPIC PARTITIONS EVENTS LIMIT` (records a call; 0: no limit)
prints `first` when it begins to read and `done` after the last event, then waits to be ended.
"""

from __future__ import annotations

import asyncio
import signal
import sys

from aiokafka import AIOKafkaConsumer, TopicPartition

from schemas.validation.validator import Validator


async def run(server: str, topic: str, *, partitions: int, events: int, limit: int | None) -> int:
    """Read and validate `events` records; answers how many were bad."""
    validator = Validator()
    consumer = AIOKafkaConsumer(
        bootstrap_servers=server, enable_auto_commit=False, auto_offset_reset="earliest"
    )
    await consumer.start()
    bad = 0
    try:
        consumer.assign([TopicPartition(topic, number) for number in range(partitions)])
        print("first", flush=True)
        while events > 0:
            for records in (await consumer.getmany(timeout_ms=1000, max_records=limit)).values():
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
    server, topic, partitions, events, limit = sys.argv[1:]
    asyncio.run(run(server, topic, partitions=int(partitions), events=int(events), limit=int(limit) or None))
