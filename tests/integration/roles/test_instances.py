"""Workers that share one SLUICE_INSTANCE: one works on, the other ends and says which setting is wrong."""

from __future__ import annotations

import os
import re
import signal
from collections.abc import Iterable
from typing import Any

import pytest
from aiokafka import AIOKafkaConsumer
from aiokafka.coordinator.protocol import ConsumerProtocolMemberMetadata

from streams.kafka import topics
from streams.kafka.instances import (
    THIS,
    Duplicate,
    InstanceAssignor,
    Process,
    duplicate_instances,
    members,
    started_at,
)
from tables.codec import decode_heartbeat
from tables.keys import heartbeat_key
from tests.support.kafka import read_all, wait_until
from tests.support.processes import Role, Sluice
from tests.support.repeats import repeats


@pytest.fixture
def settings() -> dict[str, Any]:
    return {"partitions": 2, "instance": "one-0"}


async def holds(sluice: Sluice, role: str, worker: Role) -> str:
    """Wait until a worker holds the instance; answers the id of its membership."""

    async def is_member() -> str | None:
        pids = {m.process.pid: m.member_id for m in await members(sluice.settings, role) if m.process}
        return pids.get(worker.process.pid)

    member_id: str = await wait_until(is_member, f"{worker.name} to hold the instance", seconds=60)
    return member_id


async def reported(sluice: Sluice) -> list[int | None]:
    """How many partitions each heartbeat of the worker names, from when it had all; None: it has left."""
    records = await read_all(sluice.settings.kafka[0], sluice.settings.topic("views.feed"))
    values = [record.value for record in records if record.key == heartbeat_key("one-0")]
    counts = [None if value is None else len(decode_heartbeat(value).partitions) for value in values]
    return counts[counts.index(2) :]


async def refused(worker: Role) -> None:
    assert await worker.end(90) == 2, worker.tail()
    said = worker.output()
    assert re.search(r"^sluice: SLUICE_INSTANCE=one-0 is taken: process \d+ on ", said, re.MULTILINE), said
    assert "Traceback" not in said, said


@pytest.mark.parametrize("role", repeats("views", "bronze", "gates"))
async def test_the_second_ends_and_the_first_goes_on_undisturbed(sluice: Sluice, role: str) -> None:
    await topics.create(sluice.settings)
    first = sluice.started("first", "worker", role)
    await first.ready(60)
    before = await holds(sluice, role, first)
    await refused(sluice.started("second", "worker", role))
    assert first.running
    assert await holds(sluice, role, first) == before
    assert await duplicate_instances(sluice.settings, 0.5) == []
    if role == "views":
        assert set(await reported(sluice)) == {2}, "nobody else has reported under its name"
    assert await first.terminate() == 0


@pytest.mark.parametrize("role", repeats("bronze", "gates", "views"))
async def test_what_a_killed_process_left_is_taken_over_at_once(sluice: Sluice, role: str) -> None:
    """And held by who took it over, though a broker goes on describing the first holder's client id."""
    await topics.create(sluice.settings)
    worker = sluice.started("worker", "worker", role)
    await holds(sluice, role, worker)
    worker.kill()
    worker.start()
    await holds(sluice, role, worker)
    assert "waiting for SLUICE_INSTANCE" not in worker.output()
    await refused(sluice.started("other", "worker", role))
    assert worker.running


@pytest.mark.parametrize("role", repeats("gates", "views", "bronze"))
async def test_who_was_stopped_and_replaced_ends_when_it_wakes_up(sluice: Sluice, role: str) -> None:
    await topics.create(sluice.settings)
    first = sluice.started("first", "worker", role)
    await first.ready(60)
    await holds(sluice, role, first)
    first.signal(signal.SIGSTOP)

    async def nobody() -> bool:
        return not await members(sluice.settings, role)

    await wait_until(nobody, "the stopped one's session to end", seconds=40)
    second = sluice.started("second", "worker", role)
    taken = await holds(sluice, role, second)
    first.signal(signal.SIGCONT)
    await refused(first)
    assert second.running
    assert await holds(sluice, role, second) == taken


class _Unguarded(InstanceAssignor):
    """Of a member that takes the instance back whenever it is thrown out, as aiokafka does by itself."""

    process: Process

    @classmethod
    def _metadata(cls, topics: Iterable[str], partitions: Any, generation: int = -1) -> Any:
        made = super()._metadata(topics, partitions, generation)
        return ConsumerProtocolMemberMetadata(made.version, made.subscription, cls.process.encode())


class _One(_Unguarded):
    process = Process(THIS.host, os.getpid(), THIS.began, THIS.nonce)


class _Two(_Unguarded):
    process = Process(THIS.host, os.getppid(), started_at(os.getppid()) or "", "of-another")


async def test_two_that_take_it_from_each_other_are_found(sluice: Sluice) -> None:
    await topics.create(sluice.settings)
    assert await duplicate_instances(sluice.settings, 0.0) == []
    consumers = [
        AIOKafkaConsumer(
            sluice.raw_topic, bootstrap_servers=list(sluice.settings.kafka),
            group_id=sluice.settings.group("bronze"), group_instance_id="one-0", session_timeout_ms=6000,
            heartbeat_interval_ms=300, partition_assignment_strategy=[assignor],
        )
        for assignor in (_One, _Two)
    ]  # fmt: skip
    try:
        for consumer in consumers:
            await consumer.start()

        async def found() -> list[Duplicate]:
            return await duplicate_instances(sluice.settings, 3.0)

        (duplicate,) = await wait_until(found, "both to be seen")
        assert (duplicate.role, duplicate.instance) == ("bronze", "one-0")
        assert {process.pid for process in duplicate.processes} == {os.getpid(), os.getppid()}
        assert "SLUICE_INSTANCE=one-0" in str(duplicate)
    finally:
        for consumer in consumers:
            await consumer.stop()
