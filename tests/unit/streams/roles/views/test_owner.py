"""How a views worker recovers its partitions: those that are ready go on, the others follow."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import replace
from types import SimpleNamespace
from typing import Any, cast

import pytest
from aiokafka import TopicPartition
from aiokafka.errors import ProducerFenced
from faust.types import TP

from streams.health import Health
from streams.kafka.batches import Fetched
from streams.registry.schemas import Schemas
from streams.roles import owner as owner_module
from streams.roles import recoveries
from streams.roles.identity import FeedRecreatedError
from streams.roles.owner import PartitionOwner
from streams.roles.recoveries import RecoveryProgress, RecoveryStuckError
from streams.roles.views import role as role_module
from streams.roles.views.partition import ViewsPartition
from streams.roles.views.role import ViewsRole
from streams.settings import Settings
from tests.support.kafka import wait_until
from tests.support.roles import App, Thread, no_tasks_left
from tests.support.views_partition import Batch, MemoryLog, Owned, Record

ONE, TWO, THREE = (TP("t", number) for number in range(3))


class Worker:
    """An owner whose partitions are recovered while their gate is open, at the offsets of `state`."""

    def __init__(self) -> None:
        self.thread = Thread()
        self.app = App(self.thread)
        self.health = Health()
        self.gates: dict[TP, asyncio.Event] = {}
        self.recovered: list[TP] = []
        self.logs: dict[TP, MemoryLog] = {}
        self.moves = False
        settings = replace(Settings.load({}), session_seconds=1)
        self.role = ViewsRole(settings)
        self.owner = PartitionOwner[ViewsPartition](settings, self.role, self.health, Schemas(settings))
        self.owner.app = cast(Any, self.app)
        self.role._recover = self._recover  # type: ignore[method-assign]
        self.role._topics = cast(Any, SimpleNamespace(have=_there, waiting={}))

    async def _recover(
        self, owner: PartitionOwner[ViewsPartition], tp: TP, progress: RecoveryProgress
    ) -> ViewsPartition:
        gate = self.gates.get(tp)
        while gate is not None and not gate.is_set():
            await asyncio.sleep(0.01)
            if self.moves:
                progress.moved()
        self.recovered.append(tp)
        made = Owned(lambda partition: owner.failed(tp, partition), tp=tp)
        self.logs[tp] = made.log
        return made.partition

    def close(self, *tps: TP) -> None:
        for tp in tps:
            self.gates[tp] = asyncio.Event()

    async def assigned(self, *tps: TP, generation: int = 1) -> Mapping[TP, int]:
        positions = await self.owner.assigned(set(tps), generation)
        self.thread.coordinator_generation = generation
        await self.thread.begin_at(positions)  # as the transport does
        return positions

    async def take(self, tp: TP, first: int, end: int) -> None:
        batches: list[Any] = [Batch(map(Record, range(first, end)))]
        epoch = self.thread.epochs[tp]
        await self.owner.process(Fetched(TopicPartition(*tp), first, end, batches, end, epoch))

    def waits_for(self) -> str | None:
        return self.health.waiting_for

    def next(self, tp: TP) -> int:
        return self.owner.owned[tp].projector.state.next_offset


async def _there(*_: object) -> None:
    """Every topic has every partition."""


@pytest.fixture
async def worker(monkeypatch: pytest.MonkeyPatch) -> Worker:
    monkeypatch.setattr(recoveries, "READY_SECONDS", 0.5)
    monkeypatch.setattr(recoveries, "BEAT_SECONDS", 0.05)
    return Worker()


async def test_those_that_are_ready_are_read_while_others_are_recovered(worker: Worker) -> None:
    worker.close(TWO)
    assert await worker.assigned(ONE, TWO) == {ONE: 0, TWO: 100}, "the other is parked at its end"
    assert set(worker.owner.owned) == {ONE}
    assert worker.waits_for() == "the recovery of t-1"
    await worker.take(ONE, 0, 5)
    await worker.take(TWO, 100, 105)  # is read again once it is recovered
    assert worker.next(ONE) == 5
    worker.gates[TWO].set()
    await wait_until(lambda: TWO in worker.owner.owned, "the other to be recovered")
    await wait_until(lambda: worker.thread.sought[-1] == {TWO: 0}, "it to be read from its checkpoint")
    assert worker.waits_for() is None
    await worker.take(TWO, 0, 7)
    assert (worker.next(ONE), worker.next(TWO)) == (5, 7)
    await worker.owner.drain()
    assert worker.logs[TWO].next_offsets == [7]
    assert worker.app.crashes == []
    await no_tasks_left()


async def test_nothing_is_installed_before_the_seek_that_parks_it(worker: Worker) -> None:
    """Else that seek would leave out all between its checkpoint and its end."""
    worker.close(TWO)
    positions = await worker.owner.assigned({ONE, TWO}, 1)
    worker.gates[TWO].set()
    await wait_until(lambda: TWO in worker.recovered, "the other to be recovered")
    await asyncio.sleep(0.1)  # nothing is to happen
    assert set(worker.owner.owned) == {ONE}
    worker.thread.coordinator_generation = 1
    await worker.thread.begin_at(positions)
    await wait_until(lambda: TWO in worker.owner.owned, "the seek to be followed by its own")
    assert worker.thread.sought == [{ONE: 0, TWO: 100}, {TWO: 0}]
    await worker.take(TWO, 0, 3)
    assert worker.next(TWO) == 3
    await worker.owner.drain()
    await no_tasks_left()


async def test_a_second_rebalance_keeps_what_is_being_recovered_and_lets_go_of_what_is_not_ours(
    worker: Worker,
) -> None:
    worker.close(TWO, THREE)
    await worker.assigned(ONE, TWO, THREE)
    assert await worker.assigned(ONE, TWO, generation=2) == {ONE: 0, TWO: 100}
    assert worker.waits_for() == "the recovery of t-1"
    for gate in worker.gates.values():
        gate.set()
    await wait_until(lambda: TWO in worker.owner.owned, "the kept one to be recovered")
    assert worker.recovered.count(TWO) == 1, "once"
    assert worker.logs[TWO].next_offsets == [0], "another may have had it in between: proved by a transaction"
    assert set(worker.owner.owned) == {ONE, TWO}
    await worker.owner.drain()
    assert worker.app.crashes == []
    await no_tasks_left()


async def test_who_was_fenced_while_it_recovered_recovers_again(worker: Worker) -> None:
    worker.close(TWO)
    await worker.assigned(ONE, TWO)
    positions = await worker.owner.assigned({ONE, TWO}, 2)
    worker.gates[TWO].set()
    await wait_until(lambda: TWO in worker.logs, "the other to be recovered")
    stale = worker.logs[TWO]
    stale.error = ProducerFenced()
    worker.thread.coordinator_generation = 2
    await worker.thread.begin_at(positions)
    await wait_until(lambda: TWO in worker.owner.owned, "it to be recovered again")
    assert worker.recovered.count(TWO) == 2
    assert stale.closed
    assert worker.owner.owned[TWO].failure is None
    await worker.owner.drain()
    assert worker.app.crashes == []
    await no_tasks_left()


async def test_a_drain_waits_for_no_recovery(worker: Worker) -> None:
    worker.close(TWO)
    await worker.assigned(ONE, TWO)
    await worker.take(ONE, 0, 5)
    worker.close(THREE)
    assigning = asyncio.create_task(worker.owner.assigned({ONE, TWO, THREE}, 2))
    await asyncio.sleep(0)
    async with asyncio.timeout(5):
        await worker.owner.drain()
        await assigning
    assert worker.logs[ONE].next_offsets[-1] == 5
    assert worker.app.crashes == []
    await worker.owner.drain()
    await no_tasks_left()


async def test_a_cancelled_assignment_leaves_nothing_running(worker: Worker) -> None:
    worker.close(TWO)
    assigning = asyncio.create_task(worker.owner.assigned({ONE, TWO}, 1))
    await wait_until(lambda: ONE in worker.recovered, "one to be recovered")
    assigning.cancel()
    await asyncio.wait({assigning})
    assert worker.logs[ONE].closed
    await worker.owner.drain()
    await no_tasks_left()


async def test_a_recovery_in_which_nothing_moves_ends_the_process(
    worker: Worker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(recoveries, "STALL_SECONDS", 0.3)
    worker.close(TWO, THREE)
    worker.moves = True
    await worker.assigned(ONE, TWO)
    await asyncio.sleep(0.8)
    assert worker.app.crashes == [], "it is slow, and moves"
    worker.moves = False
    await wait_until(lambda: worker.app.crashes, "the process to end", seconds=10)
    (error,) = worker.app.crashes
    assert isinstance(error, RecoveryStuckError)
    assert "t-1" in str(error)
    await worker.owner.drain()
    await no_tasks_left()


async def test_a_recovery_that_fails_late_ends_the_process(worker: Worker) -> None:
    async def fail(*_: object) -> ViewsPartition:
        await asyncio.sleep(0.8)
        raise ZeroDivisionError

    worker.role._recover = cast(Any, fail)  # type: ignore[method-assign]
    await worker.assigned(ONE)
    await wait_until(lambda: worker.app.crashes, "the process to end")
    await worker.owner.drain()
    await no_tasks_left()


async def test_a_kept_partition_is_proved_and_takes_nothing_from_before_its_seek(worker: Worker) -> None:
    await worker.assigned(ONE)
    await worker.take(ONE, 0, 5)
    await worker.owner.assigned({ONE}, 2)
    assert worker.logs[ONE].next_offsets[-1] == 5
    await worker.take(ONE, 7, 9)  # would be a gap, were it not of the time before
    assert worker.next(ONE) == 5
    await worker.owner.drain()
    await no_tasks_left()


async def test_waiting_behind_another_partitions_checkpoint_is_seen(
    worker: Worker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("streams.roles.owner.BLOCKED_SECONDS", 0.01)
    monkeypatch.setattr("streams.roles.views.partition.PENDING_RECORDS", 3)
    await worker.assigned(ONE, TWO)
    await wait_until(lambda: ONE in worker.logs, "both")
    worker.logs[ONE].gate.clear()
    taking = asyncio.create_task(worker.take(ONE, 0, 9))
    await wait_until(lambda: worker.owner.waits(TWO), "the other to wait", seconds=5)
    assert not worker.owner.waits(ONE)
    worker.logs[ONE].gate.set()
    await taking
    assert not worker.owner.waits(TWO)
    await worker.owner.drain()
    await no_tasks_left()


async def test_a_feed_that_is_recreated_while_records_are_lost_blocks_nobody(
    worker: Worker, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def recreated() -> None:
        raise FeedRecreatedError

    async def deleted(tps: set[TP]) -> Mapping[TP, int]:
        return dict.fromkeys(tps, 50)

    await worker.assigned(ONE)
    monkeypatch.setattr(worker.thread, "beginnings", deleted)
    monkeypatch.setattr(worker.owner.owned[ONE].identity, "check", recreated)
    async with asyncio.timeout(5):
        await worker.take(ONE, 50, 55)
    assert isinstance(worker.owner.owned[ONE].failure, FeedRecreatedError)
    await wait_until(lambda: worker.recovered == [ONE, ONE], "it to be recovered", seconds=10)
    await worker.owner.drain()
    assert worker.app.crashes == []
    await no_tasks_left()


async def test_what_was_fetched_before_it_was_deleted_is_not_lost(
    worker: Worker, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def fold_meanwhile(*_: object) -> None:
        await worker.take(ONE, 0, 20)

    async def deleted(tps: set[TP]) -> Mapping[TP, int]:
        return dict.fromkeys(tps, 50)

    await worker.assigned(ONE)
    partition = worker.owner.owned[ONE]
    monkeypatch.setattr(worker.thread, "beginnings", deleted)
    monkeypatch.setattr(owner_module, "raise_lost", fold_meanwhile)
    monkeypatch.setattr(ViewsPartition, "stalled", True)
    await worker.owner.find_lost()
    assert partition.position == 20
    await worker.take(ONE, 20, 60)
    assert partition.position == 60
    assert partition.projector.state.lost == []
    await worker.owner.drain()
    await no_tasks_left()


async def test_a_heartbeat_may_look_at_a_partition_that_is_being_assigned(worker: Worker) -> None:
    assert worker.owner.waits(ONE)


async def test_a_recovery_without_a_response_ends_the_process(
    worker: Worker, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def stuck(*_: object) -> ViewsPartition:
        raise TimeoutError

    monkeypatch.setattr(recoveries, "STALL_SECONDS", 1.0)
    monkeypatch.setattr(role_module, "RETRY_SECONDS", 0.01)
    worker.role._recover = cast(Any, stuck)  # type: ignore[method-assign]
    await worker.assigned(ONE)
    await wait_until(lambda: worker.app.crashes, "the process to end", seconds=10)
    assert isinstance(worker.app.crashes[0], RecoveryStuckError)
    await worker.owner.drain()
    await no_tasks_left()
