"""`sluice simulate` into a real Kafka."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from datetime import UTC, datetime, timedelta

import pytest
from aiokafka.partitioner import DefaultPartitioner

from schemas.validation.validator import Validator
from streams.embedded.broker import EmbeddedKafka
from streams.sources.market import Faults, Market
from tests.support.kafka import create_topics, read_all, wait_until
from tests.support.programs import started

COMMAND = [sys.executable, "-m", "streams.cli.main", "simulate"]
FAULTS = ["--bad", "0.03", "--late", "0.03", "--duplicates", "0.03"]
PARTITIONS = 3


def environment(kafka: EmbeddedKafka) -> dict[str, str]:
    return {**os.environ, "SLUICE_KAFKA": kafka.bootstrap}


def simulate(kafka: EmbeddedKafka, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*COMMAND, *arguments],
        env=environment(kafka),
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


async def test_the_markets_records_are_in_kafka_by_key_and_stamped_with_now(
    kafka: EmbeddedKafka, prefix: str
) -> None:
    topic = f"{prefix}raw"
    await create_topics(kafka.bootstrap, topic, partitions=PARTITIONS)
    start = datetime.now(UTC).replace(microsecond=0) - timedelta(hours=1)
    before_ms = time.time_ns() // 1_000_000
    answer = simulate(
        kafka,
        "--rate",
        "0",
        "--count",
        "20000",
        "--start",
        start.isoformat(),
        *FAULTS,
        "--topic",
        topic,
        "--json",
    )
    after_ms = time.time_ns() // 1_000_000

    market = Market(1, start, faults=Faults(bad=0.03, late=0.03, duplicates=0.03))
    records = market.advance(20_000)
    read = await read_all(kafka.bootstrap, topic)
    choose, partitions = DefaultPartitioner(), list(range(PARTITIONS))
    for partition in partitions:
        expected = [(r.key, r.value) for r in records if choose(r.key, partitions, partitions) == partition]
        assert [(r.key, r.value) for r in read if r.partition == partition] == expected
    assert all(before_ms <= record.timestamp_ms <= after_ms for record in read)

    report = json.loads(answer.stdout)
    assert (report["to"], report["records"], report["bad"]) == (topic, 20_000, dict(market.bad))
    judged = Validator().decode_batch([r.value for r in read], [r.timestamp_ms for r in read])
    assert len(judged.bad) == market.bad.total()


async def test_live_it_sends_as_things_happen_until_it_is_told_to_end(
    kafka: EmbeddedKafka, prefix: str
) -> None:
    topic = f"{prefix}raw"
    await create_topics(kafka.bootstrap, topic)
    arguments = ["--rate", "1000", "--flat", "--topic", topic, "--json"]
    with started([*COMMAND, *arguments], stdout=subprocess.PIPE, env=environment(kafka)) as program:

        async def some_came() -> bool:
            return len(await read_all(kafka.bootstrap, topic)) > 200

        await wait_until(some_came, "the first events")
        program.send_signal(signal.SIGTERM)
        answer, _ = program.communicate(timeout=30)
    assert program.returncode == 0

    read = await read_all(kafka.bootstrap, topic)
    assert json.loads(answer)["records"] == len(read)
    judged = Validator().decode_batch([r.value for r in read], [r.timestamp_ms for r in read])
    assert judged.bad == []
    assert all(
        occurred <= (record.timestamp_ms + 1) * 1_000
        for occurred, record in zip(judged.times, read, strict=True)
    )


@pytest.mark.parametrize("limit", [("--count", "5000"), ("--duration", "1m")])
async def test_as_fast_as_possible_ends_before_now(
    kafka: EmbeddedKafka, prefix: str, limit: tuple[str, str]
) -> None:
    topic = f"{prefix}raw"
    await create_topics(kafka.bootstrap, topic)
    assert simulate(kafka, "--rate", "0", *limit, "--topic", topic).returncode == 0
    times = [
        datetime.fromisoformat(json.loads(read.value or b"")["occurred_at"])
        for read in await read_all(kafka.bootstrap, topic)
    ]
    assert timedelta(0) < datetime.now(UTC) - max(times) < timedelta(hours=1)


def test_without_the_topic_it_says_how_to_make_it(kafka: EmbeddedKafka, prefix: str) -> None:
    answer = simulate(kafka, "--topic", f"{prefix}none")
    assert answer.returncode == 1
    assert f"there is no topic {prefix}none: `sluice topics create` makes it" in answer.stderr
