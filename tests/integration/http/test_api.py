"""The api on a real Kafka: following the feed, and the process around it."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Iterable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest
from aiokafka import AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient

from streams.embedded.broker import EmbeddedKafka
from streams.feed import follower
from streams.feed.follower import Follower
from streams.feed.replica import Replica
from streams.http.app import create_app
from streams.kafka.batches import fetch_batches
from streams.settings import Settings
from tables.codec import Assigned, Heartbeat, encode_heartbeat
from tables.keys import heartbeat_key
from tables.read.state import FeedItem
from tables.views import VIEWS
from tests.support.feed_records import checkpoint, entity, partial
from tests.support.kafka import create_topics, wait_until
from tests.support.programs import ended
from tests.support.recreate import grow, recreate

GMV, PAYOUTS = VIEWS["kpi_gmv"], VIEWS["ops_payout_backlog"]
MINUTE = int(time.time()) // 60 - 10


class Feed:
    """A worker's hand on the feed, with topics of the test's own."""

    def __init__(self, bootstrap: str, prefix: str) -> None:
        self.bootstrap = bootstrap
        self.raw = f"{prefix}events.raw"
        self.name = f"{prefix}views.feed"
        self.prefix = prefix

    @property
    def environment(self) -> dict[str, str]:
        return {
            "SLUICE_KAFKA": self.bootstrap,
            "SLUICE_PREFIX": self.prefix,
            "SLUICE_RAW_TOPICS": self.raw,
            "SLUICE_HTTP_PORT": "0",
            "SLUICE_STREAM_SECONDS": "0.1",
        }

    async def create(self, partitions: int = 1) -> None:
        await create_topics(self.bootstrap, self.raw, partitions=partitions)
        await create_topics(self.bootstrap, self.name, partitions=partitions, cleanup_policy="compact")

    async def write(self, records: Iterable[FeedItem], partition: int = 0, *, abort: bool = False) -> None:
        producer = AIOKafkaProducer(
            bootstrap_servers=self.bootstrap, transactional_id=f"{self.prefix}{partition}"
        )
        await producer.start()
        try:
            await producer.begin_transaction()
            for key, value, _ in records:
                await producer.send_and_wait(self.name, value, key, partition)
            await (producer.abort_transaction() if abort else producer.commit_transaction())
        finally:
            await producer.stop()

    async def beat(self, *offsets: int, at: float | None = None) -> None:
        """A heartbeat: the worker has read every partition up to its offset, which is its end."""
        at_ms = int((time.time() if at is None else at) * 1000)
        partitions = [
            Assigned(self.raw, number, offset, offset, None) for number, offset in enumerate(offsets)
        ]
        value = encode_heartbeat(Heartbeat(worker="w1", at=at_ms, partitions=partitions))
        producer = AIOKafkaProducer(bootstrap_servers=self.bootstrap)
        await producer.start()
        try:
            await producer.send_and_wait(self.name, value, heartbeat_key("w1"), 0, timestamp_ms=at_ms)
        finally:
            await producer.stop()

    def booked(self, bookings: int, next_: int) -> list[FeedItem]:
        groups = [(("london", "GBP"), (bookings, 2**53 - 1, 0, 0, 0))]
        return [partial(GMV, "m", MINUTE, groups, topic=self.raw), self.checkpoint(next_)]

    def checkpoint(self, next_: int) -> FeedItem:
        return checkpoint(next_, MINUTE * 60.0 + 30, topic=self.raw)


@pytest.fixture
def feed(kafka: EmbeddedKafka, prefix: str) -> Feed:
    return Feed(kafka.bootstrap, prefix)


@pytest.fixture(autouse=True)
def often(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(follower, "LOOK_SECONDS", 0.2)


class Api:
    """The api in this process, without a socket."""

    def __init__(self, replica: Replica, client: httpx.AsyncClient) -> None:
        self.replica = replica
        self.client = client

    async def get(self, path: str, **parameters: str) -> Any:
        return (await self.client.get(path, params=parameters)).json()

    async def gmv(self) -> list[tuple[int, int]]:
        answer = await self.get("/v1/views/kpi_gmv")
        return [(row["bookings"], row["gmv_minor"]) for row in answer["rows"]]

    async def complete(self) -> bool:
        return bool((await self.get("/v1/views/kpi_gmv"))["complete"])


@contextlib.asynccontextmanager
async def following(feed: Feed) -> AsyncIterator[Api]:
    settings = Settings.load(feed.environment)
    replica = Replica(VIEWS, settings)
    task = asyncio.create_task(Follower(replica, settings).run())
    transport = httpx.ASGITransport(create_app(replica))
    try:
        async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1") as client:
            yield Api(replica, client)
    finally:
        replica.end()
        await task
        replica.close()


async def test_the_feed_is_read_from_its_beginning_and_followed(feed: Feed) -> None:
    await feed.create(partitions=2)
    await feed.write(feed.booked(1, 5))
    await feed.write(feed.booked(9, 6), abort=True)
    await feed.write(feed.booked(4, 7)[:1])  # no checkpoint yet
    members = [True, 10**15, 0, "e", "paris", "EUR", 5, None, "p1"]
    await feed.write([entity(PAYOUTS, "po:1", members, feed.raw), feed.checkpoint(3)], partition=1)
    await feed.beat(5, 3)
    async with following(feed) as api:
        await wait_until(lambda: api.replica.ready)
        assert await api.gmv() == [(1, 2**53 - 1)]
        answer = await api.get("/v1/views/ops_payout_backlog/entities", state="open")
        assert [row["payout_id"] for row in answer["rows"]] == ["po:1"]
        assert answer["complete"] is True
        assert [(p["partition"], p["checkpoint_offset"], p["lag_records"]) for p in answer["partitions"]] == [
            (0, 5, 0),
            (1, 3, 0),
        ]
        await feed.write([feed.checkpoint(7)])
        await wait_until(lambda: _is(api.gmv(), [(4, 2**53 - 1)]), "what was waiting for it")


async def _is(asked: Any, expected: Any) -> bool:
    return bool(await asked == expected)


async def test_old_heartbeats_are_no_sign_of_life(feed: Feed) -> None:
    await feed.create()
    await feed.write(feed.booked(1, 5))
    await feed.beat(5, at=time.time() - 60)
    async with following(feed) as api:
        await wait_until(lambda: api.replica.ready)
        answer = await api.get("/v1/views/kpi_gmv")
        assert answer["complete"] is False
        assert 60 <= answer["freshness_seconds"] < 90
        await feed.beat(5)
        await wait_until(api.complete, "a heartbeat")


async def test_topics_may_come_later(feed: Feed) -> None:
    async with following(feed) as api:
        await wait_until(lambda: "sluice topics create" in str(api.replica.waiting_for))
        problem = await api.get("/readyz")
        assert problem["status"] == 503
        assert feed.name in problem["detail"]
        await feed.create()
        await wait_until(lambda: api.replica.ready, "an empty feed to be read")
        assert not await api.complete()
        await feed.beat(0)
        await wait_until(api.complete, "a heartbeat")
        await feed.write(feed.booked(2, 5))
        await wait_until(lambda: _is(api.gmv(), [(2, 2**53 - 1)]), "a checkpoint")


async def test_new_partitions_are_followed_and_old_ones_go_on(feed: Feed) -> None:
    await feed.create()
    await feed.write(feed.booked(1, 5))
    await feed.beat(5)
    async with following(feed) as api:
        await wait_until(api.complete)
        await grow(feed.bootstrap, 3, feed.name, feed.raw)
        await wait_until(lambda: api.replica.topics == {feed.raw: 3}, "the new raw partitions")
        assert not await api.complete()
        await feed.write(feed.booked(10, 5), partition=2)
        await wait_until(lambda: _is(api.gmv(), [(11, 2 * (2**53 - 1))]), "a new partition's records")
        await feed.write(feed.booked(2, 6))
        await feed.beat(6, 0, 5)
        await wait_until(lambda: _is(api.gmv(), [(12, 2 * (2**53 - 1))]), "an old partition's records")
        await wait_until(api.complete)


async def test_a_feed_that_was_recreated_is_read_anew(feed: Feed) -> None:
    await feed.create()
    await feed.write(feed.booked(1, 5))
    async with following(feed) as api:
        await wait_until(lambda: _is(api.gmv(), [(1, 2**53 - 1)]))
        admin = AIOKafkaAdminClient(bootstrap_servers=feed.bootstrap)
        await admin.start()
        try:
            await admin.delete_topics([feed.name])
            await wait_until(lambda: not api.replica.ready, "the topic to be missed")
            assert await api.gmv() == []
            await create_topics(feed.bootstrap, feed.name, cleanup_policy="compact")
        finally:
            await admin.close()
        await feed.write(feed.booked(3, 2))
        await wait_until(lambda: _is(api.gmv(), [(3, 2**53 - 1)]), "the new feed")
        await wait_until(lambda: api.replica.ready)


async def test_a_feed_that_was_recreated_and_filled_between_two_looks_is_read_anew(
    feed: Feed, monkeypatch: pytest.MonkeyPatch
) -> None:
    await feed.create()
    members = [True, 10**15, 0, "e", "paris", "EUR", 5, None, "p1"]
    await feed.write([entity(PAYOUTS, "po:1", members, feed.raw), *feed.booked(1, 5)])
    monkeypatch.setattr(follower, "LOOK_SECONDS", 5.0)
    gate, waiting, fetch = asyncio.Event(), asyncio.Event(), fetch_batches
    gate.set()
    consumers: list[Any] = []

    async def gated(consumer: Any, timeout_s: float) -> Any:
        consumers.append(consumer)
        if not gate.is_set():
            waiting.set()
            await gate.wait()
        return await fetch(consumer, timeout_s)

    monkeypatch.setattr(follower, "fetch_batches", gated)
    async with following(feed) as api:
        await wait_until(lambda: _is(api.gmv(), [(1, 2**53 - 1)]))
        gate.clear()
        await waiting.wait()
        await feed.write(feed.booked(2, 6))  # while this waits to be taken, nothing more is fetched
        await wait_until(lambda: consumers[-1]._fetcher._records, "a record to be fetched")
        await recreate(feed.bootstrap, feed.name, cleanup_policy="compact")
        for number in range(10):  # past where the old one was read to
            await feed.write(feed.booked(3 + number, 10 + number))
        gate.set()
        await wait_until(lambda: _is(api.gmv(), [(12, 2**53 - 1)]), "the new feed")

        async def without_the_old() -> bool:
            answer = await api.get("/v1/views/ops_payout_backlog/entities", state="open")
            return bool(answer["rows"] == [])

        await wait_until(without_the_old, "what is in the old feed alone to be gone")
        await wait_until(lambda: api.replica.ready)


async def test_answers_go_on_without_kafka_and_catch_up(own_kafka: EmbeddedKafka, prefix: str) -> None:
    feed = Feed(own_kafka.bootstrap, prefix)
    await feed.create()
    await feed.write(feed.booked(1, 5))
    await feed.beat(5)
    async with following(feed) as api:
        await wait_until(api.complete)
        await asyncio.to_thread(own_kafka.stop)
        assert await api.gmv() == [(1, 2**53 - 1)]
        await wait_until(lambda: _is(api.complete(), False), "its age to tell")
        assert (await api.client.get("/readyz")).status_code == 200
        await asyncio.to_thread(own_kafka.start)
        await feed.write(feed.booked(2, 6))
        await feed.beat(6)
        await wait_until(lambda: _is(api.gmv(), [(2, 2**53 - 1)]), "what came meanwhile")
        await wait_until(api.complete)


async def test_kafka_away_at_the_start_is_waited_for(prefix: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as nobody:
        nowhere = f"127.0.0.1:{nobody.getsockname()[1]}"
    async with following(Feed(nowhere, prefix)) as api:
        await wait_until(lambda: nowhere in str(api.replica.waiting_for))
        assert (await api.client.get("/readyz")).status_code == 503
        assert (await api.client.get("/healthz")).status_code == 200


# --- the process --------------------------------------------------------------------------------------------

SERVE = "from streams.http.server import serve; from streams.settings import Settings; serve(Settings.load())"


@contextlib.contextmanager
def process(environment: dict[str, str]) -> Iterator[subprocess.Popen[str]]:
    program = subprocess.Popen(
        [sys.executable, "-c", SERVE],
        env={**os.environ, **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        yield program
    finally:
        ended(program)


def url_of(started: subprocess.Popen[str]) -> str:
    assert started.stdout is not None
    line = started.stdout.readline()
    found = re.search(r"http://\S+", line)
    assert found, line
    return found[0]


async def test_sigterm_ends_it_while_a_stream_is_open(feed: Feed) -> None:
    await feed.create()
    await feed.write(feed.booked(1, 5))
    with process(feed.environment) as started:
        async with httpx.AsyncClient(base_url=url_of(started), timeout=20) as client:
            await wait_until(lambda: _is(_status(client, "/readyz"), 200), "readiness")
            async with client.stream("GET", "/v1/stream/kpi_gmv") as answer:
                assert answer.headers["content-type"].startswith("text/event-stream")
                lines = answer.aiter_lines()
                async for line in lines:
                    if line.startswith("data: "):
                        assert json.loads(line[6:])["rows"][0]["bookings"] == 1
                        break
                began = time.monotonic()
                started.send_signal(signal.SIGTERM)
                assert [line async for line in lines if line.startswith("data: ")] == []
        assert await asyncio.to_thread(started.wait, 20) == 0
        assert time.monotonic() - began < 5


async def test_head_sends_no_body(feed: Feed) -> None:
    with process(feed.environment) as started:
        address = urlsplit(url_of(started))
        reader, writer = await asyncio.open_connection(address.hostname, address.port)
        for method in ("HEAD", "GET"):
            last = "connection: close\r\n" if method == "GET" else ""
            writer.write(f"{method} /v1/views HTTP/1.1\r\nhost: 127.0.0.1\r\n{last}\r\n".encode())
        head, got, body = (await reader.read()).split(b"\r\n\r\n")
        writer.close()
    assert [text.splitlines()[0] for text in (head, got)] == [b"HTTP/1.1 200 OK"] * 2
    assert all(f"content-length: {len(body)}".encode() in text for text in (head, got))


async def _status(client: httpx.AsyncClient, path: str) -> int:
    return (await client.get(path)).status_code


def test_a_port_in_use_is_said_in_one_line() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with process({"SLUICE_HTTP_PORT": str(port)}) as started:
            _, said = started.communicate(timeout=20)
    assert started.returncode == 1
    assert said.startswith(f"sluice: can't listen on 127.0.0.1 port {port}: Address already in use; ")
    assert len(said.splitlines()) == 1


async def test_a_feed_of_another_format_ends_it(feed: Feed) -> None:
    await feed.create()
    await feed.write([checkpoint(10, 0.0, v=2)])
    with process(feed.environment) as started:
        _, said = await asyncio.to_thread(started.communicate, None, 60)
    assert started.returncode == 1
    assert "partition 0, offset 0" in said
    assert "format version 2" in said


def test_the_sluice_command_refuses_an_open_host_without_authentication(tmp_path: Path) -> None:
    ran = subprocess.run(
        [sys.executable, "-m", "streams.cli.main", "api"],
        env={**os.environ, "SLUICE_HTTP_HOST": "0.0.0.0", "SLUICE_DATA_DIR": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
        timeout=30,
    )
    assert ran.returncode == 2
    assert "SLUICE_HTTP_HOST='0.0.0.0' is not allowed" in ran.stderr
