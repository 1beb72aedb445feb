"""Finds the records of `views.feed` and `ops.gates` that are not ours or cannot be read."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from aiokafka import TopicPartition

from streams.feed.alien_records import problem_of, remedy_of
from streams.feed.writer import read_partition
from streams.kafka.producer import partition_count
from streams.settings import Settings
from tables.record_check import Fault, Problem, gate_problem, shown

MAX_FINDINGS = 100

_GATE_MEND = (
    "nothing to do: the gate counts as closed until `sluice worker gates` writes it again, within seconds"
)


class Finding(NamedTuple):
    """A record that is not ours or cannot be read. `what` has its key, escaped and cut, never its value."""

    topic: str
    partition: int
    offset: int
    fault: Fault
    what: str
    mend: str


async def alien_records(settings: Settings) -> list[Finding]:
    """The records of feed and gates, of each key the newest, that are not ours or cannot be read: the first
    `MAX_FINDINGS`. Reads both topics to their end. Raises `RefusedError` where one is not there.
    """
    found: list[Finding] = []
    for topic, judge in (
        (settings.topic("views.feed"), problem_of),
        (settings.topic("ops.gates"), gate_problem),
    ):
        for partition in range(await partition_count(settings, topic)):
            newest = await _newest_bad(settings, TopicPartition(topic, partition), judge)
            for key, (offset, problem) in newest.items():
                what = f"{problem.why} (key {shown(key)})"
                is_closed_gate = judge is gate_problem and problem.fault is Fault.DAMAGED
                mend = _GATE_MEND if is_closed_gate else remedy_of(key, problem)
                found.append(Finding(topic, partition, offset, problem.fault, what, mend))
    return found[:MAX_FINDINGS]


async def _newest_bad(
    settings: Settings,
    tp: TopicPartition,
    judge: Callable[[bytes | None, bytes | None], Problem | None],
) -> dict[bytes | None, tuple[int, Problem]]:
    bad: dict[bytes | None, tuple[int, Problem]] = {}

    def take(offset: int, key: bytes | None, value: bytes | None) -> None:
        problem = judge(key, value) if value is not None else None
        if problem is None:
            bad.pop(key, None)
        else:
            bad[key] = offset, problem

    await read_partition(settings, tp, take)
    return bad
