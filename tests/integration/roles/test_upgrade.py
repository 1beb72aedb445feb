"""A rolling upgrade from the last release under live traffic, and the way back: process by process, nothing
lost, nothing twice, no answer missing, nobody paged.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from streams.embedded.broker import EmbeddedKafka
from streams.kafka import topics
from tests.oracle.load import Load, Mix
from tests.support.bronze_rows import Bronze
from tests.support.bronze_topic import until_covered
from tests.support.chaos.bronze_whole import commit_differences, row_differences
from tests.support.chaos.traffic import Producing, cancelled
from tests.support.feed import FeedWatcher, exact
from tests.support.former_release import unpacked
from tests.support.gates import GateTopics
from tests.support.processes import Role, Sluice
from tests.support.repeats import repeats
from tests.support.sending import started_producer

EVENTS_PER_SECOND = 400
MIX = Mix(partitions=4, milliseconds=2, late_hours=5, duplicates_back=5_000)
ROLES = {
    "views-1": ("worker", "views"), "views-2": ("worker", "views"), "bronze-1": ("worker", "bronze"),
    "gates-1": ("worker", "gates"), "gates-2": ("worker", "gates"), "api-1": ("api",), "api-2": ("api",),
}  # fmt: skip


class Asking:
    """Asks both apis in turn, all the time, as clients behind a load balancer do: one of them has to answer.

    `gap_seconds`: the longest time without a complete answer.
    """

    def __init__(self, deployed: Deployed) -> None:
        self.gap_seconds = 0.0
        self.unanswered = 0
        self.answers = 0
        self.wrong: list[str] = []
        self._newest: dict[tuple[str, int], int] = {}
        self._deployed = deployed
        self._task = asyncio.create_task(self._run())

    async def _run(self) -> None:
        complete_at = time.monotonic()
        async with httpx.AsyncClient(timeout=5) as client:
            while True:
                answers = [await self._ask(client, api) for api in self._deployed.apis()]
                self.answers += any(answers)
                self.unanswered += not any(answers)
                now = time.monotonic()
                if any(answer and answer["complete"] for answer in answers):
                    complete_at = now
                self.gap_seconds = max(self.gap_seconds, now - complete_at)
                await asyncio.sleep(0.1)

    async def _ask(self, client: httpx.AsyncClient, api: Role) -> dict[str, bool] | None:
        try:
            if (await client.get(await api.url("/readyz"))).status_code != 200:
                return None
            answer = await client.get(await api.url("/v1/views/kpi_gmv"))
        except (httpx.TransportError, AssertionError):
            return None
        return {"complete": answer.json()["complete"]} if answer.status_code == 200 else None

    async def stop(self) -> None:
        await cancelled(self._task)


class Deployed:
    """All roles, each of one release or the other."""

    def __init__(self, sluice: Sluice) -> None:
        self._sluice = sluice
        self._roles: dict[str, Role] = {}

    def apis(self) -> Iterator[Role]:
        yield from (role for name, role in self._roles.items() if name.startswith("api"))

    def bronze(self) -> Role:
        return self._roles["bronze-1"]

    async def start(self) -> None:
        for name, command in ROLES.items():
            self._roles[name] = self._sluice.started(name, *command)
        for role in self._roles.values():
            await role.ready()

    async def roll(self, release: Path, suffix: str) -> None:
        """Replace one process after the other, each when the one before it is ready."""
        self._sluice.release = release
        for name, command in ROLES.items():
            assert await self._roles[name].terminate() == 0, self._roles[name].tail()
            self._roles[name] = self._sluice.started(f"{name}-{suffix}", *command)
            await self._roles[name].ready()

    async def end(self) -> None:
        for name, role in self._roles.items():
            if not name.startswith("api"):
                assert await role.terminate() == 0, role.tail()


@pytest.mark.parametrize("back", repeats(False, True))
async def test_an_upgrade_under_traffic_loses_nothing(
    kafka: EmbeddedKafka, prefix: str, tmp_path: Path, back: bool
) -> None:
    former = unpacked(tmp_path / "former")
    load = Load(11, int(time.time() * 1000), MIX)
    with Sluice(
        tmp_path, kafka.bootstrap, prefix, partitions=MIX.partitions, session_seconds=10, stale_seconds=60
    ) as sluice:
        this, sluice.release = sluice.release, former
        assert sluice.run("topics", "create").returncode == 0
        async with contextlib.AsyncExitStack() as stopped:
            producer = await started_producer(kafka.bootstrap, enable_idempotence=True)
            stopped.push_async_callback(producer.stop)
            feed = await stopped.enter_async_context(FeedWatcher(sluice.settings))
            deployed = Deployed(sluice)
            await deployed.start()
            producing = Producing(producer, sluice.raw_topic, load.take, EVENTS_PER_SECOND)
            stopped.push_async_callback(producing.stop)
            asking = Asking(deployed)
            stopped.push_async_callback(asking.stop)
            await topics.create(sluice.settings)  # what this release has besides, before any process of it
            await deployed.roll(this, "new")
            if back:
                await deployed.roll(former, "old")
                sluice.release = this
            await producing.stop()
            await asking.stop()
            await feed.caught_up(seconds=90)
            await until_covered(sluice, sluice.store, deployed.bronze(), seconds=90)
            await exact(sluice, next(deployed.apis()))
            await deployed.end()
        print(f"{producing.sent} records, {asking.answers} answers, gap {asking.gap_seconds:.1f} s")  # noqa: T201
        bronze = Bronze(sluice.folder / "store")
        found = await commit_differences(sluice.folder / "store", sluice.settings)
        assert found + await row_differences(bronze, sluice.settings) == []
        assert asking.unanswered == 0, "an api of the two answered at any time"
        paged = [
            a for a in await GateTopics(sluice.settings).alarms() if a["code"] == "PIPELINE_LAG_EXCEEDED"
        ]
        assert paged == [], "a rebalance pages nobody"
