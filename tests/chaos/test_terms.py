"""SIGTERM at random moments, under load: every process is gone within 10 s, whatever it was about.

In start-up, in recovery, in a rebalance, at work, and while Kafka stands still. The seed is printed;
`SLUICE_CHAOS_SEED` sets it. `--terms` says how many processes are told to end.
"""

from __future__ import annotations

import asyncio
import contextlib
import math
import os
import random
import re
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

from streams.embedded.broker import EmbeddedKafka
from streams.kafka import topics
from tests.oracle.load import Load, Mix
from tests.support.chaos.blows import drawn_seed
from tests.support.kafka import wait_until
from tests.support.processes import Role, Sluice
from tests.support.programs import ended
from tests.support.sending import send_all, started_producer

ROLES = ("views", "bronze", "gates", "api", "all")
GONE_SECONDS = 10.0
LONGEST_LIFE_SECONDS = 20.0
SETTLE_SECONDS = 2.0
"""What clients need until they notice that Kafka is back."""
BUSY_PROCESSES = 2
SAYS_IT_RUNS = {"api": r"sluice api: http", "all": "worker gates runs as process"}
PARTITIONS = 4


@contextlib.contextmanager
def busy() -> Iterator[None]:
    """Processes that want every CPU there is."""
    burning = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(BUSY_PROCESSES)]
    try:
        yield
    finally:
        for process in burning:
            ended(process)


@contextlib.asynccontextmanager
async def producing(bootstrap: str, topic: str, seed: int) -> AsyncIterator[None]:
    """Events to every partition, until left; Kafka may stand still meanwhile."""
    load = Load(seed, int(time.time() * 1000), Mix(partitions=PARTITIONS, milliseconds=1))
    producer = await started_producer(bootstrap, request_timeout_ms=120_000)

    async def produce() -> None:
        while True:
            await send_all(producer, topic, load.take(200))
            await asyncio.sleep(0.2)

    task = asyncio.create_task(produce())
    try:
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        await producer.stop()


class Terms:
    """Starts roles and ends them at moments that the seed draws."""

    def __init__(self, sluice: Sluice, kafka: EmbeddedKafka, seed: int) -> None:
        self._sluice = sluice
        self._kafka = kafka
        self._random = random.Random(seed)
        self.wrong: list[str] = []
        self._stands_still = 0
        self._last_stood_still = -math.inf

    async def strike(self, number: int) -> None:
        """One process of a role, often with another beside it that joins or leaves at the same time."""
        kind = ROLES[number % len(ROLES)]
        beside = kind in ("views", "bronze") and self._random.random() < 0.5
        roles = [self._role(kind, f"{kind}-{number}-{which}") for which in range(1 + beside)]
        lives = [self._random.uniform(0, LONGEST_LIFE_SECONDS) for _ in roles]
        stalled = self._random.random() < 0.2
        for role in roles:
            role.start()
        async with asyncio.TaskGroup() as group:
            for role, life in zip(roles, lives, strict=True):
                group.create_task(self._end(role, kind, life))
            if stalled:
                group.create_task(self._stop_kafka(max(0.0, min(lives) - self._random.uniform(0, 3))))

    def _role(self, kind: str, name: str) -> Role:
        return self._sluice.role(name, *(("api",) if kind == "api" else ("worker", kind)))

    async def _end(self, role: Role, kind: str, life_seconds: float) -> None:
        await asyncio.sleep(life_seconds)
        ran = re.search(SAYS_IT_RUNS.get(kind, "metrics on http"), role.output()) is not None
        assert role.running, f"{role.name} ended by itself:\n{role.tail()}"
        told = time.monotonic()
        role.signal(signal.SIGTERM)
        try:
            code = await role.end(GONE_SECONDS)
        except AssertionError as error:
            self.wrong.append(str(error))
            return
        seconds = time.monotonic() - told
        # Whoever stopped Kafka: a process may then end by its guard, with exit code 1.
        away = self._stands_still or self._last_stood_still > told - SETTLE_SECONDS
        # Before a process has said that it runs, a signal's own effect ends it.
        allowed = {0} | ({1} if away else set()) | (set() if ran else {-signal.SIGTERM})
        dropped = re.search(r"[^\n]*never retrieved.*", role.output(), re.DOTALL)
        if code not in allowed or dropped:
            told_us = dropped[0][:4_000] if dropped else role.tail()
            self.wrong.append(f"{role.name}: exit code {code} after {seconds:.1f} s:\n{told_us}")

    async def _stop_kafka(self, after_seconds: float) -> None:
        pid = self._kafka.pid()
        assert pid is not None
        await asyncio.sleep(after_seconds)
        os.kill(pid, signal.SIGSTOP)
        self._stands_still += 1
        try:
            await asyncio.sleep(self._random.uniform(5, 20))
        finally:
            os.kill(pid, signal.SIGCONT)
            self._stands_still -= 1
            self._last_stood_still = time.monotonic()


async def test_whoever_is_told_to_end_is_gone_in_time(
    own_kafka: EmbeddedKafka, prefix: str, tmp_path: Path, terms: int
) -> None:
    seed = drawn_seed()
    with Sluice(tmp_path, own_kafka.bootstrap, prefix, partitions=PARTITIONS, bronze_max_seconds=2) as sluice:
        await topics.create(sluice.settings)
        struck = Terms(sluice, own_kafka, seed)
        async with producing(own_kafka.bootstrap, sluice.raw_topic, seed):
            with busy():
                # Several at a time: the machine is full, and they join and leave each other's groups.
                for first in range(0, terms, len(ROLES)):
                    last = min(first + len(ROLES), terms)
                    await asyncio.gather(*(struck.strike(number) for number in range(first, last)))
        assert not struck.wrong, "\n\n".join(struck.wrong)
        await wait_until(lambda: not any(role.running for role in sluice.roles), "nobody to be left")
