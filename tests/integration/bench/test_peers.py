"""The benchmark's way from a workload to a verdict on a real Kafka, with a contestant that needs no venv."""

from __future__ import annotations

import asyncio
import json
import sys
from pathlib import Path

import pytest

from streams.embedded.broker import EmbeddedKafka
from streams.settings import Settings
from tests.bench.contest import Arena
from tests.bench.load import PARTITIONS
from tests.bench.peers import programs, topics
from tests.bench.peers.oracle import filled
from tests.support.kafka import Raw, create_topics
from tests.support.sending import produce_all

EVENTS = 3_000


def test_a_limit_is_measured_and_judged(
    kafka: EmbeddedKafka, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    limit = programs.PROGRAMS["aiokafka"]
    here = limit._replace(command=(sys.executable, *limit.command[1:]))
    monkeypatch.setitem(programs.PROGRAMS, "aiokafka", here)
    topic, expected = asyncio.run(filled(kafka.bootstrap, "payments", EVENTS, tmp_path))
    assert (expected.records, expected.bad, expected.repeated) == (EVENTS, EVENTS // 100, 0)
    assert sum(count for count, _ in expected.sums.values()) == EVENTS - EVENTS // 100
    assert asyncio.run(filled(kafka.bootstrap, "payments", EVENTS, tmp_path)) == (topic, expected)

    arena = Arena(kafka.bootstrap, topic, EVENTS, tmp_path)
    run = programs.run_program("aiokafka", arena, expected)
    assert (run.void, run.events) == ("", EVENTS)
    assert run.cpu_s > 0
    assert run.peak_rss_mib > 1
    wrong = programs.run_program("aiokafka", arena, expected._replace(bad=0))
    assert "were refused, of which 0 are bad" in wrong.void


async def test_what_jobs_leave_in_kafka_is_read_as_it_would_be_restored(
    kafka: EmbeddedKafka, prefix: str
) -> None:
    settings = Settings.load({"SLUICE_KAFKA": kafka.bootstrap})
    changelog, quarantine = f"{prefix}changelog", f"{prefix}quarantine"
    await create_topics(kafka.bootstrap, changelog, quarantine, partitions=PARTITIONS)
    said = (("reason", b"empty"),)
    bad = [
        Raw(None, b"key", partition=3, headers=said),
        Raw(b"x", partition=0, headers=said),
        Raw(b"no reason"),
    ]
    await produce_all(kafka.bootstrap, quarantine, bad)
    assert await topics.quarantined(settings, quarantine) == 2
    sums = [
        Raw(b"[1, 5]", b'"0|a||EUR|7"', partition=0),
        Raw(b"[2, 9]", b'"0|a||EUR|7"', partition=0),
        Raw(b"[1, 4]", b'"1|a||EUR|7"', partition=1),
        Raw(b"[1, 1]", b'"1|b|oslo|EUR|7"', partition=1),
        Raw(None, b'"1|b|oslo|EUR|7"', partition=1),
    ]
    await produce_all(kafka.bootstrap, changelog, sums)
    assert await topics.changelog_sums(settings, changelog, topics.of_faust) == {"a||EUR|7": [3, 13]}


def test_changelogs_of_each_kind_are_understood() -> None:
    group, total = "charge.succeeded|oslo|EUR|29545920", [3, 2**40]
    key, value = json.dumps(group).encode(), json.dumps(total).encode()
    assert topics.of_quix(b"all|" + key, value) == (group, total)
    assert topics.of_faust(json.dumps(f"2|{group}").encode(), value) == (group, total)
    packed = b"".join(number.to_bytes(8, "big") for number in total)
    assert topics.of_kafka_streams(group.encode(), packed) == (group, total)
