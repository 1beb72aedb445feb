"""Who works: views by what they report in the feed, Bronze and gates by their groups' members."""

from __future__ import annotations

import asyncio
import time

from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import for_code

from streams.doctor.finding import GOOD, WRONG, Finding, Patient, some
from streams.doctor.reading import reading
from streams.kafka.availability import connected_admin
from streams.kafka.records import records_from, until_coordinated
from streams.kafka.topology import partitions_of
from streams.runbooks import page
from tables.codec import Heartbeat, decode_heartbeat

SKEW_SECONDS = 5.0
LOOK_BACK_SECONDS = 5.0
PATIENCE = 0.7
"""Share of the time there is in which a group's coordinator has to be found."""
GROUP_ID_NOT_FOUND = 69
"""As newer brokers say of a group that nobody has joined; aiokafka has no name for it."""


async def views(patient: Patient) -> list[Finding]:
    """Whether views workers report, on every partition, and by a clock like this machine's."""
    settings = patient.settings
    if "views" in patient.without:
        return []
    now_ms = int(time.time() * 1000)
    beats = await heartbeats(patient, now_ms - int((settings.session_seconds + LOOK_BACK_SECONDS) * 1000))
    if not beats:
        start = f"start one with `sluice worker views`: none has reported for {settings.session_seconds} s"
        return [Finding("views worker", WRONG, "no views worker", start)]
    found = [_skew(beat, now_ms) for beat in beats]
    reported = {(one.topic, one.partition) for beat in beats for one in beat.partitions}
    raw = await partitions_of(settings, settings.raw_topics)
    alone = [f"{tp.topic}-{tp.partition}" for tp in raw if (tp.topic, tp.partition) not in reported]
    if alone:
        mend = "wait for a rebalance to end; if it stays so, look into the workers' logs and their /readyz"
        found.append(Finding("views worker", WRONG, f"no worker reports on {some(alone)}", mend))
    elif raw:
        found.append(Finding("views worker", GOOD, f"{len(beats)} on {len(raw)} partitions"))
    return [finding for finding in found if finding is not None]


async def heartbeats(patient: Patient, since_ms: int) -> list[Heartbeat]:
    """The newest report of every worker that has reported since and has not left, by name."""
    settings = patient.settings
    feed = await partitions_of(settings, [settings.topic("views.feed")])
    beats: dict[str, Heartbeat | None] = {}
    if not feed:
        return []
    # Reports are in no transaction, and an open one of a dead worker must not hide them.
    async with reading(settings, isolation_level="read_uncommitted") as consumer:
        consumer.assign(feed)
        found = await consumer.offsets_for_times(dict.fromkeys(feed, since_ms))
        starts = {tp: at.offset for tp, at in found.items() if at is not None}
        async for record in records_from(consumer, starts):
            if (record.key or b"").startswith(b"h:"):
                beats[record.key.decode(errors="replace")] = _beat(record.value)
    return [beat for _, beat in sorted(beats.items()) if beat is not None]


def _beat(value: bytes | None) -> Heartbeat | None:
    try:
        return None if value is None else decode_heartbeat(value)
    except ValueError:
        return None  # alien records have a check of their own


def _skew(beat: Heartbeat, now_ms: int) -> Finding | None:
    """A report from the future: one of two clocks is wrong, and with it staleness and `in_future`."""
    ahead = (beat.at - now_ms) / 1000
    if ahead <= SKEW_SECONDS:
        return None
    mend = "set both machines' clocks (NTP): staleness, and which events are in the future, follow them"
    text = f"worker {beat.worker} is {ahead:.0f} s ahead of this machine"
    return Finding("clock", WRONG, text, mend, page("clock-skew"))


async def bronze(patient: Patient) -> list[Finding]:
    """Whether Bronze is written."""
    return await _members(patient, "bronze", "`sluice worker bronze`")


async def gates(patient: Patient) -> list[Finding]:
    """Whether the gates are evaluated."""
    return await _members(patient, "gates", "`sluice worker gates`: without one all gates count as closed")


async def _members(patient: Patient, role: str, start: str) -> list[Finding]:
    if role in patient.without:
        return []
    what, group = f"{role} worker", patient.settings.group(role)
    async with connected_admin(patient.settings) as admin:
        try:
            async with asyncio.timeout(patient.seconds * PATIENCE):
                state, members = await until_coordinated(lambda: _described(admin, group))
        except TimeoutError:
            state, members = "not known to any broker", 0
    if not members:
        return [Finding(what, WRONG, f"no {role} worker (group {group}: {state})", f"start one with {start}")]
    if state != "Stable":
        mend = "wait some seconds; if it stays so, two workers may have one SLUICE_INSTANCE: see their logs"
        return [Finding(what, WRONG, f"group {group} is in {state}", mend)]
    return [Finding(what, GOOD, f"{members} in group {group}")]


async def _described(admin: AIOKafkaAdminClient, group: str) -> tuple[str, int]:
    """A group's state and how many members it has. Raises Kafka's errors."""
    (response,) = await admin.describe_consumer_groups([group])
    code, _, state, _, _, members, *_ = response.groups[0]
    if code == GROUP_ID_NOT_FOUND:
        return "Dead", 0
    if code:
        raise for_code(code)(f"looking at group {group}")
    return state, len(members)
