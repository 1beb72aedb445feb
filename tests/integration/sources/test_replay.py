"""`sluice replay` on a real Kafka: what is sent, keyed, stamped and acknowledged."""

from __future__ import annotations

import asyncio
import base64
import bz2
import gzip
import io
import json
import os
import signal
import subprocess
import sys
import time
import zipfile
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from streams.embedded.broker import EmbeddedKafka
from streams.sources.fixture import FIXTURE
from tests.support.kafka import create_topics, read_all, wait_until

REPLAY = [sys.executable, "-m", "streams.cli.main", "replay"]


def environment(kafka: EmbeddedKafka, topic: str) -> dict[str, str]:
    return {**os.environ, "SLUICE_KAFKA": kafka.bootstrap, "SLUICE_RAW_TOPICS": topic}


def run(
    kafka: EmbeddedKafka, topic: str, *arguments: str, stdin: bytes | None = None
) -> subprocess.CompletedProcess[str]:
    done = subprocess.run(
        [*REPLAY, *arguments],
        env=environment(kafka, topic),
        input=stdin,
        capture_output=True,
        check=False,
        timeout=120,
    )
    return subprocess.CompletedProcess(done.args, done.returncode, done.stdout.decode(), done.stderr.decode())


async def start(kafka: EmbeddedKafka, topic: str, *arguments: str) -> asyncio.subprocess.Process:
    pipe = asyncio.subprocess.PIPE
    process = await asyncio.create_subprocess_exec(
        *REPLAY, *arguments, env=environment(kafka, topic), stdin=pipe, stdout=pipe, stderr=pipe
    )
    running.append(process)
    return process


running: list[asyncio.subprocess.Process] = []


@pytest_asyncio.fixture(autouse=True)
async def _no_program_outlives_its_test() -> AsyncIterator[None]:
    yield
    while running:
        process = running.pop()
        if process.returncode is None:
            process.kill()
            await asyncio.wait_for(process.wait(), 30)


def booking(number: int, at: str = "2026-01-01T00:00:00Z") -> bytes:
    payload = {"booking_id": f"b{number // 2}", "accept_by": "2026-01-01T01:00:00Z"}
    event = {"event_id": f"e{number}", "event": "x.y", "occurred_at": at, "payload": payload}
    return json.dumps(event).encode()


async def sent_to(kafka: EmbeddedKafka, topic: str) -> list[bytes]:
    return sorted(record.value or b"" for record in await read_all(kafka.bootstrap, topic))


async def test_lines_arrive_as_they_are_keyed_by_entity_and_stamped_now(
    kafka: EmbeddedKafka, prefix: str, tmp_path: Path
) -> None:
    topic = f"{prefix}raw"
    await create_topics(kafka.bootstrap, topic, partitions=4)
    lines = [booking(number) for number in range(100)] + [b"not json", b'{"payload":\xff}']
    plain, packed = tmp_path / "a.ndjson", tmp_path / "b.ndjson.gz"
    plain.write_bytes(b"\n".join(lines[:50]))
    packed.write_bytes(gzip.compress(b"\n".join(lines[50:]) + b"\n"))
    before = time.time_ns() // 1_000_000

    done = run(kafka, topic, "--json", str(plain), str(packed))

    assert done.returncode == 0, done.stderr
    report = json.loads(done.stdout)
    assert (report["read"], report["acknowledged"], report["interrupted"]) == (102, 102, False)
    records = await read_all(kafka.bootstrap, topic)
    assert sorted(record.value or b"" for record in records) == sorted(lines)
    assert all(before <= record.timestamp_ms <= time.time_ns() // 1_000_000 for record in records)
    by_key: dict[bytes | None, list[Any]] = {}
    for record in records:
        by_key.setdefault(record.key, []).append(record)
    assert len(by_key.pop(None)) == 2
    assert set(by_key) == {f"b{number}".encode() for number in range(50)}
    for pair in by_key.values():
        assert len({record.partition for record in pair}) == 1
        assert [record.value for record in pair] == sorted(record.value for record in pair)


async def test_a_key_goes_where_other_producers_send_it(kafka: EmbeddedKafka, prefix: str) -> None:
    from aiokafka import AIOKafkaProducer

    topic = f"{prefix}raw"
    await create_topics(kafka.bootstrap, topic, partitions=4)
    assert (
        run(kafka, topic, "-", stdin=b"\n".join(booking(2 * number) for number in range(40))).returncode == 0
    )
    producer = AIOKafkaProducer(bootstrap_servers=kafka.bootstrap)
    await producer.start()
    for number in range(40):
        await producer.send_and_wait(topic, b"other", key=f"b{number}".encode())
    await producer.stop()
    places: dict[bytes | None, set[int]] = {}
    for record in await read_all(kafka.bootstrap, topic):
        places.setdefault(record.key, set()).add(record.partition)
    assert all(len(partitions) == 1 for partitions in places.values())
    assert len(set.union(*places.values())) == 4


async def test_rebase_brings_the_newest_event_to_now(kafka: EmbeddedKafka, prefix: str) -> None:
    topic = f"{prefix}raw"
    await create_topics(kafka.bootstrap, topic)
    lines = [booking(1, "2020-05-01T00:00:00.25Z"), booking(2, "2020-05-01T12:00:00+02:00"), b"bad"]
    before = datetime.now(UTC) - timedelta(seconds=1)
    assert run(kafka, topic, "--rebase", "now", "-", stdin=b"\n".join(lines)).returncode == 0
    values = [record.value or b"" for record in await read_all(kafka.bootstrap, topic)]
    assert b"bad" in values
    first, second = (json.loads(value) for value in values if value != b"bad")
    newest = datetime.fromisoformat(second["occurred_at"])
    assert before <= newest <= datetime.now(UTC)
    assert newest - datetime.fromisoformat(first["occurred_at"]) == timedelta(hours=10, seconds=-0.25)
    due = datetime.fromisoformat(second["payload"]["accept_by"])
    original = datetime(2026, 1, 1, 1, tzinfo=UTC) - datetime(2020, 5, 1, 10, tzinfo=UTC)
    assert due - newest == original


async def test_online_retail_arrives_in_time_order_with_its_totals(kafka: EmbeddedKafka, prefix: str) -> None:
    topic = f"{prefix}raw"
    await create_topics(kafka.bootstrap, topic)
    for _ in range(2):  # a second replay repeats the ids
        assert run(kafka, topic, "--format", "online-retail", str(FIXTURE)).returncode == 0
    events = [json.loads(record.value or b"") for record in await read_all(kafka.bootstrap, topic)]
    assert len(events) == 2 * 439
    assert events[:439] == events[439:]
    assert [event["occurred_at"] for event in events[:439]] == sorted(e["occurred_at"] for e in events[:439])
    assert len({event["event_id"] for event in events}) == 439
    charges = sum(e["payload"]["amount_minor"] for e in events[:439] if e["event"] == "charge.succeeded")
    assert charges == 9_848_926


async def test_a_rate_is_kept(kafka: EmbeddedKafka, prefix: str) -> None:
    topic = f"{prefix}raw"
    await create_topics(kafka.bootstrap, topic)
    done = run(kafka, topic, "--json", "--rate", "100", "-", stdin=b"\n".join(map(booking, range(50))))
    assert json.loads(done.stdout)["seconds"] >= 0.4
    stamps = [record.timestamp_ms for record in await read_all(kafka.bootstrap, topic)]
    assert stamps[-1] - stamps[0] >= 400


async def test_a_slow_pipe_holds_no_line_back_and_ctrl_c_ends_it(kafka: EmbeddedKafka, prefix: str) -> None:
    topic = f"{prefix}raw"
    await create_topics(kafka.bootstrap, topic)
    replaying = await start(kafka, topic, "-")
    assert replaying.stdin is not None
    replaying.stdin.write(booking(1) + b"\n")
    await replaying.stdin.drain()

    async def arrived() -> bool:
        return await sent_to(kafka, topic) == [booking(1)]

    await wait_until(arrived, "the line of an open pipe")
    replaying.send_signal(signal.SIGINT)
    said, complaints = await asyncio.wait_for(_communicate(replaying), 10)
    assert replaying.returncode == 1
    assert said.startswith("interrupted: 1 events to ")
    assert "Traceback" not in complaints


@pytest.mark.timeout(240)  # a Kafka of its own that starts twice, and two minutes for the rest to go out
async def test_nothing_is_lost_or_repeated_when_the_broker_dies(
    own_kafka: EmbeddedKafka, tmp_path: Path
) -> None:
    await create_topics(own_kafka.bootstrap, "raw", partitions=4)
    lines = [booking(number) for number in range(60_000)]
    file = tmp_path / "many.ndjson"
    file.write_bytes(b"\n".join(lines))
    replaying = await start(own_kafka, "raw", "--json", "--rate", "15000", str(file))
    reading = asyncio.create_task(_communicate(replaying))

    async def some_have_arrived() -> bool:
        return len(await read_all(own_kafka.bootstrap, "raw")) > 5_000

    await wait_until(some_have_arrived, "the first events")
    await asyncio.to_thread(own_kafka.kill)
    await asyncio.to_thread(own_kafka.start)
    said, complaints = await asyncio.wait_for(reading, 120)
    assert replaying.returncode == 0, complaints
    assert json.loads(said)["acknowledged"] == len(lines)
    assert Counter(await sent_to(own_kafka, "raw")) == Counter(lines)


async def test_kafka_away_is_waited_for_and_said(own_kafka: EmbeddedKafka) -> None:
    await create_topics(own_kafka.bootstrap, "raw")
    own_kafka.stop()
    replaying = await start(own_kafka, "raw", "-", "--timeout", "60")
    assert replaying.stderr is not None
    line = await asyncio.wait_for(replaying.stderr.readline(), 20)
    assert line.startswith(f"sluice: Kafka at {own_kafka.bootstrap} does not answer".encode())
    await asyncio.to_thread(own_kafka.start)
    said, _ = await asyncio.wait_for(_communicate(replaying, booking(1)), 60)
    assert (replaying.returncode, "1 events to raw" in said) == (0, True)


async def test_what_cannot_be_sent_is_one_line_and_exit_code_1(
    kafka: EmbeddedKafka, prefix: str, tmp_path: Path
) -> None:
    topic = f"{prefix}raw"
    done = run(kafka, topic, "-", stdin=booking(1))
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == f"sluice: there is no topic {topic}: `sluice topics create` makes it\n"
    await create_topics(kafka.bootstrap, topic)
    huge = tmp_path / "huge"
    huge.write_bytes(booking(1) + b"\n" + base64.b64encode(os.urandom(3_000_000)))
    done = run(kafka, topic, str(huge))
    assert done.returncode == 1
    assert f"{huge}, line 2: larger than the topic {topic} takes" in done.stderr
    assert "Traceback" not in done.stderr


async def test_what_comes_before_a_damage_is_sent_and_told(
    kafka: EmbeddedKafka, prefix: str, tmp_path: Path
) -> None:
    topic = f"{prefix}raw"
    await create_topics(kafka.bootstrap, topic)
    good = [booking(number) for number in range(3)]
    cut = tmp_path / "cut"
    cut.write_bytes(b"\n".join([*good, b""]).decode().encode("utf-16") + b"x")
    done = run(kafka, topic, str(cut))
    told = "line 4: is no text in UTF-16-LE (truncated data) (3 events before it are in Kafka)"
    assert (done.returncode, done.stderr) == (1, f"sluice: {cut}, {told}\n")
    assert await sent_to(kafka, topic) == sorted(good)


async def _communicate(process: asyncio.subprocess.Process, stdin: bytes | None = None) -> Sequence[str]:
    with suppress(BrokenPipeError):
        return [text.decode() for text in await process.communicate(stdin)]
    raise AssertionError("it has closed its input")


async def test_no_file_is_sent_when_one_of_them_holds_no_event(
    kafka: EmbeddedKafka, prefix: str, tmp_path: Path
) -> None:
    topic = f"{prefix}raw"
    await create_topics(kafka.bootstrap, topic)
    good, shop = tmp_path / "good.ndjson", tmp_path / "shop.csv"
    good.write_bytes(booking(1))
    shop.write_bytes(gzip.decompress(FIXTURE.read_bytes()))
    done = run(kafka, topic, str(good), str(shop))
    assert (done.returncode, done.stdout) == (2, "")
    said = f"sluice: {shop}: it looks like the Online Retail CSV: replay it with --format online-retail\n"
    assert done.stderr == said
    assert await sent_to(kafka, topic) == []
    piped = run(kafka, topic, "-", stdin=shop.read_bytes())
    assert (piped.returncode, "--format online-retail" in piped.stderr) == (2, True)
    assert await sent_to(kafka, topic) == []
    other = run(kafka, topic, "--format", "online-retail", str(good))
    assert (other.returncode, "it looks like JSON: replay it with --format ndjson" in other.stderr) == (
        2,
        True,
    )


async def test_force_sends_it_and_the_end_says_that_no_line_was_an_object(
    kafka: EmbeddedKafka, prefix: str, tmp_path: Path
) -> None:
    topic = f"{prefix}raw"
    await create_topics(kafka.bootstrap, topic)
    text = tmp_path / "text"
    text.write_bytes(b"one\ntwo\n")
    done = run(kafka, topic, "--force", str(text))
    assert done.returncode == 1
    assert "of 2 lines or values 2 are no JSON object and 0 more have no envelope" in done.stdout
    assert await sent_to(kafka, topic) == [b"one", b"two"]
    text.write_bytes(b"three\n" + booking(1) + b'\n{"a":1}\n')
    done = run(kafka, topic, "--json", str(text))
    assert done.returncode == 0
    report = json.loads(done.stdout)
    assert (report["read"], report["not_objects"], report["not_envelopes"]) == (3, 1, 1)
    text.write_bytes(b'{"a":1}\n')
    assert run(kafka, topic, "--force", str(text)).returncode == 1


async def test_of_empty_files_none_is_sent_but_one_does_no_harm(
    kafka: EmbeddedKafka, prefix: str, tmp_path: Path
) -> None:
    topic = f"{prefix}raw"
    await create_topics(kafka.bootstrap, topic)
    empty, good = tmp_path / "empty", tmp_path / "good"
    empty.touch()
    good.write_bytes(booking(1))
    done = run(kafka, topic, str(empty), "-", stdin=b"")
    assert (done.returncode, f"{empty}, -: empty, there is no event to send" in done.stderr) == (2, True)
    assert run(kafka, topic, "--force", str(empty)).returncode == 0
    assert run(kafka, topic, str(empty), str(good)).returncode == 0
    assert await sent_to(kafka, topic) == [booking(1)]


async def test_packed_arrays_arrive_by_a_pipe_and_rebased(kafka: EmbeddedKafka, prefix: str) -> None:
    topic = f"{prefix}raw"
    await create_topics(kafka.bootstrap, topic)
    events = json.dumps([json.loads(booking(number)) for number in range(20)], indent=2).encode("utf-16")
    for data in (events, gzip.compress(events), bz2.compress(events), _zipped(events)):
        for options in ([], ["--rebase", "now"]):
            done = run(kafka, topic, *options, "-", stdin=data)
            assert done.returncode == 0, done.stderr
    ids = Counter(json.loads(value)["event_id"] for value in await sent_to(kafka, topic))
    assert ids == {f"e{number}": 8 for number in range(20)}


def _zipped(data: bytes) -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("events.json", data)
    return packed.getvalue()
