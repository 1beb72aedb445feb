"""Each right that `sluice topics list --acls` prints is needed: without it somebody says which is missing.

`make test` takes back one of each kind, `make chaos` one after the other.
"""

from __future__ import annotations

import random
import re
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from streams.kafka.acls import RAW, ROLES
from tests.oracle.bad import padded
from tests.support.acls import Entry, allow, take_back
from tests.support.feed import FeedWatcher
from tests.support.granted import PASSWORDS, Granted
from tests.support.kafka import Raw, produce, running, wait_until
from tests.support.processes import Sluice
from tests.support.recreate import delete_topic
from tests.support.secured import SecuredKafka

PROCESSES: dict[str, tuple[str, ...]] = {
    "views": ("worker", "views"), "bronze": ("worker", "bronze"), "gates": ("worker", "gates"),
    "audit": ("worker", "audit"), "notify": ("worker", "notify"), "api": ("api",),
    "ingest": ("ingest", "http"),
}  # fmt: skip
COMMANDS: dict[str, list[tuple[str, ...]]] = {
    "replay": [("replay", "events.ndjson")],
    "quarantine": [
        ("quarantine", "list"), ("quarantine", "replay", "--all", "--dry-run"),
        ("quarantine", "replay", "--all", "--again"),
    ],
    "rebuild": [("views", "rebuild", "kpi_gmv")],
    "doctor": [("doctor",)],
    "admin": [("topics", "create")],
}  # fmt: skip
ALL_KILLS = 50
"""With so many kills every right is taken back."""

Case = tuple[str, Entry]


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[SecuredKafka]:
    yield from running(SecuredKafka(tmp_path / "kafka", PASSWORDS))


async def test_without_a_right_it_is_said_which(broker: SecuredKafka, tmp_path: Path, kills: int) -> None:
    (tmp_path / "schemas").mkdir()
    file = tmp_path / "notify.toml"
    file.write_text('[[target]]\nname = "ops"\nkind = "slack"\nurl = "http://127.0.0.1:9/"\n')
    settings: dict[str, Any] = {
        "schema_registry_url": f"file://{tmp_path}/schemas",
        "registry_wait_seconds": 0,
        "notify_file": file,
    }
    with Sluice(tmp_path, broker.bootstrap, "own-", partitions=1, **settings) as sluice:
        granted = Granted(sluice, broker)
        await granted.grant(*ROLES)
        await begun(broker, sluice, granted)
        partitions = 1
        cases = [
            (role, entry)
            for role in ROLES
            for entry in granted.entries(role)
            if (role, entry.operation) != ("api", "Write")  # who decides something is told then
        ]
        for role, entry in chosen(cases, kills):
            if entry.operation == "Create":
                await delete_topic(broker.bootstrap, entry.name)
            partitions += entry.operation == "Alter"
            await take_back(broker.bootstrap, [entry])
            if role in PROCESSES:
                await a_process_says_it(granted, role, missed(role, entry))
            else:
                await a_command_says_it(granted, role, missed(role, entry), partitions)
            await allow(broker.bootstrap, [entry])
            if role == "admin":
                await granted.does("admin", "topics", "create", partitions=partitions)


async def begun(broker: SecuredKafka, sluice: Sluice, granted: Granted) -> None:
    """Topics with what the commands look at: a bad record, replayed once, and a schema that was decided."""
    await granted.does("admin", "topics", "create")
    (sluice.folder / "events.ndjson").write_bytes(padded(400, int(time.time() * 1000), event_id="a"))
    await granted.does("replay", "replay", "events.ndjson")
    await produce(broker.bootstrap, sluice.raw_topic, [Raw(b"\0\0\0\0\1x"), Raw(b"bad")])
    views = granted.started("views", "worker", "views")
    async with FeedWatcher(sluice.settings) as feed:
        await feed.caught_up()
        await granted.does("quarantine", "quarantine", "replay", "--all")
        await feed.caught_up()
    assert await views.terminate() == 0


def chosen(cases: list[Case], kills: int) -> list[Case]:
    """All, or one of each kind; what makes topics anew comes last."""
    by_kind: dict[tuple[str, str], list[Case]] = {}
    for role, entry in cases:
        by_kind.setdefault((entry.operation, entry.resource), []).append((role, entry))
    some = random.Random(0)  # the same each time
    found = cases if kills >= ALL_KILLS else [some.choice(of_kind) for of_kind in by_kind.values()]
    return sorted(found, key=lambda case: case[0] == "admin")


def missed(role: str, entry: Entry) -> Entry:
    """What is missed first: what lets a role do something with a topic also lets it see the topic."""
    sees = (role, entry.operation) == ("admin", "Alter")
    sees |= (role, entry.operation, entry.name.rpartition(".")[2]) == ("api", "Read", RAW)
    return entry._replace(operation="Describe") if sees else entry


def is_said(entry: Entry, output: str) -> bool:
    return bool(re.search(rf"right to ([^:]*, )?{re.escape(str(entry))}[,:\n]", output))


async def a_process_says_it(granted: Granted, role: str, entry: Entry) -> None:
    """A worker waits for the right, and goes on when it has it."""
    process = granted.started(role, *PROCESSES[role], ingest_port=0)

    async def said() -> bool:
        told = process.output()
        if role == "api" and "/docs)" in told:  # it answers, and says it where it matters
            told += str((await process.get("/v1/pipeline")).json()["bronze_unknown_because"])
            told += str((await process.get("/v1/quarantine")).json()["unknown_because"])
        return is_said(entry, told)

    await wait_until(said, f"{role} to miss the right to {entry}")
    if process.running:
        process.kill()


async def a_command_says_it(granted: Granted, role: str, entry: Entry, partitions: int) -> None:
    """One of the role's commands ends with 1."""
    outputs = []
    for command in COMMANDS[role]:
        done = await granted.run(role, *command, partitions=partitions)
        outputs.append(done.stdout + done.stderr)
        if done.returncode == 1 and is_said(entry, outputs[-1]):
            return
    raise AssertionError(f"{role} does not miss the right to {entry}: {outputs}")
