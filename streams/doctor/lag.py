"""How far each group is behind, in records and in time."""

from __future__ import annotations

import time

from aiokafka import AIOKafkaConsumer, TopicPartition

from streams.doctor.finding import GOOD, WRONG, Finding, Patient
from streams.doctor.records import reading, records_from, until_coordinated
from streams.kafka.availability import connected_admin
from streams.kafka.topology import partitions_of

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
    age, where = 0.0, ""
    async for record in records_from(consumer, waiting, most=1):
        waited = max(0.0, time.time() - record.timestamp / 1000)
        age, where = max((age, where), (waited, f"{record.topic}-{record.partition}"))
    what = f"{role} lag"
    if not where:
        return Finding(what, GOOD, f"group {group} has done all there is")
    text = f"group {group} is {records:,} records behind; the oldest has waited {age:,.0f} s ({where})"
    if age <= limit:
        return Finding(what, GOOD, text)
    mend = f"more than {limit:g} s: start `sluice worker {role}`, or more of them; docs/runbooks.md says on"
    return Finding(what, WRONG, text, mend)


async def _done(patient: Patient, group: str, raw: list[TopicPartition]) -> dict[TopicPartition, int]:
    """What a group has done, as it publishes it every few seconds."""
    async with connected_admin(patient.settings) as admin:
        offsets = await until_coordinated(lambda: admin.list_consumer_group_offsets(group, partitions=raw))
    return {tp: max(0, at.offset) for tp, at in offsets.items()}
