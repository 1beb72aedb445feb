"""How far a consumer group has come, in records and in time."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import NamedTuple

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import GroupAuthorizationFailedError

from streams.kafka.availability import connected_admin
from streams.kafka.client import reading
from streams.kafka.records import records_from, until_coordinated
from streams.kafka.refusals import NoRightError
from streams.settings import Settings


class Progress(NamedTuple):
    """One partition.

    `next`: the offset that the group has published, None if it has none; `lag_records`: what there is after
    it; `oldest_seconds`: for how long the oldest of that has been there, None where there is nothing.
    """

    topic: str
    partition: int
    next: int | None
    lag_records: int
    oldest_seconds: float | None


async def group_progress(
    settings: Settings, group: str, partitions: Sequence[TopicPartition]
) -> list[Progress]:
    """The group's progress on each of the partitions. Raises aiokafka's errors."""
    async with connected_admin(settings) as admin:
        try:
            offsets = await until_coordinated(
                lambda: admin.list_consumer_group_offsets(group, partitions=list(partitions))
            )
        except GroupAuthorizationFailedError:
            raise NoRightError(f"Describe group {group}") from None
    done = {tp: at.offset for tp, at in offsets.items() if at.offset >= 0}
    async with reading(settings) as consumer:
        consumer.assign(partitions)
        ends = await consumer.end_offsets(partitions)
        begins = await consumer.beginning_offsets(partitions)
        starts = {tp: max(done.get(tp, 0), begins[tp]) for tp in partitions}
        ages = await _ages(consumer, {tp: at for tp, at in starts.items() if at < ends[tp]})
    return [
        Progress(tp.topic, tp.partition, done.get(tp), max(0, ends[tp] - starts[tp]), ages.get(tp))
        for tp in partitions
    ]


async def _ages(
    consumer: AIOKafkaConsumer, waiting: dict[TopicPartition, int]
) -> dict[TopicPartition, float]:
    """How old the record at each offset is, in seconds."""
    found = {}
    async for record in records_from(consumer, waiting, most=1):
        found[TopicPartition(record.topic, record.partition)] = max(
            0.0, time.time() - record.timestamp / 1000
        )
    return found
