"""How a bronze worker begins, keeps and lets go of partitions, also while the store stands still."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest
from aiokafka import TopicPartition
from faust.types import TP

from agents.bronze.commit import Committer, OvertakenError
from streams.health import Health
from streams.kafka.batches import Fetched
from streams.kafka.fingerprint_check import Found
from streams.kafka.topic_ids import Sight
from streams.roles import recoveries
from streams.roles.bronze import owner, resume
from streams.roles.bronze.owner import BronzeOwner
from streams.settings import Settings
from streams.store.bronze_reader import BronzeReader
from streams.store.bronze_verify import verify
from tests.support.bronze import MemoryStore, Record, built, nothing
from tests.support.kafka import wait_until
from tests.unit.agents.bronze.test_range import AT_MS, FORMER, click

ONE, TWO = TP("events.raw", 0), TP("events.raw", 1)


class GatedStore(MemoryStore):
    """Stands still while `gate` is closed."""

    def __init__(self) -> None:
        super().__init__()
        self.gate = asyncio.Event()
        self.gate.set()

    async def _begin(self, operation: str, path: str) -> None:
        await self.gate.wait()
        await super()._begin(operation, path)


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

    async def look(self, tps: set[TP]) -> Mapping[TP, Sight]:
        return dict.fromkeys(tps, Sight("id", 0, 1, 2))

    async def compare(self, *_: object) -> Found:
        return Found.SAME

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


class Worker:
    """An owner with all that is around it; `more` are settings."""

    def __init__(self, **more: Any) -> None:
        self.store, self.thread = GatedStore(), Thread()
        self.app = App(self.thread)
        self.health = Health()
        settings = replace(Settings.load({}), session_seconds=1, bronze_max_seconds=3600, **more)
        self.owner = BronzeOwner(settings, self.store, self.health)
        self.owner.app = self.app  # type: ignore[assignment]

    async def assigned(self, *tps: TP, generation: int = 1) -> Mapping[TP, int]:
        positions = await self.owner.assigned(set(tps), generation)
        await self.thread.begin_at(positions)  # as the transport does
        return positions

    async def take(self, tp: TP, first: int, end: int) -> None:
        records: Any = [[Record(offset, AT_MS, click(offset)) for offset in range(first, end)]]
        epoch = self.thread.epochs[tp]
        await self.owner.take(Fetched(TopicPartition(*tp), first, end, records, end, epoch))

    async def nexts(self) -> dict[int, int]:
        return {partition: commit.next async for _, partition, commit in BronzeReader(self.store).commits()}


async def _no_hint(*_: object) -> None:
    return None


@pytest.fixture
async def worker(monkeypatch: pytest.MonkeyPatch) -> Worker:
    monkeypatch.setattr(resume, "hint_of", _no_hint)
    monkeypatch.setattr(recoveries, "READY_SECONDS", 0.1)
    monkeypatch.setattr(owner, "PAUSE_SECONDS", 0.01)
    monkeypatch.setattr(resume, "PAUSE_SECONDS", 0.01)
    return Worker()


async def no_tasks_left() -> None:
    """Nobody else works any more."""
    await wait_until(lambda: asyncio.all_tasks() == {asyncio.current_task()}, "tasks to end", seconds=5)


async def test_a_store_that_stands_still_parks_partitions_until_it_answers(worker: Worker) -> None:
    worker.store.gate.clear()
    worker.thread.away = 2  # Kafka, too, for a moment
    assert await worker.assigned(ONE, TWO) == {ONE: 100, TWO: 100}
    assert set(worker.owner.waiting_since_ms) == {ONE, TWO}
    assert worker.health.waiting_for is not None
    assert await worker.assigned(ONE, generation=2) == {ONE: 100}, "parked again, the other is let go of"
    worker.store.gate.set()
    await wait_until(lambda: ONE in worker.owner.owned, "the partition to begin")
    await wait_until(lambda: worker.thread.sought[-1] == {ONE: 0}, "it to be read from its beginning")
    assert not worker.health.waiting_for
    assert worker.owner.waiting_since_ms == {}
    await worker.take(ONE, 0, 5)
    await worker.owner.drain()
    assert await worker.nexts() == {0: 5}
    await no_tasks_left()


async def test_nothing_begins_before_the_seek_that_parks_it(worker: Worker) -> None:
    """Else that seek would leave out all between its commit and its end."""
    worker.store.gate.clear()
    positions = await worker.owner.assigned({ONE}, 1)
    worker.store.gate.set()
    await asyncio.sleep(0.3)  # nothing is to happen
    assert worker.owner.owned == {}
    await worker.thread.begin_at(positions)
    await wait_until(lambda: ONE in worker.owner.owned, "the partition to begin")
    await wait_until(lambda: worker.thread.sought == [{ONE: 100}, {ONE: 0}], "its own seek to follow")
    await worker.take(ONE, 0, 5)
    await worker.owner.drain()
    assert await worker.nexts() == {0: 5}
    await no_tasks_left()


async def test_a_drain_in_the_middle_of_an_assignment_does_not_wait_for_the_store(
    worker: Worker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(recoveries, "READY_SECONDS", 60.0)
    await worker.assigned(ONE)
    await worker.take(ONE, 0, 5)
    held = asyncio.Event()
    stand_still = asyncio.Event()
    real_list = worker.store.list

    async def list_slowly(prefix: str, after: str = "") -> Any:
        if "/1/" in prefix:
            held.set()
            await stand_still.wait()
        async for listed in real_list(prefix, after):
            yield listed

    monkeypatch.setattr(worker.store, "list", list_slowly)
    assigning = asyncio.create_task(worker.assigned(ONE, TWO, generation=2))
    await held.wait()
    async with asyncio.timeout(5):
        await worker.owner.drain()
        await assigning
    assert await worker.nexts() == {0: 5}, "the range of the kept partition is written all the same"
    assert worker.owner.owned == {}
    assert worker.app.crashes == []
    await no_tasks_left()


async def test_a_cancelled_assignment_leaves_nothing_running(worker: Worker) -> None:
    worker.store.gate.clear()
    assigning = asyncio.create_task(worker.assigned(ONE, TWO))
    await asyncio.sleep(0)
    assigning.cancel()
    await asyncio.wait({assigning})
    await worker.owner.drain()
    await no_tasks_left()


async def test_a_kept_partition_takes_nothing_that_was_fetched_before_its_seek(worker: Worker) -> None:
    await worker.assigned(ONE)
    await worker.take(ONE, 0, 5)
    await worker.owner.assigned({ONE}, 2)
    await worker.take(ONE, 7, 9)  # would be a gap, were it not of the time before
    assert worker.owner.owned[ONE].position == 5
    await worker.owner.drain()
    assert await worker.nexts() == {0: 5}


async def test_who_was_overtaken_begins_again_only_in_its_own_generation(worker: Worker) -> None:
    await worker.assigned(ONE, TWO)
    worker.thread.coordinator_generation = 2  # a rebalance that it has not heard of yet
    for tp in (ONE, TWO):
        partition = worker.owner.owned[tp]
        partition.failed = True
        worker.owner._ended(partition, OvertakenError())
    reads = len(worker.store.listed_after)
    await asyncio.sleep(0.6)  # longer than the two heartbeats, 0.4 s: nothing is to happen
    assert len(worker.store.listed_after) == reads
    await worker.assigned(ONE, generation=2)  # one was given to somebody else
    await wait_until(lambda: ONE in worker.owner.owned, "the kept one to begin again")
    assert not worker.owner.owned[ONE].failed
    assert set(worker.owner.owned) == {ONE}
    assert worker.owner.waiting_since_ms == {}
    await worker.take(ONE, 0, 5)
    await worker.owner.drain()
    assert worker.app.crashes == []
    await no_tasks_left()


async def test_a_store_that_stands_still_blocks_reading_and_is_told_from_a_stuck_consumer(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(resume, "hint_of", _no_hint)
    monkeypatch.setattr(owner, "BLOCKED_SECONDS", 0.05)
    worker = Worker(bronze_max_bytes=1)
    await worker.assigned(ONE, TWO)
    worker.store.gate.clear()
    taking = asyncio.create_task(worker.take(ONE, 0, 5))
    await wait_until(lambda: worker.owner.blocked, "reading to wait for the store")
    assert not worker.owner.owned[TWO].waits_for_store
    worker.store.gate.set()
    await taking
    assert not worker.owner.blocked
    await worker.owner.drain()
    assert await worker.nexts() == {0: 5}


async def test_a_range_that_was_begun_in_another_layout_is_finished_in_it(worker: Worker) -> None:
    def die(operation: str, path: str) -> None:
        if operation == "create" and path.startswith("event="):
            raise asyncio.CancelledError

    worker.store.before = die
    begun = built([Record(offset, AT_MS, click(offset)) for offset in range(5)], layout=FORMER)
    with pytest.raises(asyncio.CancelledError):
        await Committer(worker.store, "events.raw", 0, "dead", lambda *_: None).commit(begun)
    worker.store.before = nothing
    await worker.assigned(ONE)
    await worker.take(ONE, 0, 8)
    await worker.owner.drain()
    assert await worker.nexts() == {0: 8}
    name = "events.raw+0+{:020d}-{:020d}.ndjson.gz"
    assert [path for path in sorted(worker.store.files) if path.startswith("event=")] == [
        f"event=search.click/dt=2026-03-01/city=__none__/{name.format(0, 4)}",
        f"event=search.click/dt=2026-03-01/{name.format(5, 7)}",
    ]
    assert (await verify(worker.store)).problems == []
    await no_tasks_left()
