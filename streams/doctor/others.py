"""What other programs do where they should not: share an instance, write into Sluice's topics."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from aiokafka import TopicPartition

from streams.doctor.finding import GOOD, NOTE, WRONG, Finding, Patient
from streams.feed.alien_records import problem_of, remedy_of
from streams.feed.writer import read_partition
from streams.kafka.instances import duplicate_instances
from streams.kafka.producer import partition_count
from streams.plain_text import plain
from streams.settings import Settings
from tables.record_check import Fault, Problem, gate_problem, shown

Judge = Callable[[bytes | None, bytes | None], Problem | None]
"""What is wrong with a record, by its key and value."""
Bad = dict[bytes | None, tuple[int, Problem]]
"""Key to offset and problem."""

LOOK_SECONDS = 3.0
MAX_FINDINGS = 100

_GATE_MEND = (
    "nothing to do: the gate counts as closed until `sluice worker gates` writes it again, within seconds"
)


async def instances(patient: Patient) -> list[Finding]:
    """Workers that take one SLUICE_INSTANCE from each other."""
    found = await duplicate_instances(patient.settings, min(LOOK_SECONDS, patient.seconds / 2))
    mend = "give each worker of a role an instance of its own, or none, and restart them"
    if not found:
        return [Finding("instances", GOOD, "no two workers have the same")]
    return [Finding("instances", WRONG, plain(str(duplicate)), mend) for duplicate in found]


async def records(patient: Patient) -> list[Finding]:
    """Records in the feed and in the gates' topic that are not Sluice's, or that cannot be read."""
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


class AlienRecord(NamedTuple):
    """A record that is not Sluice's or is unreadable. `what` shows its key, escaped and cut, no value."""

    topic: str
    partition: int
    offset: int
    fault: Fault
    what: str
    mend: str


async def alien_records(settings: Settings) -> list[AlienRecord]:
    """The first `MAX_FINDINGS` keys of feed and gates whose newest record is not Sluice's or cannot be read.

    Reads both topics to their end. Raises `RefusedError` where one does not exist.
    """
    found: list[AlienRecord] = []
    for topic, judge in (
        (settings.topic("views.feed"), problem_of),
        (settings.topic("ops.gates"), gate_problem),
    ):
        for partition in range(await partition_count(settings, topic, "Read")):
            bad = await _newest_bad(settings, TopicPartition(topic, partition), judge)
            for key, (offset, problem) in bad.items():
                is_closed_gate = judge is gate_problem and problem.fault is Fault.DAMAGED
                mend = _GATE_MEND if is_closed_gate else remedy_of(key, problem)
                what = f"{problem.why} (key {shown(key)})"
                found.append(AlienRecord(topic, partition, offset, problem.fault, what, mend))
    return found[:MAX_FINDINGS]


async def _newest_bad(settings: Settings, tp: TopicPartition, judge: Judge) -> Bad:
    bad: Bad = {}

    def take(offset: int, key: bytes | None, value: bytes | None) -> None:
        problem = judge(key, value) if value is not None else None
        if problem is None:
            bad.pop(key, None)
        else:
            bad[key] = offset, problem

    await read_partition(settings, tp, take)
    return bad
