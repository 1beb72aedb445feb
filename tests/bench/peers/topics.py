"""What contestants leave in Kafka: quarantine topics, and the changelogs of their state."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Callable
from typing import Any

from aiokafka import TopicPartition

from streams.kafka.client import reading
from streams.settings import Settings
from tests.bench.load import PARTITIONS
from tests.bench.peers.oracle import Sums

Parse = Callable[[bytes, bytes], tuple[str, list[int]]]
"""A changelog record's key and value → group, [count, sum]."""


async def committed(settings: Settings, topic: str) -> AsyncIterator[Any]:
    """All records that a read_committed reader sees in a topic now."""
    async with reading(settings) as consumer:
        tps = [TopicPartition(topic, number) for number in range(PARTITIONS)]
        consumer.assign(tps)
        ends = await consumer.end_offsets(tps)
        await consumer.seek_to_beginning(*tps)
        while True:
            for records in (await consumer.getmany(timeout_ms=200)).values():
                for record in records:
                    yield record
            if all([await consumer.position(tp) >= ends[tp] for tp in tps]):
                return


async def quarantined(settings: Settings, topic: str) -> int:
    """How many records with a reason are in a quarantine topic."""
    count = 0
    async for record in committed(settings, topic):
        count += any(name == "reason" for name, _ in record.headers)
    return count


async def changelog_sums(settings: Settings, topic: str, parse: Parse) -> Sums:
    """What a changelog would restore: the last value of each key of each partition, groups added up."""
    last: dict[tuple[int, bytes], bytes | None] = {}
    async for record in committed(settings, topic):
        last[record.partition, record.key] = record.value
    sums: Sums = {}
    for (_, key), value in last.items():
        if value is not None:
            group, (count, amount) = parse(key, value)
            total = sums.setdefault(group, [0, 0])
            total[0] += count
            total[1] += amount
    return sums


def of_quix(key: bytes, value: bytes) -> tuple[str, list[int]]:
    """Quix Streams: the prefix `all`, then the key as JSON; the value as JSON."""
    return json.loads(key[key.index(b'"') :]), json.loads(value)


def of_faust(key: bytes, value: bytes) -> tuple[str, list[int]]:
    """Faust: key and value as JSON; the key begins with its partition."""
    return json.loads(key).partition("|")[2], json.loads(value)


def of_kafka_streams(key: bytes, value: bytes) -> tuple[str, list[int]]:
    """Kafka Streams: the key as text, count and sum as two big-endian integers of 8 bytes."""
    return key.decode(), [int.from_bytes(value[:8], "big"), int.from_bytes(value[8:], "big")]
