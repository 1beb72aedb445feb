"""The contestants that contain none of our code: how each is started, and how its result is found."""

from __future__ import annotations

import asyncio
import json
import shutil
import uuid
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

from tests.bench.contest import TIMEOUT_SECONDS, Arena, Run, measured
from tests.bench.load import PARTITIONS
from tests.bench.peers import topics
from tests.bench.peers.oracle import Expected
from tests.bench.peers.verdict import Result, wrong_job, wrong_limit
from tests.bench.process import Child
from tests.bench.worker import settings_of
from tests.support.kafka import create_topics
from tests.support.paths import ROOT

PYTHON = ROOT / ".venv-peers/bin/python"
JAVA = ROOT / "tests/bench/peers/contestants/kafka_streams"
SCHEMAS = ROOT / "schemas/json"
QUARANTINE_BYTES = 1 << 20


class Program(NamedTuple):
    """A contestant: its command, and for a job the changelog that its sums are read from.

    A job without a changelog leaves its sums in results.json.
    """

    command: tuple[str, ...]
    is_limit: bool = False
    changelog: str = ""
    parse: topics.Parse | None = None


def _module(name: str) -> tuple[str, ...]:
    return str(PYTHON), "-m", f"tests.bench.peers.contestants.{name}"


PROGRAMS = {
    "librdkafka": Program(_module("librdkafka_limit"), is_limit=True),
    "aiokafka": Program(_module("aiokafka_limit"), is_limit=True),
    "bytewax": Program(_module("bytewax_job")),
    "quixstreams": Program(
        _module("quixstreams_job"), changelog="changelog__{name}--{topic}--default", parse=topics.of_quix
    ),
    "kafka-streams": Program(
        (
            "java",
            "-Xms1g",
            "-Xmx1g",
            "-XX:+UseParallelGC",
            "-cp",
            f"{JAVA}/target/classes:{JAVA}/target/lib/*",
            "MoneyJob",
        ),
        changelog="{name}-sums-changelog",
        parse=topics.of_kafka_streams,
    ),
    "faust": Program(_module("faust_job"), changelog="{name}-sums-changelog", parse=topics.of_faust),
}


def run_program(which: str, arena: Arena, expected: Expected) -> Run:
    """Run a contestant on a topic from its beginning, with a name of its own, and judge what it leaves."""
    name = f"{which}-{uuid.uuid4().hex[:8]}"
    program, folder = PROGRAMS[which], arena.folder / name
    folder.mkdir()
    task: dict[str, Any] = {
        "server": arena.server, "topic": arena.topic, "partitions": PARTITIONS, "events": arena.events,
        "name": name, "quarantine": f"{name}.quarantine", "schemas": str(SCHEMAS), "folder": str(folder),
    }  # fmt: skip
    asyncio.run(
        create_topics(
            arena.server, task["quarantine"], partitions=PARTITIONS, max_message_bytes=QUARANTINE_BYTES
        )
    )
    try:
        with Child([*program.command, json.dumps(task)], arena.folder / f"{which}.log") as child:
            first = child.wait_line("first$", TIMEOUT_SECONDS)
            run = measured(child, first, child.wait_line("done$", TIMEOUT_SECONDS), arena.events)
            if not program.changelog:
                child.wait_line("^written$", TIMEOUT_SECONDS)
        return run._replace(void=asyncio.run(_wrong(program, task, arena, expected)))
    finally:
        shutil.rmtree(folder, ignore_errors=True)


async def _wrong(program: Program, task: dict[str, Any], arena: Arena, expected: Expected) -> str:
    settings = settings_of({"SLUICE_KAFKA": arena.server})
    kept = Path(task["folder"]) / "results.json"
    if program.is_limit:
        return wrong_limit(expected, json.loads(kept.read_text(encoding="utf-8")))
    if program.parse is not None:
        sums = await topics.changelog_sums(settings, program.changelog.format(**task), program.parse)
    else:
        sums = json.loads(kept.read_text(encoding="utf-8"))["sums"]
    return wrong_job(expected, Result(sums, await topics.quarantined(settings, task["quarantine"])))


def chosen(name: str, arena: Arena, expected: Expected) -> Callable[[], Run]:
    """A contestant of `PROGRAMS` as `tests.bench.contest.hold` takes it."""
    return partial(run_program, name, arena, expected)
