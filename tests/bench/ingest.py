"""`python -m tests.bench.ingest`: `sluice ingest http` beside a handler that judges nothing, in one run.

The other one is Starlette and aiokafka as their documentation has them: it decodes the body, sends each event
and waits for Kafka's acknowledgement of all. The clients are the same, and are not counted: CPU is that of
the server's process alone.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import statistics
import sys
import tempfile
import time
import uuid
from pathlib import Path
from typing import NamedTuple

from streams.embedded.broker import EmbeddedKafka
from tests.bench.process import Child
from tests.support.kafka import create_topics

CONNECTIONS = 32
EVENTS = {1: 6_000, 100: 60_000}
"""Events a request → events of a round."""
PLAIN = """
import asyncio, json, sys, uvicorn
from aiokafka import AIOKafkaProducer
from starlette.applications import Starlette
from starlette.responses import JSONResponse
from starlette.routing import Route

server, topic, port = sys.argv[1:]

async def events(request):
    found = json.loads(await request.body())
    found = found if isinstance(found, list) else [found]
    sent = [
        await producer.send(topic, json.dumps(one).encode(), key=one["payload"]["booking_id"].encode())
        for one in found
    ]
    await asyncio.gather(*sent)
    return JSONResponse({"accepted": len(found)})

async def main():
    global producer
    producer = AIOKafkaProducer(bootstrap_servers=server, enable_idempotence=True, compression_type="snappy")
    await producer.start()
    app = Starlette(routes=[Route("/v1/events", events, methods=["POST"])])
    print("ready", flush=True)
    await uvicorn.Server(uvicorn.Config(app, port=int(port), log_config=None, lifespan="off")).serve()

asyncio.run(main())
"""


class Round(NamedTuple):
    """Events a second by the wall clock, and µs of the server's CPU an event."""

    events_per_s: float
    cpu_us: float


def _event(number: int) -> dict[str, object]:
    payload = {
        "charge_id": f"ch-{number}", "booking_id": f"bkg-{number}", "amount_minor": number, "currency": "EUR",
    }  # fmt: skip
    return {
        "event_id": f"charge-{number}", "event": "charge.succeeded", "version": 1, "source": "bench",
        "occurred_at": "2026-03-01T12:00:00Z", "city": "london", "payload": payload,
    }  # fmt: skip


def _requests(port: int, size: int, count: int) -> list[bytes]:
    head = f"POST /v1/events HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nContent-Type: application/json\r\n"
    made = []
    for start in range(0, count, size):
        events = [_event(number) for number in range(start, start + size)]
        body = json.dumps(events[0] if size == 1 else events).encode()
        made.append(f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body)
    return made


async def _post_all(port: int, requests: list[bytes]) -> None:
    async def client(mine: list[bytes]) -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", port, limit=1 << 20)
        for request in mine:
            writer.write(request)
            head = await reader.readuntil(b"\r\n\r\n")
            assert head.startswith(b"HTTP/1.1 200"), head[:200]
            length = int(head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0])
            await reader.readexactly(length)
        writer.close()

    await asyncio.gather(*(client(requests[start::CONNECTIONS]) for start in range(CONNECTIONS)))


async def _started(port: int) -> None:
    while True:
        try:
            await _post_all(port, _requests(port, 1, 1))
        except (OSError, AssertionError, asyncio.IncompleteReadError):
            await asyncio.sleep(0.1)
        else:
            return


def _round(child: Child, port: int, size: int) -> Round:
    requests = _requests(port, size, EVENTS[size])
    before, started = child.mark().cpu_s, time.monotonic()
    asyncio.run(_post_all(port, requests))
    seconds, cpu = time.monotonic() - started, child.mark().cpu_s - before
    return Round(EVENTS[size] / seconds, cpu / EVENTS[size] * 1e6)


def main() -> None:
    """Run the rounds, one server after the other, and print the medians."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench.ingest", description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    rounds = parser.parse_args().rounds
    with tempfile.TemporaryDirectory(prefix="sluice-bench-") as name:
        folder = Path(name)
        kafka = EmbeddedKafka(folder / "kafka")
        kafka.start()
        try:
            _measure(kafka.bootstrap, folder, rounds)
        finally:
            kafka.stop()


def _measure(server: str, folder: Path, rounds: int) -> None:
    topics = {who: f"{who}-{uuid.uuid4().hex[:8]}" for who in ("plain", "sluice")}
    asyncio.run(create_topics(server, *topics.values(), partitions=4))
    ports = {"plain": 18_391, "sluice": 18_392}
    plain = [sys.executable, "-c", PLAIN, server, topics["plain"], str(ports["plain"])]
    sluice = [sys.executable, "-m", "streams.cli.main", "ingest", "http", "--topic", topics["sluice"]]
    environ = {"SLUICE_KAFKA": server, "SLUICE_INGEST_PORT": str(ports["sluice"]), "SLUICE_EXTENSIONS": ""}
    found: dict[tuple[str, int], list[Round]] = {}
    with (
        Child(plain, folder / "plain.log") as first,
        Child(sluice, folder / "sluice.log", environ) as second,
    ):
        children = {"plain": first, "sluice": second}
        for port in ports.values():
            asyncio.run(_started(port))
        for number in range(rounds + 1):
            for size in EVENTS:
                for who in ("plain", "sluice") if number % 2 else ("sluice", "plain"):
                    measured = _round(children[who], ports[who], size)
                    if number:  # the first one warms up
                        found.setdefault((who, size), []).append(measured)
    print(
        "| events a request | server | events/s | CPU µs an event | CPU ÷ plain |\n|---:|---|---:|---:|---:|"
    )
    for size in EVENTS:
        base = statistics.median(one.cpu_us for one in found["plain", size])
        for who in ("plain", "sluice"):
            rate = statistics.median(one.events_per_s for one in found[who, size])
            cpu = statistics.median(one.cpu_us for one in found[who, size])
            print(f"| {size} | {who} | {rate:,.0f} | {cpu:,.1f} | {cpu / base:.2f} |")


if __name__ == "__main__":
    main()
