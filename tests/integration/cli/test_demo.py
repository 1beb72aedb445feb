"""`sluice demo`: from nothing to answers, and nothing left behind."""

from __future__ import annotations

import json
import os
import re
import shlex
import signal
import socket
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from streams.cli.demo_market import CITIES
from streams.embedded.broker import EmbeddedKafka
from tests.support.kafka import wait_until
from tests.support.paths import ROOT
from tests.support.patience import PATIENCE
from tests.support.processes import is_running
from tests.support.programs import started
from tests.support.repeats import repeats

DEMO = [sys.executable, "-m", "streams.cli.main", "demo"]
READY = "Sluice is running. Ctrl-C ends all of it."
READY_SECONDS = 120

pytestmark = pytest.mark.timeout(300)  # a Kafka of its own and five processes, one after the other
PROCESSES = (
    *("worker all", "worker views", "worker bronze", "worker gates"),
    *("kafka.Kafka", "main api", "main simulate"),
)


@contextmanager
def demo(folder: Path, **settings: str) -> Iterator[subprocess.Popen[str]]:
    """A demo of its own. It is always asked to end, so that a failing test leaves nothing behind either."""
    environment = {**os.environ, "SLUICE_DATA_DIR": str(folder), **settings}
    options: dict[str, Any] = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "text": True}
    with started(DEMO, end_seconds=1.0, env=environment, cwd=folder, **options) as running:
        try:
            yield running
        finally:
            running.terminate()
            running.wait(60)


def read_until_ready(running: subprocess.Popen[str]) -> str:
    assert running.stdout is not None
    said = ""
    for line in running.stdout:
        said += line
        if READY in line:
            return said
    raise AssertionError(f"it ended before it was ready:\n{said}")


def children_of(pid: int) -> dict[str, int]:
    """The demo's processes by name."""
    listed = subprocess.run(
        ["ps", "-ewwo", "pid=,ppid=,args="], capture_output=True, text=True, check=True, timeout=30
    ).stdout
    found = {}
    for line in listed.splitlines():
        child, parent, arguments = line.split(None, 2)
        if int(parent) == pid:
            name = next((name for name in PROCESSES if name in arguments), arguments)
            found[name] = int(child)
    return found


def of_the_shop(answer: Any, *measures: str) -> list[int]:
    """Sums over all cities but the simulated ones, where more and more happens."""
    rows = [row for row in answer["rows"] if row["city"] is not None and row["city"] not in CITIES]
    return [sum(row[measure] for row in rows) for measure in measures]


def text(url: str) -> str:
    with urllib.request.urlopen(url, timeout=10) as answer:
        return str(answer.read(), "utf-8")


def get(url: str) -> Any:
    return json.loads(text(url))


@pytest.mark.parametrize("number", repeats(signal.SIGINT, signal.SIGTERM))
async def test_the_demo_answers_and_ends_without_a_trace(tmp_path: Path, number: int) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with demo(tmp_path, SLUICE_HTTP_PORT=str(port), SLUICE_VIEWS="kpi_funnel") as running:  # it shows all
            said = read_until_ready(running)
            first, second, *_ = said.splitlines()
            assert first.startswith(f"port {port} is in use: the api takes ")
            assert second.startswith("the console will be at http://127.0.0.1:")
            assert "<title>Sluice</title>" in text(second.split()[5])
            url = re.search(r"(http://\S+)/docs", said)
            assert url, said
            answer = get(f"{url[1]}/v1/views/kpi_gmv?window=7d")
            assert answer["complete"] is True
            assert of_the_shop(answer, "bookings", "gmv_minor") == [197, 9_848_926]
            variance = get(f"{url[1]}/v1/views/ops_recon_variance?window=7d")
            sums = of_the_shop(variance, "charges_minor", "refunds_minor", "fees_minor")
            assert sums == [9_848_926, 205_363, 1_135_162]

            await wait_until(lambda: "main simulate" in children_of(running.pid), "the market")
            children = children_of(running.pid)
            assert set(children) == {"worker all", "kafka.Kafka", "main api", "main simulate"}
            roles = children_of(children["worker all"])
            assert set(roles) == {"worker views", "worker bronze", "worker gates"}
            children |= roles
            running.send_signal(number)
            rest, _ = running.communicate(timeout=60 * PATIENCE)
            assert running.returncode == 0, rest
            assert rest.endswith("all of it has ended\n")
            assert not [name for name, pid in children.items() if is_running(pid)]
            assert EmbeddedKafka(tmp_path / "demo" / "kafka").pid() is None


async def test_a_process_that_dies_ends_the_demo_and_is_named(tmp_path: Path) -> None:
    with demo(tmp_path, SLUICE_HTTP_PORT="0", SLUICE_METRICS_PORT="0") as running:
        read_until_ready(running)
        children = children_of(running.pid)
        second = subprocess.run(
            DEMO,
            env={**os.environ, "SLUICE_DATA_DIR": str(tmp_path)},
            capture_output=True,
            text=True,
            check=False,
            timeout=60 * PATIENCE,
        )
        assert (second.returncode, "a demo is already running in" in second.stderr) == (1, True)
        children |= children_of(children["worker all"])
        os.kill(children["worker all"], signal.SIGKILL)
        rest, _ = running.communicate(timeout=60 * PATIENCE)
        assert running.returncode == 1
        assert "sluice: worker all has ended with exit code -9; the last lines of " in rest
        await wait_until(lambda: not any(map(is_running, children.values())), "all of it to end")


@pytest.mark.parametrize("number", repeats(signal.SIGKILL, signal.SIGTERM))
async def test_a_kafka_that_is_stopped_ends_the_demo_and_doctor_looks_at_it_before(
    tmp_path: Path, number: int
) -> None:
    with demo(tmp_path, SLUICE_HTTP_PORT="0", SLUICE_METRICS_PORT="0") as running:
        said = read_until_ready(running)
        pasted = re.search(r"^  (SLUICE_KAFKA=.*) \S+ doctor$", said, re.MULTILINE)
        assert pasted, said
        command = f"{pasted[1]} {shlex.quote(sys.executable)} -m streams.cli.main doctor --json"
        elsewhere = {name: value for name, value in os.environ.items() if not name.startswith("SLUICE_")}
        done = subprocess.run(
            ["/bin/sh", "-c", command], env={**elsewhere, "PYTHONPATH": str(ROOT)}, cwd="/",
            capture_output=True, text=True, check=False, timeout=90,
        )  # fmt: skip
        findings = {finding["what"]: finding for finding in json.loads(done.stdout)}
        for what in (
            "kafka",
            "topics",
            "data folder",
            "api",
            "views worker",
            "bronze worker",
            "gates worker",
        ):
            assert findings[what]["state"] == "good", done.stdout
        assert "/demo/bronze" in findings["bronze"]["found"], "the demo's own"

        children = children_of(running.pid)
        children |= children_of(children["worker all"])
        os.kill(children["kafka.Kafka"], number)
        rest, _ = running.communicate(timeout=90)
        assert running.returncode == 1, rest
        assert "sluice: the demo's Kafka has ended, or was stopped by a signal; the last lines of" in rest
        assert not [name for name, pid in children.items() if is_running(pid)]
