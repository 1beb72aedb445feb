"""What `sluice worker bronze` asks of an S3 server, counted between the two, to hold against the formula."""

from __future__ import annotations

import asyncio
import re
import zlib
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Lock
from typing import NamedTuple

import pytest

from agents.bronze.cost import Share, Traffic, cost_of_range
from agents.bronze.files import COMMITS, INTENTS
from agents.bronze.store import Store
from streams.kafka import topics
from streams.store.bronze_reader import BronzeReader
from streams.store.urls import store_at
from tests.support.bronze_topic import until_covered
from tests.support.kafka import Raw, read_all
from tests.support.processes import Role, Sluice
from tests.support.s3 import BUCKET, S3Server
from tests.support.s3_proxy import Fault, S3Proxy, fine
from tests.support.sending import produce_all

URL = f"s3://{BUCKET}/bronze"


class Counted(NamedTuple):
    """An S3 server that workers reach through a proxy that counts their requests by kind; `store` is the same
    one, uncounted."""

    store: Store
    requests: Counter[str]


class Run(NamedTuple):
    """What a worker made of a topic: the events of each range, bytes, requests as the server and as the
    worker's metric counted them, and what came in."""

    ranges: list[int]
    objects: int
    object_bytes: int
    other_bytes: int
    """Of intents and commits."""
    requests: Counter[str]
    metric: Counter[str]
    budget_puts: int
    """As the worker exports it."""
    traffic: Traffic

    @property
    def events(self) -> int:
        return sum(self.ranges)

    @property
    def expected_objects(self) -> float:
        """By the formula, for ranges as large as these."""
        return sum(cost_of_range(self.traffic, events).objects for events in self.ranges)

    @property
    def expected_bytes(self) -> float:
        """Likewise, of all that is stored."""
        return sum(cost_of_range(self.traffic, events).stored_bytes for events in self.ranges)


@contextmanager
def counted(folder: Path) -> Iterator[Counted]:
    """Moto's server, which is in memory, behind a counting proxy; what is started here finds that."""
    with (
        S3Server("moto", folder) as server,
        S3Proxy(server.port) as proxy,
        pytest.MonkeyPatch.context() as patch,
    ):
        requests: Counter[str] = Counter()
        lock = Lock()  # each connection has a thread

        def count(method: str, path: str) -> Fault:
            with lock:
                requests["list" if method == "GET" and "list-type=" in path else method.lower()] += 1
            return fine(method, path)

        proxy.plan = count
        for name, value in server.environment.items():
            patch.setenv(name, value)
        store = store_at(URL)
        patch.setenv("AWS_ENDPOINT_URL", proxy.url)
        yield Counted(store, requests)


def spread(values: Iterable[tuple[bytes | None, bytes | None]], partitions: int) -> list[Raw]:
    """Keys and values, each key's on one partition."""
    return [Raw(value, key, partition=zlib.crc32(key or b"") % partitions) for key, value in values]


async def written(sluice: Sluice, s3: Counted, records: list[Raw]) -> Run:
    """Fill the raw topic, and let a worker write it to its end: its ranges close by bytes."""
    await topics.create(sluice.settings)
    await produce_all(sluice.settings.kafka[0], sluice.raw_topic, records, compression_type="lz4")
    return await _run(sluice, s3, sluice.bronze())


async def written_meanwhile(sluice: Sluice, s3: Counted, rate: int, count: int) -> Run:
    """Simulate events at an even rate while a worker writes them: its ranges close by seconds."""
    await topics.create(sluice.settings)
    worker = sluice.bronze()
    await worker.ready()
    simulate = ("simulate", "--flat", "--rate", str(rate), "--count", str(count))
    done = await asyncio.to_thread(sluice.run, *simulate)
    assert done.returncode == 0, done.stderr
    return await _run(sluice, s3, worker)


def _counts(exported: str) -> Counter[str]:
    found = re.findall(r'^sluice_store_requests_total\{operation="(\w+)"\} (\S+)$', exported, re.MULTILINE)
    return Counter({operation: int(float(number)) for operation, number in found})


async def _run(sluice: Sluice, s3: Counted, worker: Role) -> Run:
    await until_covered(sluice, s3.store, worker, seconds=180)
    await worker.ready()
    requests, exported = s3.requests.copy(), (await worker.get("/metrics")).text
    await worker.terminate()
    records = await read_all(sluice.settings.kafka[0], sluice.raw_topic)
    commits = [commit async for _, _, commit in BronzeReader(s3.store).commits()]
    entries = [entry for commit in commits for entry in commit.objects]
    rows: Counter[str] = Counter()
    for entry in entries:
        rows[entry.path.rpartition("/")[0]] += entry.rows
    assert rows.total() == len(records)
    raw_bytes = sum(len(record.value or b"") for record in records)
    shares = [Share(count / len(records)) for count in rows.values()]
    others = [listed.size_bytes for folder in (COMMITS, INTENTS) async for listed in s3.store.list(folder)]
    return Run(
        ranges=[sum(entry.rows for entry in commit.objects) for commit in commits],
        objects=len(entries),
        object_bytes=sum(entry.bytes for entry in entries),
        other_bytes=sum(others),
        requests=requests,
        metric=_counts(exported),
        budget_puts=int(float(re.findall(r"^sluice_budget_puts (\S+)$", exported, re.MULTILINE)[0])),
        traffic=Traffic(1, raw_bytes / len(records), shares),
    )
