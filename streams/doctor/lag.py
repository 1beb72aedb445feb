"""How far each group is behind, in records and in time."""

from __future__ import annotations

from streams.doctor.finding import GOOD, WRONG, Finding, Patient
from streams.kafka.group_progress import Progress, group_progress
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
    for role, limit in limits.items():
        if raw and role not in patient.without:
            progress = await group_progress(settings, settings.group(role), raw)
            found.append(_finding(role, settings.group(role), progress, limit))
    return found


def _finding(role: str, group: str, progress: list[Progress], limit: float) -> Finding:
    waiting = [(one.oldest_seconds, one) for one in progress if one.oldest_seconds is not None]
    what = f"{role} lag"
    if not waiting:
        return Finding(what, GOOD, f"group {group} has done all there is")
    age, oldest = max(waiting)
    records = sum(one.lag_records for _, one in waiting)
    where = f"{oldest.topic}-{oldest.partition}"
    text = f"group {group} is {records:,} records behind; the oldest has waited {age:,.0f} s ({where})"
    if age <= limit:
        return Finding(what, GOOD, text)
    mend = f"more than {limit:g} s: start `sluice worker {role}`, or more of them"
    return Finding(what, WRONG, text, mend)
