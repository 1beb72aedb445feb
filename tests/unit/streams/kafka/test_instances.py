"""Which process a group's member is, and what follows for one that wants to join with its instance."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import uuid
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest
from aiokafka.coordinator.assignors.sticky.sticky_assignor import StickyPartitionAssignor
from aiokafka.errors import KafkaError
from aiokafka.protocol.group import JoinGroupRequest
from aiokafka.structs import TopicPartition

from streams.faust import instance_guard
from streams.faust.instance_guard import FENCED_INSTANCE_ID, InstanceGuard, InstanceTakenError
from streams.kafka.instances import THIS, InstanceAssignor, Member, Process, members_of, started_at
from streams.settings import Settings
from tests.support.kafka import wait_until
from tests.support.programs import started

ELSEWHERE = Process("another-host", 1, "100", "nonce")
DEAD = Process(THIS.host, 2**22 + 1, "100", "nonce")  # no pid is that large
REUSED = Process(THIS.host, os.getppid(), "1", "nonce")
BEFORE_US = replace(THIS, began="1", nonce="nonce")


def test_a_process_says_who_it_is_behind_what_the_assignor_reads() -> None:
    for partitions in (None, [TopicPartition("raw", 3)]):
        metadata = InstanceAssignor._metadata(["raw"], partitions, 7)
        assert Process.decode(metadata.user_data) == THIS
        parsed = StickyPartitionAssignor.parse_member_metadata(metadata)
        assert parsed.partitions == (partitions or [])
        if partitions:
            assert parsed.generation == 7
    assert Process.decode(StickyPartitionAssignor._metadata(["raw"], None).user_data) is None


@pytest.mark.parametrize("process", [ELSEWHERE, DEAD, replace(ELSEWHERE, host="höst with spaces")])
def test_what_a_process_says_is_read_back(process: Process) -> None:
    assert Process.decode(b"whatever" + process.encode()) == process


def test_a_process_is_gone_when_its_pid_is_another_ones() -> None:
    assert DEAD.is_gone()
    assert REUSED.is_gone()
    assert BEFORE_US.is_gone()
    assert not THIS.is_gone()
    assert not ELSEWHERE.is_gone(), "nobody can tell from here"
    with started([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as child:
        began = started_at(child.pid) or ""
        living = Process(THIS.host, child.pid, began, "n")
        assert not living.is_gone()
        child.kill()
        child.poll()
        os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)
        assert living.is_gone(), "its parent has not waited for it yet"


class Coordinator:
    """What the guard needs of aiokafka's coordinator: a group that others change."""

    def __init__(self) -> None:
        self.member_id = ""
        self.coordinator_id = 1
        self.members: list[tuple[str, Process | None]] = []
        self.error_code = 0
        self.looks = 0
        self.joined = 0
        self._closing: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._client = self

    async def send(self, *_: Any, **__: Any) -> Any:
        self.looks += 1
        members = [(name, "client", "/10.0.0.9", _metadata(process), b"") for name, process in self.members]
        return SimpleNamespace(groups=[(0, "g", "Stable", "consumer", "sticky", members)])

    async def _send_req(self, _: Any) -> Any:
        self.joined += 1
        return SimpleNamespace(error_code=self.error_code, member_id=member_id("one-0"))


def member_id(instance: str) -> str:
    return f"{instance}-{uuid.uuid4()}"


def _metadata(process: Process | None) -> bytes:
    if process is None:
        return b""
    metadata = InstanceAssignor._metadata(["raw"], None)
    encoded: bytes = type(metadata)(metadata.version, metadata.subscription, process.encode()).encode()
    return encoded


class Guarded:
    def __init__(self) -> None:
        self.coordinator = Coordinator()
        self.taken: list[InstanceTakenError] = []
        self.told: list[str | None] = []
        settings = replace(Settings.load({}), instance="one-0", session_seconds=6)
        self.guard = InstanceGuard(settings, "g", self.taken.append, self.told.append)
        self.guard.attach(SimpleNamespace(_coordinator=self.coordinator))

    def join(self) -> asyncio.Task[Any]:
        request = JoinGroupRequest("g", 1, 1, self.coordinator.member_id, "one-0", "consumer", [])
        return asyncio.create_task(self.coordinator._send_req(request))

    async def close(self, joining: asyncio.Task[Any]) -> None:
        self.coordinator._closing.set_result(None)
        with pytest.raises(KafkaError):
            await joining


@pytest.fixture
async def guarded(monkeypatch: pytest.MonkeyPatch) -> Guarded:
    monkeypatch.setattr(instance_guard, "LOOK_SECONDS", 0.01)
    return Guarded()


@pytest.mark.parametrize("left", [DEAD, REUSED, BEFORE_US, THIS])
async def test_what_a_dead_process_left_is_taken_over(guarded: Guarded, left: Process) -> None:
    guarded.coordinator.members = [(member_id("one-1"), ELSEWHERE), (member_id("one-0"), left)]
    await asyncio.wait_for(guarded.join(), 5)
    assert (guarded.coordinator.joined, guarded.told, guarded.taken) == (1, [], [])


async def test_a_living_process_of_this_machine_keeps_it(
    guarded: Guarded, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(instance_guard, "DRAIN_SECONDS", 0.05)
    living = Process(THIS.host, os.getppid(), started_at(os.getppid()) or "", "nonce")
    guarded.coordinator.members = [(member_id("one-0"), living)]
    joining = guarded.join()
    await wait_until(lambda: guarded.taken, "it to give way", seconds=5)
    assert "SLUICE_INSTANCE=one-0 is taken: process" in str(guarded.taken[0])
    await guarded.close(joining)
    assert guarded.coordinator.joined == 0


async def test_one_of_this_machine_that_is_on_its_way_out_is_waited_for(guarded: Guarded) -> None:
    with started([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as leaving:
        living = Process(THIS.host, leaving.pid, started_at(leaving.pid) or "", "nonce")
        guarded.coordinator.members = [(member_id("one-0"), living)]
        joining = guarded.join()
        await wait_until(lambda: guarded.coordinator.looks > 3, "some looks", seconds=5)
        assert guarded.told
        leaving.kill()
        await asyncio.wait_for(joining, 5)
    assert guarded.told[-1] is None
    assert guarded.taken == []


@pytest.mark.parametrize("process", [ELSEWHERE, None])
async def test_another_hosts_is_waited_for_until_it_is_gone(
    guarded: Guarded, process: Process | None
) -> None:
    guarded.coordinator.members = [(member_id("one-0"), process)]
    joining = guarded.join()
    await wait_until(lambda: guarded.coordinator.looks > 3, "some looks", seconds=5)
    assert guarded.told
    assert "SLUICE_INSTANCE=one-0" in str(guarded.told[0])
    guarded.coordinator.members = []
    await asyncio.wait_for(joining, 5)
    assert guarded.told[-1] is None
    assert guarded.taken == []


@pytest.mark.parametrize("process", [ELSEWHERE, None])
async def test_another_hosts_that_stays_is_living(guarded: Guarded, process: Process | None) -> None:
    guarded.guard._wait_seconds = 0.05
    guarded.coordinator.members = [(member_id("one-0"), process)]
    joining = guarded.join()
    await wait_until(lambda: guarded.taken, "it to give way", seconds=5)
    await guarded.close(joining)
    assert guarded.coordinator.joined == 0


@pytest.mark.parametrize("after", [ELSEWHERE, REUSED, BEFORE_US])
async def test_who_was_thrown_out_does_not_come_back(guarded: Guarded, after: Process) -> None:
    """Whoever has it now came after us, and is not to be thrown out in turn, wherever it runs."""
    await asyncio.wait_for(guarded.join(), 5)
    guarded.coordinator.members = [(member_id("one-0"), after)]
    joining = guarded.join()
    await wait_until(lambda: guarded.taken, "it to give way", seconds=5)
    await guarded.close(joining)
    assert guarded.coordinator.joined == 1


async def test_a_session_that_ended_is_begun_again(guarded: Guarded) -> None:
    await asyncio.wait_for(guarded.join(), 5)
    await asyncio.wait_for(guarded.join(), 5)  # nobody took it meanwhile
    assert guarded.coordinator.joined == 2


async def test_a_brokers_fence_is_the_end(guarded: Guarded) -> None:
    guarded.coordinator.error_code = FENCED_INSTANCE_ID
    joining = guarded.join()
    await wait_until(lambda: guarded.taken, "it to give way", seconds=5)
    await guarded.close(joining)


def test_members_that_are_not_ours_are_members_all_the_same() -> None:
    stranger = ("consumer-1-x", "c", "/h", b"\x00garbage", b"")
    (found,) = members_of(SimpleNamespace(groups=[(0, "g", "Stable", "", "", [stranger])]))
    assert found == Member("consumer-1-x", "/h", None)
    assert found.instance == ""
