"""Two views workers and an api under load, killed, stopped and resumed; the broker restarts: still exact.

The seed is printed; `SLUICE_CHAOS_SEED` sets it. What happens when depends on the machine all the same: each
blow falls after so many more records are in checkpoints, plus a random moment.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import random
import signal
import time
from collections import Counter
from pathlib import Path
from typing import Any

import httpx
import pytest
from aiokafka import AIOKafkaProducer

from streams.bus import topics
from streams.bus.embedded import EmbeddedKafka
from tests.feed import FeedWatcher, exact, source_ends
from tests.kafka import Raw, wait_until
from tests.oracle.judge import Good, judge
from tests.oracle.load import Load, Mix
from tests.processes import Role, Sluice
from tests.sending import send_all, started_producer

EVENTS_PER_SECOND = 1_500
COUNTED = {
    "kpi_funnel": {
        "impressions": "search.impression", "clicks": "search.click", "profile_views": "profile.view",
        "checkouts": "checkout.start", "confirms": "booking.confirmed",
    },
    "kpi_gmv": {"bookings": "booking.confirmed", "cancellations": "booking.cancelled"},
}  # fmt: skip


async def cancelled(task: asyncio.Task[None]) -> None:
    """Cancel a task that runs without end; raises what it failed with, if it has."""
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await task


class Producing:
    """Sends the load at its rate until told to stop. `counts`: valid records by event, counted first."""

    def __init__(self, producer: AIOKafkaProducer, topic: str, load: Load) -> None:
        self.counts: Counter[str] = Counter()
        self.sent = 0
        self._producer, self._topic, self._load = producer, topic, load
        self._task = asyncio.create_task(self._run())

    async def _run(self) -> None:
        batch = EVENTS_PER_SECOND // 10
        due = time.monotonic()
        while True:
            records = self._load.take(batch)
            self._count(records)
            await send_all(self._producer, self._topic, records)
            self.sent += batch
            due = max(due + batch / EVENTS_PER_SECOND, time.monotonic() - 1)
            await asyncio.sleep(max(0.0, due - time.monotonic()))

    def _count(self, records: list[Raw]) -> None:
        for record in records:
            assert record.timestamp_ms is not None
            verdict = judge(record.value, record.timestamp_ms)
            if isinstance(verdict, Good):
                self.counts[verdict.event] += 1

    @property
    def running(self) -> bool:
        return not self._task.done()

    async def stop(self) -> None:
        await cancelled(self._task)


class Watching:
    """Asks the api all the time. Whenever it answers, no total may be above what was sent; and once it is
    ready, no checkpoint may go back, its restarts included."""

    def __init__(self, api: Role, producing: Producing) -> None:
        self.answers = 0
        self.incomplete = 0
        self.wrong: list[str] = []
        self._newest: dict[tuple[str, int], int] = {}
        self._ready_run = 0
        self._api, self._producing = api, producing
        self._task = asyncio.create_task(self._run())

    async def _run(self) -> None:
        async with httpx.AsyncClient(timeout=5) as client:
            while True:
                for view in COUNTED:
                    await self._ask(client, view)
                await asyncio.sleep(0.1)

    async def _ask(self, client: httpx.AsyncClient, view: str) -> None:
        run = self._api.runs
        try:
            if self._ready_run != run:
                ready = await client.get(await self._api.url("/readyz"))
                self._ready_run = run if ready.status_code == 200 else 0
            response = await client.get(await self._api.url(f"/v1/views/{view}"), params={"window": "300d"})
        except (httpx.TransportError, AssertionError):
            return  # killed, or not up again
        if response.status_code != 200 or run != self._api.runs:
            return
        answer = response.json()
        self.answers += 1
        self.incomplete += not answer["complete"]
        for measure, event in COUNTED[view].items():
            total = sum(row[measure] for row in answer["rows"])
            if total > self._producing.counts[event]:
                self.wrong.append(f"{view}: {measure} is {total}, above {self._producing.counts[event]} sent")
        if self._ready_run == run:
            self._positions(answer)

    def _positions(self, answer: dict[str, Any]) -> None:
        for partition in answer["partitions"]:
            source = (partition["topic"], partition["partition"])
            offset = -1 if partition["checkpoint_offset"] is None else partition["checkpoint_offset"]
            if offset < self._newest.get(source, -1):
                self.wrong.append(f"{source}: checkpoint_offset from {self._newest[source]} back to {offset}")
            self._newest[source] = max(offset, self._newest.get(source, -1))

    async def stop(self) -> None:
        await cancelled(self._task)


class Chaos:
    """The blows, drawn from a seed."""

    def __init__(
        self, seed: int, kafka: EmbeddedKafka, sluice: Sluice, feed: FeedWatcher, named: bool
    ) -> None:
        self.kafka, self.sluice, self.feed = kafka, sluice, feed
        self.random = random.Random(seed)
        self.named = named
        # One that writes often and dies in the middle of it, one that has much to lose.
        self.workers = [
            sluice.worker(name, checkpoint_ms=every_ms, **({"instance": name} if named else {}))
            for name, every_ms in (("views-1", 100), ("views-2", 1_000))
        ]
        self.api = sluice.api()
        self.exits: list[str] = []
        self.producing: Producing | None = None
        self._started = time.monotonic()

    def say(self, text: str) -> None:
        told = (
            f"{time.monotonic() - self._started:6.1f} s: {text}; {self.feed.folded()} offsets in checkpoints"
        )
        print(told)  # noqa: T201

    async def progress(self, most: int = 3_000) -> None:
        """Until up to `most` more offsets are in checkpoints, and a moment longer."""
        goal = self.feed.folded() + self.random.randrange(1, most)

        def there() -> bool:
            self.revive()
            return self.feed.folded() >= goal

        await wait_until(there, f"{goal} offsets in checkpoints", seconds=60)
        await asyncio.sleep(self.random.uniform(0, 0.5))  # not a wait: it makes the moment random

    def revive(self) -> None:
        """What a supervisor does: start again what ended by itself. Noted, and judged at the end."""
        assert self.producing is None or self.producing.running, "the load has stopped"
        for role in (*self.workers, self.api):
            if not role.running:
                self.exits.append(f"{role.name} ended with {role.process.returncode}:\n{role.tail(15)}")
                role.start()

    async def kill(self) -> None:
        """Somebody: mostly workers, at times both at once, at times before it has even recovered."""
        victims = [self.random.choice((*self.workers, *self.workers, self.api))]
        if self.random.random() < 0.2:
            victims = list(self.workers)
        for victim in victims:
            victim.kill()
        self.say("killed " + " and ".join(victim.name for victim in victims))
        for victim in victims:
            victim.start()
        if self.random.random() < 0.2 and self.api not in victims:
            await victims[0].says("metrics on")
            victims[0].kill()
            victims[0].start()
            self.say(f"killed {victims[0].name} again as it started")

    async def stop_and_resume(self) -> None:
        """One worker sleeps until the other has its partitions and works on them; then it wakes up."""
        await self.both_own()
        sleeper, other = self.random.sample(self.workers, 2)
        theirs = {source for source, (name, _) in self.feed.owners.items() if self.is_of(sleeper, name)}
        stopped_at_ms = time.time() * 1000
        sleeper.signal(signal.SIGSTOP)
        self.say(f"stopped {sleeper.name}, which had {len(theirs)} partitions")
        before = dict(self.feed.next)

        def taken_over() -> bool:
            assert other.running, other.tail()
            slept_ms = time.time() * 1000 - stopped_at_ms
            return slept_ms > 1000 * self.sluice.settings.session_seconds and all(
                self.is_of(other, self.feed.owners[source][0])
                and self.feed.next[source] > before[source] + 200
                for source in theirs
            )

        await wait_until(taken_over, f"{other.name} to work on {theirs}", seconds=60)
        sleeper.signal(signal.SIGCONT)
        self.say(f"resumed {sleeper.name}")
        await self.both_own()

    async def restart_broker(self) -> None:
        how = self.random.choice((self.kafka.stop, self.kafka.kill))
        await asyncio.to_thread(how)
        self.say(f"broker gone ({how.__name__})")
        await asyncio.to_thread(self.kafka.start)
        self.say("broker back")

    async def both_own(self) -> None:
        """Until both workers have said that they own partitions, each partition one of them."""

        def shared() -> bool:
            self.revive()
            recent = {name for name, at_ms in self.feed.owners.values() if time.time() * 1000 - at_ms < 3_000}
            return all(any(self.is_of(worker, name) for name in recent) for worker in self.workers)

        await wait_until(shared, "both workers to own partitions", seconds=90)

    def is_of(self, worker: Role, name: str) -> bool:
        """Whether a heartbeat's name is that of a worker (host-pid-random where the worker has none)."""
        return name == worker.name if self.named else f"-{worker.process.pid}-" in name


@pytest.mark.parametrize("named", [False, True], ids=["members", "named-members"])
async def test_views_and_quarantine_stay_exact(
    own_kafka: EmbeddedKafka, prefix: str, tmp_path: Path, kills: int, *, named: bool
) -> None:
    seed = int(os.environ.get("SLUICE_CHAOS_SEED") or random.SystemRandom().randrange(1_000_000))
    print(f"SLUICE_CHAOS_SEED={seed}")  # noqa: T201
    load = Load(seed, int(time.time() * 1000) - 96 * 3_600_000, Mix(milliseconds=250, late_hours=5))
    with Sluice(
        tmp_path, own_kafka.bootstrap, prefix, pane_minutes=60, pane_hours=3, dedupe_seconds=600
    ) as sluice:
        await topics.create(sluice.settings)
        producer = await started_producer(
            own_kafka.bootstrap, enable_idempotence=True, request_timeout_ms=120_000, linger_ms=5
        )
        async with FeedWatcher(sluice.settings) as feed, contextlib.AsyncExitStack() as stopped:
            stopped.push_async_callback(producer.stop)
            chaos = Chaos(seed, own_kafka, sluice, feed, named)
            producing = chaos.producing = Producing(producer, sluice.settings.raw_topics[0], load)
            stopped.push_async_callback(producing.stop)
            watching = Watching(chaos.api, producing)
            stopped.push_async_callback(watching.stop)
            await blows(chaos, kills)
            chaos.producing = None
            await producing.stop()
            chaos.say(f"{producing.sent} records sent; waiting for the end")
            await feed.caught_up(seconds=90)
            chaos.revive()
            await watching.stop()
            chaos.say(f"{watching.answers} answers, {watching.incomplete} of them incomplete")
            oracle = await exact(sluice, chaos.api)
            chaos.say(f"exact: {oracle.counts()} of {sum((await source_ends(sluice.settings)).values())}")
    assert not watching.wrong, watching.wrong[:20]
    assert watching.answers > 50
    assert not feed.wrong, feed.wrong
    assert not chaos.exits, "ended by themselves:\n" + "\n".join(chaos.exits)


async def blows(chaos: Chaos, kills: int) -> None:
    """So many kills; among them, at random places, one worker stopped and resumed, and a broker restart."""
    plan = [chaos.kill] * kills
    plan.insert(chaos.random.randint(1, kills), chaos.stop_and_resume)
    plan.insert(chaos.random.randint(1, kills), chaos.restart_broker)
    await chaos.both_own()
    for blow in plan:
        await chaos.progress()
        await blow()
    await chaos.progress()
