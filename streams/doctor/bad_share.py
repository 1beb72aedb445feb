"""How much of what comes is bad, and whether that grows."""

from __future__ import annotations

import time
from collections.abc import Sequence

from aiokafka import AIOKafkaConsumer, TopicPartition

from streams.doctor.finding import GOOD, WRONG, Finding, Patient, some
from streams.doctor.reading import reading
from streams.doctor.workers import heartbeats
from streams.kafka.topology import partitions_of
from tables.codec import LAST

RECENT_SECONDS = 600
BEFORE_SECONDS = 86_400
LARGE_SHARE = 0.05
GROWTH = 3.0
FEW_RECORDS = 20
"""With fewer bad records than that no share is judged."""


async def bad_share(patient: Patient) -> list[Finding]:
    """The share of quarantined records in the last ten minutes, and in the day before them.

    Counted by offsets, in which a transaction's end takes a place too: it is about so many.
    """
    settings = patient.settings
    raw = await partitions_of(settings, settings.raw_topics)
    bad = await partitions_of(settings, [settings.topic("events.quarantine")])
    if not raw or not bad:
        return []
    now = time.time()
    async with reading(settings) as consumer:
        consumer.assign(raw + bad)
        recent = [await _since(consumer, tps, now - RECENT_SECONDS) for tps in (bad, raw)]
        whole = [await _since(consumer, tps, now - RECENT_SECONDS - BEFORE_SECONDS) for tps in (bad, raw)]
    return [judge(recent[0], recent[1], whole[0] - recent[0], whole[1] - recent[1])]


async def breaker(patient: Patient) -> list[Finding]:
    """Partitions whose breaker has tripped: their bad records keep the gates closed."""
    settings = patient.settings
    if not settings.bad_share:
        return []
    since_ms = int((time.time() - settings.session_seconds) * 1000)
    tripped = [
        f"{one.topic}-{one.partition} ({one.bad:,} of {LAST:,})"
        for beat in await heartbeats(patient, since_ms)
        for one in beat.partitions
        if one.bad is not None
    ]
    if not tripped:
        return [Finding("breaker", GOOD, "no partition has more bad records than SLUICE_BAD_SHARE")]
    mend = "the gates are stale until it clears: `sluice quarantine summary` says whose"
    return [Finding("breaker", WRONG, f"too many of the last records are bad: {some(tripped)}", mend)]


def judge(bad: int, raw: int, bad_before: int, raw_before: int) -> Finding:
    """What these counts come to."""
    share = bad / raw if raw else 0.0
    before = bad_before / raw_before if raw_before else 0.0
    text = (
        f"about {bad:,} of {raw:,} records in the last {RECENT_SECONDS // 60} min ({share:.1%});"
        f" the day before {before:.1%}"
    )
    grows = before > 0 and share > GROWTH * before and share > LARGE_SHARE / 5
    if bad >= FEW_RECORDS and (share > LARGE_SHARE or grows):
        mend = "`sluice quarantine summary` says which fields of which producer"
        return Finding("quarantine", WRONG, text, mend)
    return Finding("quarantine", GOOD, text)


async def _since(consumer: AIOKafkaConsumer, tps: Sequence[TopicPartition], at: float) -> int:
    """How many offsets lie behind a time."""
    ends = await consumer.end_offsets(list(tps))
    found = await consumer.offsets_for_times(dict.fromkeys(tps, int(at * 1000)))
    return sum(ends[tp] - first.offset for tp, first in found.items() if first is not None)
