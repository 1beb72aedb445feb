"""`sluice replay` on a real Kafka: what is sent, keyed, stamped and acknowledged."""

from __future__ import annotations

import asyncio
import base64
import gzip
import json
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Sequence
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from streams.bus.embedded import EmbeddedKafka
from streams.sources.fixture import FIXTURE
from tests.kafka import create_topics, read_all, wait_until

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
    return await asyncio.create_subprocess_exec(
        *REPLAY, *arguments, env=environment(kafka, topic), stdin=pipe, stdout=pipe, stderr=pipe
    )


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


async def _communicate(process: asyncio.subprocess.Process, stdin: bytes | None = None) -> Sequence[str]:
    with suppress(BrokenPipeError):
        return [text.decode() for text in await process.communicate(stdin)]
    raise AssertionError("it has closed its input")
