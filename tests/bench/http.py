"""`python -m tests.bench.http`: what the api bears, on one core, while 2,000 events a second flow in.

An answer of 10,000 groups, asked for 50 times a second; 1,000 open streams of one question; and clients
that mean harm (idle connections, heads that come byte by byte, queries of a megabyte, forged cursors), while
/metrics and /readyz are asked for. The api is pinned to one core, all else to the others. CPU is that of the
api's process.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import os
import random
import statistics
import tempfile
import time
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from pathlib import Path

from aiokafka import AIOKafkaProducer

from streams.embedded.broker import EmbeddedKafka
from tests.bench.process import Child, python

VIEW = "promo_performance"
GROUPS, CITIES, PARTITIONS = 10_000, 50, 4
EVENTS_PER_S, REQUESTS_PER_S = 2_000, 50
STREAMS, IDLE, SLOW = 1_000, 10_000, 500
TICK_SECONDS = 0.05
HOST = "127.0.0.1"
Get = Callable[[], Awaitable[None]]


class Connection:
    """A kept-open connection that asks one thing after the other."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    async def get(self, path: str) -> int:
        """The status, once the whole body is there."""
        if self._streams is None:
            self._streams = await asyncio.open_connection(HOST, self._port, limit=1 << 20)
        reader, writer = self._streams
        try:
            writer.write(f"GET {path} HTTP/1.1\r\nHost: {HOST}\r\n\r\n".encode())
            head = (await reader.readuntil(b"\r\n\r\n")).decode().lower()
            length = int(head.partition("content-length: ")[2].partition("\r\n")[0])
            await reader.readexactly(length)
        except (OSError, asyncio.IncompleteReadError):
            writer.close()
            self._streams = None
            raise
        return int(head.split(" ", 2)[1])


async def produce(server: str, topic: str, stop: asyncio.Event) -> None:
    """All groups at once, then events at an even pace."""
    producer = AIOKafkaProducer(bootstrap_servers=server, linger_ms=20, compression_type="snappy")
    await producer.start()
    number = 0

    async def send(count: int) -> None:
        nonlocal number
        for _ in range(count):
            number += 1
            group = number % GROUPS if number > GROUPS else number - 1
            envelope = {
                "event_id": f"e{number}", "event": "promo.impression", "version": 1, "source": "bench",
                "occurred_at": datetime.now(UTC).isoformat(), "city": f"city{group % CITIES}",
                "payload": {"campaign_id": f"campaign{group}", "session_id": f"s{number}"},
            }  # fmt: skip
            await producer.send(topic, json.dumps(envelope).encode(), partition=group % PARTITIONS)

    try:
        await send(GROUPS)
        while not stop.is_set():
            await send(int(EVENTS_PER_S * TICK_SECONDS))
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(stop.wait(), TICK_SECONDS)
    finally:
        await producer.stop()


async def paced(port: int, path: str, per_s: float, seconds: float) -> list[float]:
    """Latencies in ms of requests that are begun at an even pace, whether or not the former are answered."""
    idle: list[Connection] = []
    found: list[float] = []

    async def ask(due: float) -> None:
        connection = idle.pop() if idle else Connection(port)
        try:
            status = await connection.get(path)
        except (OSError, asyncio.IncompleteReadError):  # it had been closed meanwhile, as any may be
            status = await connection.get(path)
        assert status in (200, 503)
        found.append((time.monotonic() - due) * 1000)
        idle.append(connection)

    begun, tasks = time.monotonic(), []
    for number in range(int(per_s * seconds)):
        due = begun + number / per_s
        await asyncio.sleep(max(0.0, due - time.monotonic()))
        tasks.append(asyncio.create_task(ask(due)))
    await asyncio.gather(*tasks)
    return found


def shown(found: list[float]) -> str:
    cuts = statistics.quantiles(found, n=1000, method="inclusive")
    return f"p50 {cuts[499]:.1f} ms, p99 {cuts[989]:.1f} ms, longest {max(found):.1f} ms of {len(found):,}"


async def streams(port: int, seconds: float, api: Child) -> str:
    """1,000 streams of one question."""
    received = 0

    async def follow(opened: asyncio.Semaphore) -> None:
        nonlocal received
        async with opened:
            reader, writer = await asyncio.open_connection(HOST, port, limit=1 << 22)
            writer.write(f"GET /v1/stream/kpi_gmv?window=15m HTTP/1.1\r\nHost: {HOST}\r\n\r\n".encode())
            await reader.readuntil(b"data: ")
        with contextlib.suppress(asyncio.CancelledError):
            while piece := await reader.read(1 << 16):
                received += piece.count(b"data: ")
        writer.close()

    opened = asyncio.Semaphore(50)
    tasks = [asyncio.create_task(follow(opened)) for _ in range(STREAMS)]
    await asyncio.sleep(5)
    before, count = api.mark(), received
    metrics = await paced(port, "/metrics", 10, seconds)
    after = api.mark()
    cpu = (after.cpu_s - before.cpu_s) / (after.at_s - before.at_s)
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks)
    rate = (received - count) / (after.at_s - before.at_s)
    used = f"{cpu:.2f} of a core, {rate:,.0f} messages/s, resident {rss_mib(api):.0f} MiB"
    return f"{used}; /metrics {shown(metrics)}"


def rss_mib(api: Child) -> float:
    """What it holds now."""
    pages = int(Path(f"/proc/{api.pid}/statm").read_text(encoding="ascii").split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 2**20


async def harm(port: int) -> None:
    """Clients that mean harm, in a process of their own: what they keep waiting is then not who measures."""
    await asyncio.gather(_idle(port, IDLE), _queries(port), *[_byte_by_byte(port) for _ in range(SLOW)])


async def _idle(port: int, count: int) -> None:
    """Connections that say nothing; one that is closed is opened again."""

    async def hold() -> None:
        while True:
            with contextlib.suppress(OSError):
                reader, writer = await asyncio.open_connection(HOST, port)
                await reader.read(1)
                writer.close()
            await asyncio.sleep(random.uniform(1, 10))

    holders = []
    try:
        for number in range(count):
            holders.append(asyncio.create_task(hold()))
            if number % 100 == 0:
                await asyncio.sleep(0.02)
        await asyncio.gather(*holders)
    finally:
        for holder in holders:
            holder.cancel()


async def _byte_by_byte(port: int) -> None:
    while True:
        with contextlib.suppress(OSError):
            _, writer = await asyncio.open_connection(HOST, port)
            writer.write(b"GET /v1/views HTTP/1.1\r\nX: ")
            while not writer.is_closing():
                writer.write(b"x")
                await writer.drain()
                await asyncio.sleep(1)


async def _queries(port: int) -> None:
    """Queries of a megabyte, and cursors that nobody gave."""
    while True:
        for text in ("x" * 1_000_000, "cursor=" + "A" * 8_000, "cursor=eyJ2IjoxfQ", "limit=1&cursor=%00%ff"):
            with contextlib.suppress(OSError, asyncio.IncompleteReadError, ValueError):
                await Connection(port).get(f"/v1/views/ops_payout_backlog/entities?{text}")
            await asyncio.sleep(0.01)


async def measure(kafka: EmbeddedKafka, folder: Path, seconds: float) -> None:
    environ = {
        "SLUICE_KAFKA": kafka.bootstrap, "SLUICE_RAW_TOPICS": "raw.http", "SLUICE_PREFIX": "http-",
        "SLUICE_PARTITIONS": str(PARTITIONS), "SLUICE_HTTP_PORT": "0", "SLUICE_METRICS_PORT": "0",
        "SLUICE_DATA_DIR": str(folder / "data"), "SLUICE_HTTP_ACCESS_LOG": "0", "SLUICE_HTTP_STREAMS": "5000",
    }  # fmt: skip
    stop = asyncio.Event()
    first, *others = sorted(os.sched_getaffinity(0))
    os.sched_setaffinity(0, others or [first])
    with (
        Child(python("streams.cli.main", "topics", "create"), folder / "topics.log", environ) as topics,
        Child(python("streams.cli.main", "worker", "views"), folder / "worker.log", environ),
        Child(python("streams.cli.main", "api"), folder / "api.log", environ) as api,
    ):
        topics.wait_line("made|all topics", 60)
        os.sched_setaffinity(api.pid, [first])
        port = int(api.wait_line(r"http://\S+:\d+", 60).line.rpartition(":")[2].split()[0])
        producing = asyncio.create_task(produce(kafka.bootstrap, "raw.http", stop))
        path = f"/v1/views/{VIEW}?window=1h"
        await _until_all_groups(port, path)
        before = api.mark()
        found = await paced(port, path, REQUESTS_PER_S, seconds)
        after = api.mark()
        cpu = (after.cpu_s - before.cpu_s) / (after.at_s - before.at_s)
        print(
            f"{GROUPS:,} groups, {REQUESTS_PER_S} requests/s: {shown(found)}; {cpu:.2f} of a core", flush=True
        )
        print(f"resident {rss_mib(api):.0f} MiB", flush=True)
        print(f"{STREAMS:,} streams: {await streams(port, seconds, api)}", flush=True)
        with Child(python("tests.bench.http", "--harm", str(port)), folder / "harm.log", environ):
            await asyncio.sleep(10)
            asked = [paced(port, one, 20, seconds) for one in ("/metrics", "/readyz")]
            metrics, readyz = await asyncio.gather(*asked)
        print(f"under attack: /metrics {shown(metrics)}; /readyz {shown(readyz)}", flush=True)
        print(f"resident {rss_mib(api):.0f} MiB, at most {api.peak_rss_mib():.0f} MiB", flush=True)
        stop.set()
        await producing


async def _until_all_groups(port: int, path: str) -> None:
    """Until the answer has all of them: one row is far over 90 bytes."""
    until = time.monotonic() + 120
    while time.monotonic() < until:
        with contextlib.suppress(OSError):
            reader, writer = await asyncio.open_connection(HOST, port, limit=1 << 24)
            writer.write(f"GET {path} HTTP/1.1\r\nHost: {HOST}\r\nConnection: close\r\n\r\n".encode())
            body = (await reader.read(-1)).partition(b"\r\n\r\n")[2]
            writer.close()
            if len(json.loads(body)["rows"]) == GROUPS:
                return
        await asyncio.sleep(0.5)
    raise RuntimeError("the api does not have all groups")


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.bench.http", description=__doc__)
    parser.add_argument("--seconds", type=float, default=30.0, help="of each measurement")
    parser.add_argument("--harm", type=int, metavar="PORT", help="only be clients that mean harm")
    options = parser.parse_args()
    if options.harm:
        asyncio.run(harm(options.harm))
        return
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as name:
        folder = Path(name)
        kafka = EmbeddedKafka(folder / "kafka")
        kafka.start()
        try:
            asyncio.run(measure(kafka, folder, options.seconds))
        finally:
            kafka.stop()


if __name__ == "__main__":
    main()
