"""A partition has a position from the moment it is first seen: what is deleted behind that unread is lost."""

from __future__ import annotations

import asyncio
import json
import signal
from collections.abc import Awaitable, Callable

import pytest

from streams.faust.transport import FETCH_MAX_WAIT_MS
from streams.kafka import topics
from streams.store.bronze_verify import verify
from tests.support.events import clicks
from tests.support.feed import feed_reader
from tests.support.kafka import create_topics, produce, read_all, wait_until
from tests.support.processes import Role, Sluice
from tests.support.recreate import delete_records, grow
from tests.support.repeats import repeats

Lost = dict[int, list[tuple[int, int]]]
"""Partition → offsets [from, to) that were lost."""


async def views_lost(sluice: Sluice) -> Lost:
    reader = await feed_reader(sluice.settings)
    return {of: [*checkpoint.lost] for (_, of), checkpoint in reader.checkpoints.items() if checkpoint.lost}


async def bronze_lost(sluice: Sluice) -> Lost:
    found: Lost = {}
    for _, partition, *span in (await verify(sluice.store)).lost:
        found.setdefault(partition, []).append((span[0], span[1]))
    return found


async def views_seen(sluice: Sluice) -> set[int]:
    return {partition for _, partition in (await feed_reader(sluice.settings)).checkpoints}


async def bronze_seen(sluice: Sluice) -> set[int]:
    names = [listed.path async for listed in sluice.store.list("_intents/")]
    return {int(name.split("/")[-1].split(".")[0]) for name in names if name.endswith(".position.json")}


LOST: dict[str, Callable[[Sluice], Awaitable[Lost]]] = {"views": views_lost, "bronze": bronze_lost}
SEEN: dict[str, Callable[[Sluice], Awaitable[set[int]]]] = {"views": views_seen, "bronze": bronze_seen}


async def seen(sluice: Sluice, role: str, *partitions: int) -> None:
    async def there() -> bool:
        return await SEEN[role](sluice) == set(partitions)

    await wait_until(there, f"{role} to have seen partitions {partitions}", seconds=60)


async def tells(sluice: Sluice, role: str, lost: Lost) -> None:
    """The loss is recorded, once, and told by an alarm."""

    async def recorded() -> bool:
        return await LOST[role](sluice) == lost

    await wait_until(recorded, f"{role} to have lost {lost}", seconds=60)
    alarms = await read_all(sluice.settings.kafka[0], sluice.settings.topic("ops.alarms"))
    told = {json.loads(alarm.value or b"{}")["alarm_id"] for alarm in alarms}
    topic = sluice.raw_topic
    assert told == {f"lost/{role}/{topic}/{of}/{first}" for of, spans in lost.items() for first, _ in spans}


@pytest.mark.parametrize("role", repeats("views", "bronze"))
async def test_what_is_deleted_unread_of_a_partition_that_was_seen_empty(sluice: Sluice, role: str) -> None:
    bootstrap, topic = sluice.settings.kafka[0], sluice.raw_topic
    await topics.create(sluice.settings)
    worker, api = sluice.started(role, "worker", role), sluice.role("api", "api")
    await seen(sluice, role, 0)
    if role == "views":
        api.start()
        await api.ready()
        assert (await api.get("/v1/views/kpi_funnel")).json()["partitions"][0]["checkpoint_offset"] == 0
    worker.kill()
    await produce(bootstrap, topic, clicks(100))
    await delete_records(bootstrap, topic, 100)
    worker.start()
    await tells(sluice, role, {0: [(0, 100)]})
    if role == "views":
        await produce(bootstrap, topic, clicks(10))
        await wait_until(lambda: _current(api), "the api to have read on")
        assert not (await api.get("/v1/views/kpi_funnel")).json()["complete"]


@pytest.mark.parametrize("role", repeats("bronze", "views"))
async def test_what_is_deleted_unread_while_a_worker_stands_still(sluice: Sluice, role: str) -> None:
    bootstrap, topic = sluice.settings.kafka[0], sluice.raw_topic
    await topics.create(sluice.settings)
    worker = sluice.started(role, "worker", role)
    await seen(sluice, role, 0)
    worker.signal(signal.SIGSTOP)
    # The broker answers the fetch that is under way with what comes until then; nothing tells of its end.
    await asyncio.sleep(10 * FETCH_MAX_WAIT_MS / 1000)
    await produce(bootstrap, topic, clicks(100))
    await delete_records(bootstrap, topic, 100)
    worker.signal(signal.SIGCONT)
    await tells(sluice, role, {0: [(0, 100)]})


@pytest.mark.parametrize("role", ["views", "bronze"])
async def test_what_was_deleted_before_the_first_start_is_not_missed(sluice: Sluice, role: str) -> None:
    bootstrap, topic = sluice.settings.kafka[0], sluice.raw_topic
    await create_topics(bootstrap, topic, partitions=3)
    await topics.create(sluice.settings)
    for partition in range(2):
        await produce(bootstrap, topic, clicks(100, partition=partition))
        await delete_records(bootstrap, topic, 50 + 50 * partition, partition)
    worker = sluice.started(role, "worker", role)
    await seen(sluice, role, 0, 1, 2)
    await produce(bootstrap, topic, clicks(60, partition=1))
    await delete_records(bootstrap, topic, 130, 1)
    assert await worker.terminate() == 0
    lost = await LOST[role](sluice)
    assert all(first >= 100 for spans in lost.values() for first, _ in spans)


@pytest.mark.parametrize("running", repeats(True, False))
@pytest.mark.parametrize("role", ["views", "bronze"])
async def test_what_is_deleted_unread_of_a_new_partition(sluice: Sluice, role: str, *, running: bool) -> None:
    bootstrap, topic = sluice.settings.kafka[0], sluice.raw_topic
    await topics.create(sluice.settings)
    worker = sluice.started(role, "worker", role)
    await seen(sluice, role, 0)
    if running:  # it looks for new partitions every 30 s, and this is to come between
        worker.signal(signal.SIGSTOP)
    else:
        assert await worker.terminate() == 0
    own = [sluice.settings.topic(name) for name in ("views.feed", "events.quarantine")]
    await grow(bootstrap, 2, *own, topic)
    await produce(bootstrap, topic, clicks(40, partition=1))
    await delete_records(bootstrap, topic, 40, 1)
    if running:
        worker.signal(signal.SIGCONT)
    else:
        worker.start()
    await tells(sluice, role, {1: [(0, 40)]})


async def _current(api: Role) -> bool:
    """Whether the api's answers rest on all that there is."""
    (partition,) = (await api.get("/v1/views/kpi_funnel")).json()["partitions"]
    return bool(partition["checkpoint_offset"] == 110 and partition["lag_records"] == 0)
