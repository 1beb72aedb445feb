"""Latency: from a record's Kafka timestamp to the first answer of the api that includes it.

A paced producer, `sluice worker views` and `sluice api` run as processes of their own; one view after the
other is asked for over HTTP, as fast as the answers come but for a short pause. An answer's
`checkpoint_offset`s say which records it includes. What is reported includes the time that the answer took,
and the pause before it was asked for.
"""

from __future__ import annotations

import asyncio
import http.client
import itertools
import json
import re
import time
import urllib.parse
import uuid
from bisect import bisect_left
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

from streams.kafka import topics
from tables.views import VIEWS
from tests.bench import worker
from tests.bench.load import PARTITIONS, ends_of
from tests.bench.process import Child, python

API = python("streams.cli.main", "api")
TOPIC = "bench.paced"
PAUSE_SECONDS = 0.01
WARM_UP_SECONDS = 2.0
TIMEOUT_SECONDS = 60.0


class Answer(NamedTuple):
    """When an answer had arrived (ms since the epoch), and the offsets that it covers, by partition."""

    at_ms: float
    offsets: dict[int, int]


class Latency(NamedTuple):
    """Milliseconds over all records after the warm-up; CPU as a share of one core while they came."""

    records: int
    answers: int
    p50_ms: float
    p99_ms: float
    max_ms: float
    worker_cores: float
    api_cores: float


async def measure(server: str, folder: Path, events_per_s: int, seconds: int) -> Latency:
    """Start everything, measure, end everything."""
    prefix = f"paced-{uuid.uuid4().hex[:8]}."
    topic, out = f"{TOPIC}.{uuid.uuid4().hex[:8]}", folder / "paced.jsonl"
    environ = worker.environment(server, topic, prefix, folder / prefix)
    settings = worker.settings_of(environ)
    await topics.create(settings)
    with (
        Child(worker.COMMAND, folder / "latency-worker.log", environ) as views,
        Child(API, folder / "latency-api.log", environ) as api,
    ):
        await asyncio.to_thread(views.wait_line, worker.OWNS, worker.START_SECONDS)
        told = await asyncio.to_thread(api.wait_line, r"http://\S+", worker.START_SECONDS)
        url = re.search(r"http://[\w.]+:\d+", told.line)
        assert url is not None
        producer = python("tests.bench.paced", server, topic, str(events_per_s), str(seconds), str(out))
        with Child(producer, folder / "latency-producer.log") as paced:
            await asyncio.to_thread(paced.wait_line, "^first$", TIMEOUT_SECONDS + seconds)
            begun = views.mark(), api.mark()
            answers = await asyncio.to_thread(_ask, url[0], seconds)
            ended = views.mark(), api.mark()
            await asyncio.to_thread(paced.wait_line, "^done$", TIMEOUT_SECONDS)
        answers += await asyncio.to_thread(_ask_until, url[0], await ends_of(settings, topic))
    cores = [
        (last.cpu_s - first.cpu_s) / (last.at_s - first.at_s)
        for first, last in zip(begun, ended, strict=True)
    ]
    return _judge(out, answers, cores[0], cores[1])


class _Client:
    """One connection to the api, asking for one view after the other."""

    def __init__(self, url: str) -> None:
        address = urllib.parse.urlsplit(url)
        self._connection = http.client.HTTPConnection(address.hostname or "", address.port, timeout=10)
        self._views = itertools.cycle(VIEWS)

    def ask(self) -> Answer:
        self._connection.request("GET", f"/v1/views/{next(self._views)}")
        response = self._connection.getresponse()
        body = response.read()
        at_ms = time.time() * 1000
        if response.status != 200:
            raise RuntimeError(f"the api answered {response.status}: {body[:500]!r}")
        partitions = json.loads(body)["partitions"]
        return Answer(at_ms, {part["partition"]: part["checkpoint_offset"] or 0 for part in partitions})


def _ask(url: str, seconds: float) -> list[Answer]:
    client, until = _Client(url), time.monotonic() + seconds
    answers: list[Answer] = []
    while time.monotonic() < until:
        answers.append(client.ask())
        time.sleep(PAUSE_SECONDS)
    return answers


def _ask_until(url: str, ends: dict[int, int]) -> list[Answer]:
    client, until = _Client(url), time.monotonic() + TIMEOUT_SECONDS
    answers: list[Answer] = []
    while not answers or any(answers[-1].offsets.get(number, 0) < end for number, end in ends.items()):
        if time.monotonic() > until:
            raise RuntimeError(f"the api has not come to {ends}, but to {answers[-1].offsets}")
        answers.append(client.ask())
        time.sleep(PAUSE_SECONDS)
    return answers


def _judge(acknowledged: Path, answers: list[Answer], worker_cores: float, api_cores: float) -> Latency:
    waits = sorted(_waits(acknowledged, answers))
    p50, p99 = (waits[int(len(waits) * share)] for share in (0.5, 0.99))
    return Latency(len(waits), len(answers), p50, p99, waits[-1], worker_cores, api_cores)


def _waits(acknowledged: Path, answers: list[Answer]) -> Iterable[float]:
    """Every record's latency in ms, but for those of the warm-up."""
    covered = {number: [answer.offsets.get(number, 0) for answer in answers] for number in range(PARTITIONS)}
    batches = [json.loads(line) for line in acknowledged.read_text(encoding="utf-8").splitlines()]
    warm_ms = min(stamps[0] for _, _, stamps in batches) + WARM_UP_SECONDS * 1000
    for partition, first, stamps in batches:
        for offset, stamp in enumerate(stamps, first):
            if stamp >= warm_ms:
                yield answers[bisect_left(covered[partition], offset + 1)].at_ms - stamp
