"""What others do where they should not: workers with one instance, and records in topics of ours."""

from __future__ import annotations

from streams.doctor.alien_records import alien_records
from streams.doctor.finding import GOOD, NOTE, WRONG, Finding, Patient
from streams.kafka.instances import duplicate_instances
from streams.plain_text import plain
from tables.record_check import Fault

LOOK_SECONDS = 3.0


async def instances(patient: Patient) -> list[Finding]:
    """Workers that take one SLUICE_INSTANCE from each other."""
    found = await duplicate_instances(patient.settings, min(LOOK_SECONDS, patient.seconds / 2))
    mend = "give each worker of a role an instance of its own, or none, and restart them"
    if not found:
        return [Finding("instances", GOOD, "no two workers have the same")]
    return [Finding("instances", WRONG, plain(str(duplicate)), mend) for duplicate in found]


async def records(patient: Patient) -> list[Finding]:
    """Records in the feed and in the gates' topic that are not ours, or that cannot be read."""
    found = await alien_records(patient.settings)
    if not found:
        return [Finding("feed records", GOOD, "all are ours and can be read")]
    return [
        Finding(
            f"record {each.topic}-{each.partition}@{each.offset}",
            NOTE if each.fault is Fault.ALIEN else WRONG,
            plain(each.what),
            each.mend,
        )
        for each in found
    ]
