"""How far each group is behind, in records and in time."""

from __future__ import annotations

import asyncio
import time

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import KafkaError
from aiokafka.structs import OffsetAndMetadata

from streams.doctor.finding import GOOD, WRONG, Finding, Patient
from streams.doctor.partitions import partitions_of, reading, records_from
from streams.kafka.availability import connected_admin

RETRY_SECONDS = 0.3
BRONZE_RANGES = 10
"""A range of a partition that is behind may take so many times SLUICE_BRONZE_MAX_SECONDS."""


async def lags(patient: Patient) -> list[Finding]:
    """For views and Bronze: records after what the group has done, and how old the oldest of them is."""
    settings = patient.settings
    limits = {
        "views": float(settings.stale_seconds),
        "bronze": float(settings.bronze_max_seconds * BRONZE_RANGES + settings.stale_seconds),
    }
    raw = await partitions_of(settings, settings.raw_topics)
    found = []
    async with reading(settings) as consumer:
        consumer.assign(raw)
        for role, limit in limits.items():
            if raw and role not in patient.without:
                found.append(await _lag(patient, consumer, raw, role, limit))
    return found


async def _lag(
    patient: Patient, consumer: AIOKafkaConsumer, raw: list[TopicPartition], role: str, limit: float
) -> Finding:
    group = patient.settings.group(role)
    done = await _done(patient, group, raw)
    ends, begins = await consumer.end_offsets(raw), await consumer.beginning_offsets(raw)
    starts = {tp: max(done.get(tp, 0), begins[tp]) for tp in raw}
    waiting = {tp: at for tp, at in starts.items() if at < ends[tp]}
    records = sum(ends[tp] - at for tp, at in waiting.items())
    oldest: tuple[float, str] = (0.0, "")
    async for record in records_from(consumer, waiting, most=1):
        age = max(0.0, time.time() - record.timestamp / 1000)
        oldest = max(oldest, (age, f"{record.topic}-{record.partition}"))
    what = f"{role} lag"
    if not oldest[1]:
        return Finding(what, GOOD, f"group {group} has done all there is")
    text = (
        f"group {group} is {records:,} records behind; the oldest has waited {oldest[0]:,.0f} s ({oldest[1]})"
    )
    if oldest[0] <= limit:
        return Finding(what, GOOD, text)
    mend = f"more than {limit:g} s: start `sluice worker {role}`, or more of them; docs/runbooks.md says on"
    return Finding(what, WRONG, text, mend)


async def _done(patient: Patient, group: str, raw: list[TopicPartition]) -> dict[TopicPartition, int]:
    """What a group has done, as it publishes it every few seconds."""
    async with connected_admin(patient.settings) as admin:
        offsets = await _offsets(admin, group, raw)
    return {tp: max(0, at.offset) for tp, at in offsets.items()}


async def _offsets(
    admin: AIOKafkaAdminClient, group: str, raw: list[TopicPartition]
) -> dict[TopicPartition, OffsetAndMetadata]:
    """The group's offsets, as soon as its coordinator is there."""
    while True:
        try:
            found: dict[TopicPartition, OffsetAndMetadata] = await admin.list_consumer_group_offsets(
                group, partitions=raw
            )
        except KafkaError as error:
            if not error.retriable:
                raise
            await asyncio.sleep(RETRY_SECONDS)
        else:
            return found
