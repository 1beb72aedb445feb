"""A partition that is behind raises one alarm, and clears it: told by its owner, or by the gates' leader."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import pytest

from streams.kafka import topics
from tests.oracle.bad import padded
from tests.support.feed import FeedWatcher
from tests.support.gates import GateTopics
from tests.support.kafka import Raw, wait_until
from tests.support.processes import Role, Sluice
from tests.support.sending import produce_all

VALUE_BYTES = 60_000


@pytest.fixture
def settings() -> dict[str, Any]:
    return {"partitions": 1, "stale_seconds": 2, "bronze_max_bytes": 1 << 20}


def records(count: int, name: str = "e") -> list[Raw]:
    now_ms = int(time.time() * 1000)
    return [Raw(padded(VALUE_BYTES, now_ms, event_id=f"{name}-{number}")) for number in range(count)]


class LagAlarms:
    """Those of one group."""

    def __init__(self, sluice: Sluice, role: str) -> None:
        self._topics = GateTopics(sluice.settings)
        self.subject = f"{sluice.settings.group(role)} {sluice.raw_topic}-0"

    async def states(self) -> list[str]:
        found = [alarm for alarm in await self._topics.alarms() if alarm["subject"] == self.subject]
        assert {alarm["code"] for alarm in found} <= {"PIPELINE_LAG_EXCEEDED"}
        return [alarm["state"] for alarm in found]

    async def until(self, *states: str) -> None:
        async def there() -> bool:
            return await self.states() == list(states)

        await wait_until(there, f"the alarms of {self.subject} to be {states}", seconds=60)


async def counted(role: Role) -> bool:
    return 'sluice_errors_total{code="PIPELINE_LAG_EXCEEDED"} 1.0' in (await role.get("/metrics")).text


async def test_bronze_that_is_behind_says_so_and_closes_ranges_by_bytes_alone(sluice: Sluice) -> None:
    await topics.create(sluice.settings)
    alarms = LagAlarms(sluice, "bronze")
    bronze, store = sluice.bronze(), sluice.folder / "store"
    first = records(1)
    await produce_all(sluice.settings.kafka[0], sluice.raw_topic, first)
    await wait_until(lambda: list(store.rglob("_commits/**/*.json")), "the first range")
    away = store.rename(sluice.folder / "away")
    store.write_text("in the way")  # nothing can be written now, and full ranges wait
    await produce_all(sluice.settings.kafka[0], sluice.raw_topic, records(90, "late"))
    await alarms.until("raised")
    assert await counted(bronze)
    store.unlink()
    away.rename(store)
    await alarms.until("raised", "cleared")
    written = await wait_until(lambda: covering(store, 91), "all to be written")
    sizes = [last - first + 1 for first, last in written]
    assert sizes[0] == 1
    full = -(-(1 << 20) // VALUE_BYTES)
    assert sizes[1:-1] == [full] * (len(sizes) - 2), "none was closed by its age of one second"
    assert await bronze.terminate() == 0


def covering(store: Path, count: int) -> list[tuple[int, int]] | None:
    """The committed ranges, once they have so many records."""
    found = sorted(
        (commit["first"], commit["last"])
        for commit in (json.loads(path.read_text()) for path in store.rglob("_commits/**/*.json"))
    )
    return found if found and found[-1][1] == count - 1 else None


async def test_where_nobody_reads_the_leader_of_the_gates_says_so_and_the_next_owner_ends_it(
    sluice: Sluice,
) -> None:
    await topics.create(sluice.settings)
    alarms = LagAlarms(sluice, "views")
    worker, gates = sluice.worker(), sluice.gates()
    async with FeedWatcher(sluice.settings) as feed:
        await produce_all(sluice.settings.kafka[0], sluice.raw_topic, records(1))
        await feed.caught_up()
        assert await worker.terminate() == 0
        await gates.ready()
        await produce_all(sluice.settings.kafka[0], sluice.raw_topic, records(1, "late"))
        await alarms.until("raised")
        assert await counted(gates)
        worker.start()
        await feed.caught_up()
        await alarms.until("raised", "cleared")
    for role in (gates, worker):
        assert await role.terminate() == 0
