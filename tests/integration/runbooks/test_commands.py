"""Every command of docs/runbooks runs as its page says, on a real deployment on which nothing is wrong."""

from __future__ import annotations

import os
import shlex
import subprocess
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext
from pathlib import Path
from threading import Lock
from typing import Any

import pytest

from streams.embedded.broker import JARS, EmbeddedKafka
from tests.support.bronze_topic import until_covered
from tests.support.certificates import Authority
from tests.support.feed import FeedWatcher, api_has_read, feed_reader
from tests.support.kafka import wait_until
from tests.support.patience import PATIENCE
from tests.support.processes import Role, Sluice
from tests.support.runbooks import PARSED_ALONE, Command, commands, pages
from tests.support.warm_commands import SECONDS, Warm

KAFKA_TOOLS = {
    "kafka-topics.sh": "org.apache.kafka.tools.TopicCommand",
    "kafka-configs.sh": "org.apache.kafka.tools.ConfigCommand",
}
HERE = {"sluice", "curl", "openssl", "token"}
AT_ONCE = 3
LAST = "topic-recreated"
"""A page that takes from the others what they look at."""

pytestmark = pytest.mark.timeout(300)  # some fifty commands, and a deployment


async def test_each_does_what_its_page_says(kafka: EmbeddedKafka, prefix: str, tmp_path: Path) -> None:
    with Sluice(tmp_path, kafka.bootstrap, prefix, partitions=2) as sluice:
        roles, values = await deployed(sluice)
        environ = environ_of(sluice, values["api"])
        found = [one for page in pages() for one in commands(page)]
        assert len(found) > 60
        assert {one.program for one in found} <= {
            "sluice",
            "curl",
            "openssl",
            "token",
            *KAFKA_TOOLS,
            *PARSED_ALONE,
        }
        once = {one.line: one for one in found if one.page != LAST}
        wrong = run_all(once.values(), values, environ, tmp_path)
        for one in found:
            if one.page == LAST:
                wrong += run_all([one], values, environ, tmp_path)
                if one.line == "sluice topics create":
                    await well(sluice, roles[-1])
        assert not wrong, "\n".join(wrong)
        assert all(role.running for role in roles)


async def deployed(sluice: Sluice) -> tuple[list[Role], dict[str, str]]:
    """All roles, with what a marketplace has sent, and what the placeholders stand for here."""
    assert sluice.run("topics", "create").returncode == 0
    worker, bronze, gates, api = sluice.worker(), sluice.bronze(), sluice.gates(), sluice.api()
    sent = sluice.run(
        "simulate",
        "--rate",
        "0",
        "--density",
        "2",
        "--count",
        "3000",
        "--bad",
        "0.01",
        "--cities",
        "london,oslo",
    )
    assert sent.returncode == 0, sent.stderr
    await until_covered(sluice, sluice.store, worker, bronze)
    await well(sluice, api)
    gate = await wait_until(lambda: first_gate(api), "a gate", seconds=10)
    certificate = sluice.folder / "certificate.pem"
    certificate.write_bytes(Authority(sluice.folder / "ca.pem").server())
    values = {
        "view": "kpi_gmv",
        "event": "booking.confirmed",
        "city": gate["city"],
        "currency": gate["currency"],
        "day": "2026-01-01",
        "gate": f"recon/{gate['city']}|{gate['currency']}",
        "source": "payments",
        "analyst": "ana",
        "user": "tester",
        "password": "tester-password",
        "broker": sluice.settings.kafka[0],
        "topic": sluice.raw_topic,
        "feed": sluice.settings.topic("views.feed"),
        "worker": (await worker.url("")).removeprefix("http://"),
        "api": (await api.url("")).removeprefix("http://"),
        "certificate": str(certificate),
    }
    return [worker, bronze, gates, api], values


async def well(sluice: Sluice, api: Role) -> None:
    """Wait until all that is in the raw topics is in the views, and no gate is stale."""
    async with FeedWatcher(sluice.settings) as feed:
        await feed.caught_up()
    await api_has_read(api, await feed_reader(sluice.settings))

    async def evaluated() -> bool:
        rows = (await api.get("/v1/gates/recon")).json()["rows"]
        return bool(rows) and all(row["state"] != "stale" for row in rows)

    await wait_until(evaluated, "the gates to leave stale")


async def first_gate(api: Role) -> dict[str, Any] | None:
    """One of a city, once there is any."""
    rows = (await api.get("/v1/gates/recon")).json()["rows"]
    return next((row for row in rows if row["city"]), None)


def run_all(
    found: Iterable[Command], values: dict[str, str], environ: dict[str, str], folder: Path
) -> list[str]:
    """Run the commands of programs that are here; answers which ended otherwise than their page says."""
    warm, turn = Warm(), Lock()

    def run(numbered: tuple[int, Command]) -> str | None:
        number, command = numbered
        line = command.filled(values)
        if command.program == "sluice":
            words = shlex.split(line)[1:]
            env = lost(environ, folder) if words[0] == "restore" else environ
            with turn if words[0] == "quarantine" else nullcontext():  # a second replay ends the first
                code, said = warm.run(words, env, folder, folder / f"{command.page}-{number}.said")
        else:
            code, said = shell(line, environ, folder)
        return None if code == command.exits else f"{command.page}: {line}: exit {code}\n{said[-3000:]}"

    here = [one for one in found if one.program not in PARSED_ALONE]
    with ThreadPoolExecutor(AT_ONCE) as pool:
        return [problem for problem in pool.map(run, enumerate(here)) if problem is not None]


def shell(line: str, environ: dict[str, str], folder: Path) -> tuple[int, str]:
    """The exit code of a line, and what it said."""
    done = subprocess.run(
        ["bash", "-c", line], env=environ, cwd=folder, capture_output=True, text=True, check=False,
        timeout=SECONDS * PATIENCE,
    )  # fmt: skip
    return done.returncode, done.stdout + done.stderr


def lost(environ: dict[str, str], folder: Path) -> dict[str, str]:
    """As docs/runbooks/disaster-recovery.md has it set."""
    changes = {
        "SLUICE_BRONZE_FORMER": environ["SLUICE_BRONZE_URL"],
        "SLUICE_BRONZE_URL": f"file://{folder}/new",
    }
    return {**environ, **changes}


def environ_of(sluice: Sluice, api: str) -> dict[str, str]:
    """With Kafka's tools, as its own scripts call them."""
    programs = sluice.folder / "programs"
    programs.mkdir()
    for name, tool in KAFKA_TOOLS.items():
        program = programs / name
        program.write_text(f'#!/bin/sh\nexec java -cp {shlex.quote(f"{JARS}/*")} {tool} "$@"\n')
        program.chmod(0o755)
    environ = sluice.environ(api_url=f"http://{api}", data_dir=sluice.folder / "data")
    return {**environ, "PATH": f"{programs}{os.pathsep}{environ['PATH']}"}
