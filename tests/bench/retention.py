"""Full retention: 48 h of minutes and 35 days of hours of every windowed view, each group in each pane.

The feed is written as a worker would have left it; then a worker and an api are started on it as users do,
and every view is asked over 24 h, on one connection.
"""

from __future__ import annotations

import asyncio
import http.client
import json
import random
import re
import time
import urllib.parse
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from agents.protocols import FeedRecord
from streams.feed.writer import FeedWriter
from streams.kafka import topics
from streams.settings import Settings
from tables.codec import Group
from tables.spec.measures import Unit
from tables.spec.windowed import Sum, Windowed
from tables.views import VIEWS
from tests.bench import worker
from tests.bench.latency import API
from tests.bench.load import PARTITIONS
from tests.bench.process import Child
from tests.bench.stage import say
from tests.support.feed_records import checkpoint, partial

MINUTES, HOURS, CITIES = 2_880, 840, 50
BUNDLE_RECORDS = 2_000
QUERIES = 200
DIMENSIONS: dict[str, list[str]] = {
    "city": [f"city-{number:02d}" for number in range(CITIES)],
    "currency": ["EUR", "USD"],
    "channel": ["email", "sms", "push"],
    "reason": ["quiet_hours", "no_content"],
    "source": ["web", "billing"],
    "event": ["charge.succeeded", "payout.paid", "search.click", "booking.confirmed", "message.sent"],
    "campaign_id": [f"cmp-{number:04d}" for number in range(2 * CITIES)],
}
READY_SECONDS = 120.0
WARM_SECONDS = 0.2
"""All views together."""


class Retention(NamedTuple):
    """Peak resident sets, and how long a start takes; `slowest`: the view with the greatest p99, and that."""

    groups: int
    feed_mib: float
    worker_mib: float
    worker_owns_s: float
    api_mib: float
    api_ready_s: float
    slowest: str
    p99_ms: float


def groups_of(view: Windowed) -> list[Group]:
    """Each city in each currency, channel or reason, and with two campaigns of its own; of all records some
    events of two producers."""
    found: list[dict[str, str | None]] = [{"city": city} for city in DIMENSIONS["city"]]
    for name in view.key:
        if name == "campaign_id":
            found = [
                {**one, name: DIMENSIONS[name][2 * at + number]}
                for at, one in enumerate(found)
                for number in (0, 1)
            ]
        elif name != "city" and "campaign_id" in view.key:
            found = [{**one, name: DIMENSIONS[name][at % 2]} for at, one in enumerate(found)]
        elif name == "reason" and "source" in view.key:
            found = [{**one, name: None} for one in found]  # as of every event
        elif name != "city":
            found = [{**one, name: value} for one in found for value in DIMENSIONS[name]]
    return [tuple(one[name] for name in view.key) for one in found]


def panes(draw: random.Random, topic: str, minute: int) -> Iterator[FeedRecord]:
    """What one partition has of all windowed views, up to this minute."""
    for view in VIEWS.values():
        if isinstance(view, Windowed):
            groups = groups_of(view)
            for unit, first, count in (
                ("h", (minute - MINUTES) // 60 - HOURS + MINUTES // 60, HOURS - MINUTES // 60),
                ("m", minute - MINUTES, MINUTES),
            ):
                for number in range(first, first + count):
                    rows = [(group, _row(draw, view)) for group in groups]
                    key, value, _ = partial(view, unit, number, rows, topic=topic)
                    yield key, value


def _row(draw: random.Random, view: Windowed) -> list[object]:
    sums = [
        draw.randrange(10**7) if kept.unit is Unit.MINOR else draw.randrange(100)
        for kept in view.kept
        if isinstance(kept, Sum)
    ]
    return [*sums, *({draw.randrange(2_300, 2_500): 1 for _ in range(5)} for _ in view.sketches)]


async def build(settings: Settings, topic: str) -> None:
    """Write the feed, as of now."""
    await topics.create(settings)
    now_s = time.time()
    for partition in range(PARTITIONS):
        say(f"retention: the feed of partition {partition}")
        feed = FeedWriter(settings, topic, partition)
        await feed.open()
        bundle: list[FeedRecord] = []
        for record in panes(random.Random(partition), topic, int(now_s // 60)):
            bundle.append(record)
            if len(bundle) == BUNDLE_RECORDS:
                await feed.commit(bundle, [])
                bundle = []
        key, value, _ = checkpoint(0, now_s, topic)
        await feed.commit([*bundle, (key, value)], [])
        await feed.close()


def measure(server: str, kafka_folder: Path, folder: Path) -> Retention:
    """Build it, start both, ask, end both."""
    prefix = f"retention-{uuid.uuid4().hex[:8]}."
    topic = f"bench.{prefix}raw"
    environ = worker.environment(server, topic, prefix, folder / prefix)
    settings = worker.settings_of(environ)
    asyncio.run(build(settings, topic))
    files = kafka_folder.glob(f"data/{settings.topic('views.feed')}-*/*.log")
    feed_mib = sum(file.stat().st_size for file in files) / 2**20
    count = sum(len(groups_of(view)) for view in VIEWS.values() if isinstance(view, Windowed))
    with Child(worker.COMMAND, folder / "retention-worker.log", environ) as views:
        began = views.mark()
        owns = views.wait_line(worker.OWNS, worker.START_SECONDS)
        recovered = max(
            views.wait_line(rf"recovered {re.escape(topic)}-{partition}: ", worker.START_SECONDS).at_s
            for partition in range(PARTITIONS)
        )
        with Child(API, folder / "retention-api.log", environ) as api:
            started = api.mark()
            told = api.wait_line(r"http://\S+", worker.START_SECONDS)
            url = re.search(r"http://[\w.]+:\d+", told.line)
            assert url is not None
            connection = _connection(url[0])
            _until_ready(connection)
            ready_s = time.monotonic() - started.at_s
            _until_warm(connection)
            slowest = max((_p99_ms(connection, name), name) for name in VIEWS)
            return Retention(
                count * PARTITIONS, feed_mib,
                views.peak_rss_mib(), max(owns.at_s, recovered) - began.at_s, api.peak_rss_mib(), ready_s,
                slowest[1], slowest[0],
            )  # fmt: skip


def _connection(url: str) -> http.client.HTTPConnection:
    address = urllib.parse.urlsplit(url)
    return http.client.HTTPConnection(address.hostname or "", address.port, timeout=30)


def _until_ready(connection: http.client.HTTPConnection) -> None:
    until = time.monotonic() + READY_SECONDS
    while time.monotonic() < until:
        connection.request("GET", "/readyz")
        answer = connection.getresponse()
        answer.read()
        if answer.status == 200:
            return
        time.sleep(0.05)
    raise RuntimeError("the api is not ready")


def _until_warm(connection: http.client.HTTPConnection) -> None:
    """The api merges a day of all views in the background once it is ready."""
    until = time.monotonic() + READY_SECONDS
    while time.monotonic() < until:
        began = time.monotonic()
        for name in VIEWS:
            connection.request("GET", f"/v1/views/{name}")
            connection.getresponse().read()
        if time.monotonic() - began < WARM_SECONDS:
            return
    raise RuntimeError("the api does not become warm")


def _p99_ms(connection: http.client.HTTPConnection, view: str) -> float:
    """Of one view over 24 h, each time with another end, so that nothing is answered from memory."""
    taken = []
    now_s = time.time()
    for number in range(QUERIES):
        began = time.perf_counter()
        as_of = int((now_s - number) * 1000)
        connection.request("GET", f"/v1/views/{view}?window=24h&as_of={as_of}")
        answer = connection.getresponse()
        body = answer.read()
        taken.append((time.perf_counter() - began) * 1000)
        if answer.status != 200:
            raise RuntimeError(f"the api answered {answer.status}: {body[:500]!r}")
        if isinstance(VIEWS[view], Windowed) and len(json.loads(body)["rows"]) < CITIES:
            raise RuntimeError(f"{view} has too few rows")
    say(f"retention: {view}: p50 {sorted(taken)[QUERIES // 2]:.1f} ms, worst {max(taken):.1f} ms")
    return sorted(taken)[int(QUERIES * 0.99)]
