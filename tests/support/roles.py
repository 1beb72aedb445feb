"""Owners of partitions with all that is around them, and no Kafka: an app, and its consumer's thread."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from types import SimpleNamespace

from faust.types import TP

from streams.clock import Clock
from streams.kafka.fingerprint_check import Comparison
from streams.kafka.topic_ids import TopicIdentity
from streams.roles.identity import Identity, IdentityQueries
from streams.roles.progress import Progress
from tests.support.kafka import wait_until


class Thread:
    """What the owner asks of its consumer's thread."""

    def __init__(self) -> None:
        self.epochs: dict[TP, int] = {}
        self.sought: list[dict[TP, int]] = []
        self.end = 100
        self.coordinator_generation = 1
        self.away = 0

    def generation(self) -> int:
        return self.coordinator_generation

    async def ends(self, tps: set[TP]) -> Mapping[TP, int]:
        if self.away > 0:
            self.away -= 1
            raise TimeoutError
        return dict.fromkeys(tps, self.end)

    async def beginnings(self, tps: set[TP]) -> Mapping[TP, int]:
        return dict.fromkeys(tps, 0)

    async def topic_identities(self, tps: set[TP]) -> Mapping[TP, TopicIdentity]:
        return dict.fromkeys(tps, TopicIdentity("id", 0, 1, 2))

    async def compare(self, *_: object) -> Comparison:
        return Comparison.SAME

    async def published(self, _: TP) -> None:
        return None

    async def begin_at(self, positions: Mapping[TP, int]) -> None:
        self.sought.append(dict(positions))
        for tp in positions:
            self.epochs[tp] = self.epochs.get(tp, 0) + 1


class App:
    """Collects what it is crashed with."""

    def __init__(self, thread: Thread) -> None:
        self.consumer = SimpleNamespace(thread=thread)
        self.crashes: list[BaseException] = []

    async def crash(self, error: BaseException) -> None:
        self.crashes.append(error)


def identity_of(tp: TP) -> Identity:
    """An identity that nothing changes."""
    return Identity(IdentityQueries(Thread), tp, done="what there is is of", remedy="Mend it")


class FixedClock(Clock):
    """A wall clock that stands at `ms` until it is set; the other one is the machine's."""

    def __init__(self, ms: int) -> None:
        self.ms = ms

    def wall_us(self) -> int:
        return self.ms * 1000


def progress_of(tp: TP, done: str, clock: Clock) -> Progress:
    """A progress of nothing yet."""
    return Progress(*tp, done=done, remedy="Mend it", clock=clock)


async def no_tasks_left() -> None:
    """Nobody else works any more."""
    await wait_until(lambda: asyncio.all_tasks() == {asyncio.current_task()}, "tasks to end", seconds=5)
