"""`sluice worker views --processes N`: the workers share the partitions, and one that dies is replaced."""

from __future__ import annotations

import json
import os
import re
import signal
import time
from pathlib import Path

import httpx

from streams.embedded.broker import EmbeddedKafka
from streams.embedded.config import free_port
from streams.kafka import topics
from tests.oracle.load import Load, Mix
from tests.support.feed import FeedWatcher, exact
from tests.support.kafka import wait_until
from tests.support.processes import Role, Sluice, is_running, started_by
from tests.support.sending import produce_all

PARTITIONS = 4
HOUR_MS = 3_600_000


async def owned(port: int) -> set[str]:
    """The partitions that a worker's metrics are of; none while it does not answer, or is not ready."""
    async with httpx.AsyncClient() as client:
        try:
            if (await client.get(f"http://127.0.0.1:{port}/readyz")).status_code != 200:
                return set()
            text = (await client.get(f"http://127.0.0.1:{port}/metrics")).text
        except httpx.TransportError:
            return set()
    return set(re.findall(r'^sluice_consumer_lag_records\{.*partition="(\d+)".*\}', text, re.MULTILINE))


async def shared(ports: list[int]) -> bool:
    """Whether each has its half of the partitions."""
    first, second = [await owned(port) for port in ports]
    return len(first) == len(second) == PARTITIONS / 2 and len(first | second) == PARTITIONS


def processes_named(role: Role) -> set[str]:
    """Who has written lines into the common log; the command itself has no name."""
    lines = [json.loads(line) for line in role.output().splitlines() if line.startswith("{")]
    return {line["process"] for line in lines if "process" in line}


async def test_two_processes_share_the_partitions_and_stay_exact_through_a_kill(
    kafka: EmbeddedKafka, prefix: str, tmp_path: Path
) -> None:
    base = free_port()
    with Sluice(
        tmp_path, kafka.bootstrap, prefix,
        partitions=PARTITIONS, pane_minutes=120, pane_hours=5, dedupe_seconds=900,
    ) as sluice:  # fmt: skip
        await topics.create(sluice.settings)
        load = Load(7, int(time.time() * 1000) - 30 * HOUR_MS, Mix(milliseconds=2500))
        api = sluice.api()
        both = sluice.started(
            "both", "worker", "views", "--processes", "2", metrics_port=base, instance="machine"
        )
        ports = [base, base + 1]
        async with FeedWatcher(sluice.settings) as feed:
            await wait_until(lambda: shared(ports), "both to own partitions", seconds=60)
            await produce_all(kafka.bootstrap, sluice.raw_topic, load.take(3_000))
            await feed.caught_up()

            (victim,) = started_by(both, "views-2")
            os.kill(victim, signal.SIGKILL)
            await produce_all(kafka.bootstrap, sluice.raw_topic, load.take(3_000))
            await both.says("worker views-2 was ended by SIGKILL; it is started again in 1.0 s")
            await feed.caught_up()
            await wait_until(lambda: len(started_by(both, "views-2")) == 2, "the second to be started again")
            await wait_until(lambda: shared(ports), "both to own partitions again", seconds=60)
            await produce_all(kafka.bootstrap, sluice.raw_topic, load.take(1_000))
            await feed.caught_up()
            await api.ready()
            await exact(sluice, api)

        assert processes_named(both) == {"views-1", "views-2"}
        for name in ("views-1", "views-2"):
            assert (tmp_path / "both" / name / "faust").is_dir()
        assert await both.terminate(20) == 0
        assert not any(is_running(pid) for name in ("views-1", "views-2") for pid in started_by(both, name))
