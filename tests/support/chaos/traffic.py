"""A load on the raw topic without end, and a reader that asks the api all the while."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections import Counter, defaultdict
from collections.abc import Callable
from typing import Any

import httpx
from aiokafka import AIOKafkaProducer

from tests.oracle.judge import Good, judge
from tests.support.kafka import Raw
from tests.support.processes import Role
from tests.support.sending import send_all

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
    """Sends what `take(count)` makes, at a rate, until told to stop.

    `counts`: valid records by event, counted before they are sent; `acked`: partition → (epoch seconds, how
    many of its records Kafka had by then).
    """

    def __init__(
        self, producer: AIOKafkaProducer, topic: str, take: Callable[[int], list[Raw]], per_second: int
    ) -> None:
        self.counts: Counter[str] = Counter()
        self.sent = 0
        self.acked: dict[int, list[tuple[float, int]]] = defaultdict(list)
        self._producer, self._topic, self._take, self._per_second = producer, topic, take, per_second
        self._stopping = False
        self._task = asyncio.create_task(self._run())

    async def _run(self) -> None:
        batch = self._per_second // 10
        by_partition: Counter[int] = Counter()
        due = time.monotonic()
        while not self._stopping:
            records = self._take(batch)
            self._count(records)
            await send_all(self._producer, self._topic, records)
            self.sent += len(records)
            by_partition.update(record.partition for record in records)
            for partition, count in by_partition.items():
                self.acked[partition].append((time.time(), count))
            due = max(due + 0.1, time.monotonic() - 1)
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
        """End behind a whole batch, so that what was acknowledged is known; unless Kafka is away."""
        self._stopping = True
        await asyncio.wait([self._task], timeout=10)
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
