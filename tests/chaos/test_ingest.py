"""Ingest is killed again and again, and the broker once: whatever was answered with 2xx is in Kafka."""

from __future__ import annotations

import asyncio
import itertools
import json
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from streams.embedded.broker import EmbeddedKafka
from tests.support.ingest import declined, ids_of, started_ingest
from tests.support.kafka import create_topics, read_all, wait_until
from tests.support.processes import Role, Sluice

CLIENTS = 6
AGAIN = (408, 503)
"""Answers that ask to send it again; the first one to a client that stood still."""
BETWEEN = 60
"""So many acknowledgements are waited for between two kills."""


class Posting:
    """Clients that send events, again until they are answered with 200; and what was."""

    def __init__(self, port: int) -> None:
        self.acknowledged: list[str] = []
        self.refused: list[int] = []
        self.again = 0
        self.stopped = False
        self._url = f"http://127.0.0.1:{port}/v1/events"

    async def run(self, name: int) -> None:
        numbers = itertools.count()
        async with httpx.AsyncClient(timeout=20) as client:
            while not self.stopped:
                count = 1 + next(numbers) % 5
                await self._send(client, [f"c{name}-{next(numbers)}" for _ in range(count)])

    async def _send(self, client: httpx.AsyncClient, ids: list[str]) -> None:
        body = json.dumps([declined(one, f"b-{one}") for one in ids])
        while not self.stopped:
            try:
                answer = await client.post(
                    self._url, content=body, headers={"content-type": "application/json"}
                )
            except httpx.TransportError:
                answer = None
            if answer is not None and answer.status_code == 200:
                self.acknowledged += ids
                return
            if answer is not None and answer.status_code not in AGAIN:
                self.refused.append(answer.status_code)
            self.again += 1
            await asyncio.sleep(0.02)  # as a client that backs off


@pytest.fixture
def sluice(own_kafka: EmbeddedKafka, prefix: str, tmp_path: Path) -> Iterator[Sluice]:
    with Sluice(tmp_path, own_kafka.bootstrap, prefix, partitions=4) as running:
        yield running


async def more(posting: Posting, ingest: Role) -> None:
    wanted = len(posting.acknowledged) + BETWEEN
    await wait_until(
        lambda: len(posting.acknowledged) >= wanted, f"more answers:\n{ingest.tail()}", seconds=90
    )


async def test_nothing_that_was_acknowledged_is_lost(
    own_kafka: EmbeddedKafka, sluice: Sluice, kills: int
) -> None:
    await create_topics(own_kafka.bootstrap, sluice.raw_topic, partitions=4)
    ingest = started_ingest(sluice)
    await ingest.ready()
    port = int((await ingest.url("")).rpartition(":")[2])
    ingest.kill()
    ingest = sluice.role("fixed", "ingest", "http", ingest_port=port)
    ingest.start()
    posting = Posting(port)
    clients = [asyncio.create_task(posting.run(name)) for name in range(CLIENTS)]
    for number in range(kills):
        await more(posting, ingest)
        if number == kills // 2:
            own_kafka.stop()
            own_kafka.start()
            await more(posting, ingest)
        ingest.kill()
        ingest.start()
    await more(posting, ingest)
    posting.stopped = True
    await asyncio.gather(*clients)

    assert posting.refused == []
    assert posting.again > 0, "no kill was felt"
    found = ids_of(record.value for record in await read_all(own_kafka.bootstrap, sluice.raw_topic))
    assert len(posting.acknowledged) > BETWEEN * kills
    assert set(posting.acknowledged) - set(found) == set()
