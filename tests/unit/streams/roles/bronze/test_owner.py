"""How a bronze worker begins, keeps and lets go of partitions, also while the store stands still."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from agents.bronze.commit import Committer
from agents.sink import OvertakenError
from streams.roles import owner, recoveries
from streams.store.bronze_verify import verify
from tests.support.bronze import FORMER, Record, built, nothing
from tests.support.bronze_owner import ONE, TWO, Worker
from tests.support.events import AT_MS, click
from tests.support.kafka import wait_until
from tests.support.roles import no_tasks_left


async def test_a_store_that_stands_still_parks_partitions_until_it_answers(worker: Worker) -> None:
    worker.store.gate.clear()
    worker.thread.away = 2  # Kafka, too, for a moment
    assert await worker.assigned(ONE, TWO) == {ONE: 100, TWO: 100}
    assert set(worker.owner.recovering_since_ms) == {ONE, TWO}
    assert worker.health.waiting_for is not None
    assert await worker.assigned(ONE, generation=2) == {ONE: 100}, "parked again, the other is let go of"
    worker.store.gate.set()
    await wait_until(lambda: ONE in worker.owner.owned, "the partition to begin")
    await wait_until(lambda: worker.thread.sought[-1] == {ONE: 0}, "it to be read from its beginning")
    assert not worker.health.waiting_for
    assert worker.owner.recovering_since_ms == {}
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
        partition.failure = OvertakenError()
        worker.owner.failed(tp, partition)
    reads = len(worker.store.listed_after)
    await asyncio.sleep(0.6)  # longer than the two heartbeats, 0.4 s: nothing is to happen
    assert len(worker.store.listed_after) == reads
    await worker.assigned(ONE, generation=2)  # one was given to somebody else
    await wait_until(lambda: ONE in worker.owner.owned, "the kept one to begin again")
    assert worker.owner.owned[ONE].failure is None
    assert set(worker.owner.owned) == {ONE}
    assert worker.owner.recovering_since_ms == {}
    await worker.take(ONE, 0, 5)
    await worker.owner.drain()
    assert worker.app.crashes == []
    await no_tasks_left()


async def test_a_store_that_stands_still_blocks_reading_and_is_told_from_a_stuck_consumer(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(owner, "BLOCKED_SECONDS", 0.05)
    worker = Worker(bronze_max_bytes=1)
    await worker.assigned(ONE, TWO)
    worker.store.gate.clear()
    taking = asyncio.create_task(worker.take(ONE, 0, 5))
    await wait_until(lambda: worker.owner.waits(TWO), "reading to wait for the store")
    assert not worker.owner.owned[TWO].waits
    worker.store.gate.set()
    await taking
    assert not worker.owner.waits(TWO)
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
