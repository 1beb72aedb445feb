"""`sluice worker bronze` on a real Kafka: what was sent is in the store, once, whatever happens."""

from __future__ import annotations

import asyncio
import gzip
import json
import random
import signal
import time
from datetime import date
from pathlib import Path

import pytest
from aiokafka import AIOKafkaProducer

from agents.bronze.files import CorruptFileError, decode_commit
from agents.bronze.store import Store
from streams.kafka import topics
from streams.store.bronze_reader import BronzeReader
from streams.store.bronze_verify import verify
from streams.store.urls import store_at
from tests.support.bronze_topic import covered, hold, rows_of, some, until_covered
from tests.support.events import click
from tests.support.kafka import Raw, produce, read_all, wait_until
from tests.support.processes import Sluice
from tests.support.recreate import delete_records
from tests.support.repeats import repeats
from tests.support.s3 import BUCKET, S3Server
from tests.support.versity import gateway_or_moto

pytestmark = pytest.mark.timeout(360)  # workers that fail and others that catch up, minutes each


@pytest.mark.parametrize("codec", [None, "gzip", "snappy", "lz4", "zstd"])
async def test_every_record_becomes_a_row_whatever_its_compression(
    sluice: Sluice, store: Store, codec: str | None
) -> None:
    await topics.create(sluice.settings)
    await produce(sluice.settings.kafka[0], sluice.raw_topic, some(500), compression_type=codec)
    worker = sluice.bronze()
    await until_covered(sluice, store, worker)
    await produce(sluice.settings.kafka[0], sluice.raw_topic, some(300, 500), compression_type=codec)
    await until_covered(sluice, store, worker)
    verdict = await hold(sluice, store)
    assert verdict.rows == 800
    assert await worker.terminate() == 0


async def test_aborted_transactions_leave_no_row_and_no_gap(
    sluice: Sluice, store: Store, prefix: str
) -> None:
    await topics.create(sluice.settings)
    producer = AIOKafkaProducer(
        bootstrap_servers=sluice.settings.kafka[0], transactional_id=f"{prefix}tx", acks="all"
    )
    await producer.start()
    for number in range(20):
        await producer.begin_transaction()
        for record in some(7, number * 7):
            await producer.send(sluice.raw_topic, record.value, key=record.key, partition=record.partition)
        await (producer.abort_transaction() if number % 3 == 0 else producer.commit_transaction())
    await producer.stop()
    worker = sluice.bronze()
    await until_covered(sluice, store, worker)
    verdict = await hold(sluice, store)
    assert verdict.rows == 13 * 7
    assert await worker.terminate() == 0


async def test_a_stopped_worker_commits_what_it_has_and_leaves(sluice: Sluice, store: Store) -> None:
    await topics.create(sluice.settings)
    await produce(sluice.settings.kafka[0], sluice.raw_topic, some(200))
    worker = sluice.bronze(bronze_max_seconds=3600)
    await worker.ready()
    text = ""

    async def has_read() -> bool:
        nonlocal text
        text = (await worker.get("/metrics")).text
        return 'sluice_consumer_lag_records{group="' in text and "oldest_uncommitted_seconds 0.0" not in text

    await wait_until(has_read, "records to be read")
    assert await covered(store) == {}
    assert await worker.terminate(10.0) == 0
    assert (await hold(sluice, store)).rows == 200


async def covered_beyond(store: Store, offset: int) -> bool:
    there = await covered(store)
    return len(there) == 2 and min(there.values()) > offset


async def test_ranges_close_by_bytes_and_their_files_say_what_they_hold(sluice: Sluice, store: Store) -> None:
    await topics.create(sluice.settings)
    await produce(sluice.settings.kafka[0], sluice.raw_topic, some(2000))
    worker = sluice.bronze(bronze_max_seconds=3600, bronze_max_bytes=20_000)
    await wait_until(lambda: covered_beyond(store, 800), "ranges to be closed", seconds=90)
    assert await worker.terminate() == 0
    await hold(sluice, store)
    sizes: dict[str, int] = {}
    async for entry in BronzeReader(store).objects():
        name = entry.path.rpartition("/")[2]
        found = await store.get(entry.path)
        assert found is not None
        lines = gzip.decompress(found.data).splitlines()
        first, last = name.removesuffix(".ndjson.gz").rpartition("+")[2].split("-")
        assert all(int(first) <= json.loads(line)["_kafka"]["offset"] <= int(last) for line in lines)
        sizes[name] = sizes.get(name, 0) + entry.rows
    assert len(sizes) > 10


def history(count: int, days: int) -> list[Raw]:
    """Events of many days in the order in which they occurred, with Kafka timestamps as old."""
    return [
        Raw(
            click(number, occurred_at=f"{date.fromordinal(738_000 + number * days // count)}T12:00:00Z"),
            f"k{number}".encode(),
            timestamp_ms=1_600_000_000_000 + number,
            partition=number % 2,
        )
        for number in range(count)
    ]


async def test_history_becomes_few_ranges_and_is_not_behind_once_it_is_read(
    sluice: Sluice, store: Store
) -> None:
    await topics.create(sluice.settings)
    await produce(sluice.settings.kafka[0], sluice.raw_topic, history(20_000, 60), compression_type="lz4")
    worker = sluice.bronze(bronze_max_seconds=2)
    await until_covered(sluice, store, worker)
    assert len([found async for found in BronzeReader(store).commits()]) <= 4, "not one every two seconds"
    await produce(sluice.settings.kafka[0], sluice.raw_topic, history(10, 10))
    started = time.monotonic()
    await until_covered(sluice, store, worker)
    assert time.monotonic() - started < 18, "its old timestamps do not make it wait for ten times the age"
    verdict = await hold(sluice, store)
    assert verdict.objects <= 60 * 2 * 2 + 20
    assert await worker.terminate() == 0


async def test_a_worker_of_another_layout_goes_on_where_one_ended(sluice: Sluice, store: Store) -> None:
    await topics.create(sluice.settings)
    for domains in ("", "search", "search,bookings", ""):
        await produce(sluice.settings.kafka[0], sluice.raw_topic, some(200), compression_type="lz4")
        worker = sluice.bronze(bronze_city_domains=domains)
        await until_covered(sluice, store, worker)
        worker.kill()
    paths = [entry.path async for entry in BronzeReader(store).objects()]
    assert {path.count("/") for path in paths if path.startswith("event=")} == {2, 3}
    assert any("/city=__HIVE_DEFAULT_PARTITION__/" in path for path in paths)
    await hold(sluice, store)


@pytest.mark.parametrize("seed", repeats(0, 1))
async def test_killed_at_any_moment_with_two_workers_each_offset_is_there_once(
    sluice: Sluice, store: Store, seed: int, kills: int
) -> None:
    await topics.create(sluice.settings)
    draw = random.Random(seed)
    workers = [sluice.bronze(f"bronze-{name}", bronze_max_bytes=30_000) for name in "ab"]
    start = 0
    for _ in range(kills):
        count = draw.randrange(500, 3000)
        await produce(sluice.settings.kafka[0], sluice.raw_topic, some(count, start), compression_type="lz4")
        start += count
        await asyncio.sleep(draw.random() * 2)  # a moment to die in, not a wait
        victim = draw.choice(workers)
        if draw.random() < 0.3:
            victim.signal(signal.SIGSTOP)
            await asyncio.sleep(draw.random() * 7)
            victim.signal(signal.SIGCONT)
        else:
            victim.kill()
            victim.start()
    await until_covered(sluice, store, *workers, seconds=120)
    for worker in workers:
        await worker.ready()
        assert await worker.terminate() == 0
    verdict = await hold(sluice, store)
    assert verdict.unfinished == 0


async def test_what_kafka_deleted_unread_is_noted_and_told(sluice: Sluice, store: Store) -> None:
    await topics.create(sluice.settings)
    await produce(sluice.settings.kafka[0], sluice.raw_topic, some(100))
    worker = sluice.bronze()
    await until_covered(sluice, store, worker)
    assert await worker.terminate() == 0
    await produce(sluice.settings.kafka[0], sluice.raw_topic, some(100, 100))
    await delete_records(sluice.settings.kafka[0], sluice.raw_topic, 80)
    worker.start()
    await until_covered(sluice, store, worker)
    assert await worker.terminate() == 0

    verdict = await verify(store)
    assert verdict.problems == []
    assert verdict.lost == [(sluice.raw_topic, 0, 50, 80)]
    assert sorted(offset for partition, offset in await rows_of(store) if partition == 0) == [
        *range(50), *range(80, 100)
    ]  # fmt: skip
    alarms = [
        json.loads(record.value or b"")
        for record in await read_all(sluice.settings.kafka[0], sluice.settings.topic("ops.alarms"))
    ]
    assert {alarm["subject"] for alarm in alarms} == {f"{sluice.raw_topic}-0"}
    assert {(alarm["state"], alarm["code"]) for alarm in alarms} == {("raised", "PIPELINE_LAG_EXCEEDED")}


async def test_a_corrupt_commit_ends_the_worker_with_its_name(
    sluice: Sluice, store: Store, tmp_path: Path
) -> None:
    await topics.create(sluice.settings)
    await produce(sluice.settings.kafka[0], sluice.raw_topic, some(100))
    worker = sluice.bronze()
    await until_covered(sluice, store, worker)
    assert await worker.terminate() == 0
    (newest, *_) = sorted((tmp_path / "store" / "_commits").rglob("1/*.json"), reverse=True)
    content = newest.read_bytes()
    newest.write_bytes(content[:-10])

    worker.start()
    assert await worker.end(40) == 1
    assert str(newest.relative_to(tmp_path / "store")) in worker.tail()
    verified = sluice.run("bronze", "verify")
    assert verified.returncode == 1
    assert newest.name in verified.stdout
    with pytest.raises(CorruptFileError):
        decode_commit(newest.name, newest.read_bytes())

    newest.unlink()
    robbed = sluice.run("bronze", "verify", "--json")
    assert robbed.returncode == 1
    (problem,) = json.loads(robbed.stdout)["problems"]
    assert (problem["kind"], problem["path"]) == ("missing", str(newest.relative_to(tmp_path / "store")))

    await produce(sluice.settings.kafka[0], sluice.raw_topic, some(100, 100))
    worker.start()  # it writes the commit again, from its intent
    await until_covered(sluice, store, worker)
    assert newest.read_bytes() == content
    assert await worker.terminate() == 0
    await hold(sluice, store)


async def test_a_worker_that_writes_is_not_blamed(sluice: Sluice, store: Store) -> None:
    await topics.create(sluice.settings)
    await produce(sluice.settings.kafka[0], sluice.raw_topic, some(3000))
    worker = sluice.bronze(bronze_max_bytes=3_000)
    looking = asyncio.create_task(until_covered(sluice, store, worker))
    verdicts = [await verify(store)]
    while not looking.done():
        verdicts.append(await verify(store))
    await looking
    assert [problem for verdict in verdicts for problem in verdict.problems if verdict.commits] == []
    assert len({verdict.commits for verdict in verdicts}) > 2, "it was looked at while it grew"
    assert await worker.terminate() == 0
    await hold(sluice, store)


@pytest.mark.versity
async def test_s3_that_is_away_loses_nothing(
    sluice: Sluice, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    await topics.create(sluice.settings)
    with S3Server(gateway_or_moto(), tmp_path / "s3") as server:
        for name, value in server.environment.items():
            monkeypatch.setenv(name, value)
        url = f"s3://{BUCKET}/some/prefix"
        store = store_at(url)
        worker = sluice.bronze(bronze_url=url)
        await produce(sluice.settings.kafka[0], sluice.raw_topic, some(300))
        await until_covered(sluice, store, worker)
        await hold(sluice, store)

        server.go_away()
        await produce(sluice.settings.kafka[0], sluice.raw_topic, some(300, 300))
        await worker.says("EVENT_PUT_FAILED", seconds=150)
        server.come_back()
        await until_covered(sluice, store, worker, seconds=90)
        await hold(sluice, store)
        assert 'sluice_errors_total{code="EVENT_PUT_FAILED"}' in (await worker.get("/metrics")).text
        assert await worker.terminate() == 0


async def test_a_worker_waits_for_a_store_that_does_not_answer(sluice: Sluice, tmp_path: Path) -> None:
    await topics.create(sluice.settings)
    await produce(sluice.settings.kafka[0], sluice.raw_topic, some(100))
    (tmp_path / "blocked").write_bytes(b"a file, no folder")
    worker = sluice.bronze(bronze_url=f"file://{tmp_path}/blocked/store")
    await worker.says("EVENT_PUT_FAILED")
    (tmp_path / "blocked").unlink()
    store = store_at(f"file://{tmp_path}/blocked/store")
    await until_covered(sluice, store, worker)
    await hold(sluice, store)
    assert await worker.terminate() == 0
