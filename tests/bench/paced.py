"""A producer that sends at an even pace and notes when what was acknowledged: for the latency section.

`python -m tests.bench.paced SERVER TOPIC EVENTS_PER_S SECONDS OUT`; prints `first` when it begins and
`done` when every event has been acknowledged. OUT gets one JSON line a batch: `[partition, first offset,
[Kafka timestamps in ms]]`. Events happen when they are sent, give or take the second that it takes to
generate them.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from aiokafka import AIOKafkaProducer

from streams.sources.market import Record
from tests.bench.load import partition_of, producing
from tests.bench.worker import settings_of
from tests.bench.workloads.market import events

TICK_SECONDS = 0.01
"""How long a producer collects a batch: linger.ms=10."""


class _Pacer:
    """Sends a tick's events, one batch a partition, and collects the answers."""

    def __init__(self, producer: AIOKafkaProducer, topic: str) -> None:
        self._producer = producer
        self._topic = topic
        self._sent: list[tuple[int, list[int], asyncio.Future[Any]]] = []

    async def send(self, records: list[Record]) -> None:
        shares: dict[int, list[Record]] = {}
        for record in records:
            shares.setdefault(partition_of(record.key), []).append(record)
        for partition, share in shares.items():
            batch = self._producer.create_batch()
            stamps: list[int] = []
            for record in share:
                stamp = time.time_ns() // 1_000_000
                if batch.append(timestamp=stamp, key=record.key, value=record.value) is None:
                    await self._submit(batch, partition, stamps)
                    batch, stamps = self._producer.create_batch(), []
                    batch.append(timestamp=stamp, key=record.key, value=record.value)
                stamps.append(stamp)
            await self._submit(batch, partition, stamps)

    async def _submit(self, batch: Any, partition: int, stamps: list[int]) -> None:
        answer = await self._producer.send_batch(batch, self._topic, partition=partition)
        self._sent.append((partition, stamps, answer))

    async def acknowledged(self) -> list[tuple[int, int, list[int]]]:
        """Every batch: partition, first offset, timestamps. Raises if one was not written."""
        return [(partition, (await answer).offset, stamps) for partition, stamps, answer in self._sent]


async def run(server: str, topic: str, events_per_s: int, seconds: int, out: Path) -> None:
    """Generate, send at the pace, write down what was acknowledged."""
    records = list(events(events_per_s * seconds, float(events_per_s), datetime.now(UTC)))
    settings = settings_of({"SLUICE_KAFKA": server})
    async with producing(settings) as producer:
        pacer, sent, begun = _Pacer(producer, topic), 0, time.monotonic()
        print("first", flush=True)
        while sent < len(records):
            due = min(len(records), int((time.monotonic() - begun) * events_per_s))
            await pacer.send(records[sent:due])
            sent = due
            await asyncio.sleep(TICK_SECONDS)
        acknowledged = await pacer.acknowledged()
    with out.open("w", encoding="utf-8") as file:
        file.writelines(json.dumps(batch) + "\n" for batch in acknowledged)
    print("done", flush=True)


if __name__ == "__main__":
    server, topic, events_per_s, seconds, out = sys.argv[1:]
    asyncio.run(run(server, topic, int(events_per_s), int(seconds), Path(out)))
