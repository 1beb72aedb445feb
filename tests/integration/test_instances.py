"""Workers that share one SLUICE_INSTANCE: one works on, the other ends and says which setting is wrong."""

from __future__ import annotations

import re
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from streams.bus import topics
from streams.bus.embedded import EmbeddedKafka
from streams.bus.instances import duplicate_instances, members
from tests.kafka import wait_until
from tests.processes import Role, Sluice

ROLES = ("views", "bronze", "gates")


@pytest.fixture
def sluice(kafka: EmbeddedKafka, prefix: str, tmp_path: Path) -> Iterator[Sluice]:
    store = (tmp_path / "store").as_uri()
    with Sluice(tmp_path, kafka.bootstrap, prefix, partitions=2, instance="one-0", bronze_url=store) as made:
        yield made


async def started(sluice: Sluice, role: str, name: str) -> Role:
    worker = sluice.role(name, "worker", role)
    worker.start()
    return worker


async def holds(sluice: Sluice, role: str, worker: Role) -> str:
    """Wait until a worker holds the instance; answers the id of its membership."""

    async def is_member() -> str | None:
        pids = {m.process.pid: m.member_id for m in await members(sluice.settings, role) if m.process}
        return pids.get(worker.process.pid)

    member_id: str = await wait_until(is_member, f"{worker.name} to hold the instance", seconds=60)
    return member_id


async def refused(worker: Role) -> None:
    assert await worker.end(40) == 2, worker.tail()
    said = worker.output()
    assert re.search(r"^sluice: SLUICE_INSTANCE=one-0 is taken: process \d+ on ", said, re.MULTILINE), said
    assert "Traceback" not in said, said


@pytest.mark.parametrize("role", ROLES)
async def test_the_second_ends_and_the_first_goes_on_undisturbed(sluice: Sluice, role: str) -> None:
    await topics.create(sluice.settings)
    first = await started(sluice, role, "first")
    await first.ready(60)
    before = await holds(sluice, role, first)
    for name in ("second", "third"):
        await refused(await started(sluice, role, name))
    assert first.running
    assert await holds(sluice, role, first) == before
    assert await duplicate_instances(sluice.settings, 0.5) == []
    assert await first.terminate() == 0


@pytest.mark.parametrize("role", ROLES)
async def test_what_a_killed_process_left_is_taken_over_at_once(sluice: Sluice, role: str) -> None:
    """And held by who took it over, though a broker goes on describing the first holder's client id."""
    await topics.create(sluice.settings)
    worker = await started(sluice, role, "worker")
    await holds(sluice, role, worker)
    worker.kill()
    worker.start()
    await holds(sluice, role, worker)
    assert "waiting for SLUICE_INSTANCE" not in worker.output()
    await refused(await started(sluice, role, "other"))
    assert worker.running


@pytest.mark.parametrize("role", ROLES)
async def test_who_was_stopped_and_replaced_ends_when_it_wakes_up(sluice: Sluice, role: str) -> None:
    await topics.create(sluice.settings)
    first = await started(sluice, role, "first")
    await first.ready(60)
    await holds(sluice, role, first)
    first.signal(signal.SIGSTOP)

    async def nobody() -> bool:
        return not await members(sluice.settings, role)

    await wait_until(nobody, "the stopped one's session to end", seconds=40)
    second = await started(sluice, role, "second")
    taken = await holds(sluice, role, second)
    first.signal(signal.SIGCONT)
    await refused(first)
    assert second.running
    assert await holds(sluice, role, second) == taken
