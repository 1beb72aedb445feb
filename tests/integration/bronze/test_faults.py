"""What an S3 server does to `sluice worker bronze` when it is slow, throttles, refuses or is away."""

from __future__ import annotations

import random
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from agents.bronze.store import Store
from streams.kafka import topics
from streams.store.urls import store_at
from tests.support.bronze_topic import covered, hold, some, until_covered
from tests.support.feed import FeedWatcher
from tests.support.kafka import produce, wait_until
from tests.support.processes import Role, Sluice
from tests.support.s3 import BUCKET, S3Server
from tests.support.s3_proxy import ANSWER_LOST, DENIED, SLOW_DOWN, Fault, S3Proxy, fine
from tests.support.versity import gateway, gateway_or_moto

URL = f"s3://{BUCKET}/some/prefix"
# stores that are away, and minutes to catch up
pytestmark = [pytest.mark.timeout(360), pytest.mark.versity]


class Behind(NamedTuple):
    """A real S3 server, the proxy in front of it, and the store as one sees it without faults."""

    server: S3Server
    proxy: S3Proxy
    store: Store


@pytest.fixture
def s3(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Behind]:
    with (
        S3Server(gateway_or_moto(), tmp_path / "s3") as server,
        S3Proxy(server.port) as proxy,
    ):
        for name, value in server.environment.items():
            monkeypatch.setenv(name, value)
        store = store_at(URL)
        monkeypatch.setenv("AWS_ENDPOINT_URL", proxy.url)
        yield Behind(server, proxy, store)


@pytest.fixture
def settings() -> dict[str, Any]:
    return {"partitions": 2, "bronze_url": URL}


@pytest.fixture(autouse=True)
async def own_topics(sluice: Sluice) -> None:
    await topics.create(sluice.settings)


async def put_failures(worker: Role) -> float:
    """How often EVENT_PUT_FAILED has been counted."""
    found = re.search(
        r'sluice_errors_total\{code="EVENT_PUT_FAILED"\} ([\d.]+)', (await worker.get("/metrics")).text
    )
    return float(found[1]) if found else 0.0


async def test_a_slow_and_throttling_store_that_loses_answers_gets_every_record_once(
    sluice: Sluice, s3: Behind
) -> None:
    draw = random.Random(7)

    def now_and_then(method: str, _path: str) -> Fault:
        fault = draw.random()
        delay_s = draw.random() * 0.2
        if fault < 0.25:
            return SLOW_DOWN._replace(delay_s=delay_s)
        if fault < 0.4 and method == "PUT":
            return ANSWER_LOST
        return Fault(delay_s=delay_s)

    s3.proxy.plan = now_and_then
    worker = sluice.bronze(bronze_max_bytes=30_000)
    for start in range(0, 2000, 500):
        await produce(sluice.settings.kafka[0], sluice.raw_topic, some(500, start))
    await until_covered(sluice, s3.store, worker, seconds=150)
    assert (await hold(sluice, s3.store)).rows == 2000
    assert s3.proxy.faults > 10

    s3.proxy.plan = lambda *_: SLOW_DOWN
    failures = await put_failures(worker)
    await produce(sluice.settings.kafka[0], sluice.raw_topic, some(100, 2000))
    await worker.says(r"EVENT_PUT_FAILED.*\(SlowDown\)|\(SlowDown\).*EVENT_PUT_FAILED")

    async def counted() -> bool:
        return await put_failures(worker) > failures

    await wait_until(counted, "the failure to be counted")
    s3.proxy.plan = fine
    await until_covered(sluice, s3.store, worker)
    assert (await hold(sluice, s3.store)).rows == 2100
    assert await worker.terminate() == 0


async def test_wrong_credentials_are_told_and_once_mended_nothing_is_missing(
    sluice: Sluice, s3: Behind
) -> None:
    if s3.server.kind == "moto":
        pytest.skip(f"moto takes any credentials. {gateway.problem()}")
    await produce(sluice.settings.kafka[0], sluice.raw_topic, some(200))
    s3.server.change_secret("another secret")
    worker = sluice.bronze()
    told = await worker.says(r".*SignatureDoesNotMatch.*")
    assert "EVENT_PUT_FAILED" in told[0]
    assert URL in told[0], "it says which object of which store"
    assert "next try in" in told[0]
    s3.server.change_secret(None)
    await until_covered(sluice, s3.store, worker)

    s3.server.change_secret("yet another")
    before = await put_failures(worker)
    await produce(sluice.settings.kafka[0], sluice.raw_topic, some(200, 200))

    async def counted() -> bool:
        return await put_failures(worker) > before

    await wait_until(counted, "the failure to be counted")
    s3.server.change_secret(None)
    await until_covered(sluice, s3.store, worker)
    assert (await hold(sluice, s3.store)).rows == 400
    assert await worker.terminate() == 0


async def test_views_go_on_while_bronze_waits_for_its_store(sluice: Sluice, s3: Behind) -> None:
    views, worker = sluice.worker(), sluice.bronze()
    sent = 0
    async with FeedWatcher(sluice.settings) as feed:

        async def send_and_fold() -> None:
            nonlocal sent
            await produce(sluice.settings.kafka[0], sluice.raw_topic, some(300, sent))
            sent += 300
            await feed.caught_up()

        await send_and_fold()
        await until_covered(sluice, s3.store, worker)
        for fault in ("away", "SlowDown", "AccessDenied"):
            before, failures = await covered(s3.store), await put_failures(worker)
            s3.proxy.plan = {"SlowDown": lambda *_: SLOW_DOWN, "AccessDenied": lambda *_: DENIED}.get(
                fault, fine
            )
            if fault == "away":
                s3.server.go_away()
            await send_and_fold()
            await send_and_fold()

            async def told(failures: float = failures) -> bool:
                return await put_failures(worker) > failures

            await wait_until(told, "bronze to say that it fails", seconds=90)
            await send_and_fold()
            if fault == "away":
                s3.server.come_back()
            assert await covered(s3.store) == before, f"{fault}: nothing was written meanwhile"
            s3.proxy.plan = fine
            await until_covered(sluice, s3.store, worker, seconds=90)
    assert (await hold(sluice, s3.store)).rows == sent
    assert await views.terminate() == 0
    assert await worker.terminate() == 0
