"""Roles of Sluice as processes: started, killed, stopped and resumed by tests, their output kept."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import httpx

from agents.bronze.store import Store
from streams.settings import Settings
from streams.store.urls import store_at
from tests.support.kafka import wait_until
from tests.support.paths import ROOT
from tests.support.patience import PATIENCE

COMMAND = [sys.executable, "-m", "streams.cli.main"]
KILLED_SECONDS = 30.0 * PATIENCE
DROPPED = re.compile("exception was never retrieved|was destroyed but it is pending|^Unclosed |never awaited")


class Role:
    """One process at a time of a command line, started as often as wanted; each run has an output file."""

    def __init__(self, name: str, command: list[str], environ: dict[str, str], folder: Path) -> None:
        self.name = name
        self.runs = 0
        self._command = command
        self._environ = environ
        self._folder = folder
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        assert not self.running, f"{self.name} is running"
        self.runs += 1
        with self.output_file.open("wb") as out:
            self._process = subprocess.Popen(
                self._command, env=self._environ, cwd=self._folder, stdin=subprocess.DEVNULL,
                stdout=out, stderr=out,
            )  # fmt: skip

    @property
    def process(self) -> subprocess.Popen[bytes]:
        assert self._process is not None, f"{self.name} was not started"
        return self._process

    @property
    def running(self) -> bool:
        return self._process is not None and self._process.poll() is None

    @property
    def output_file(self) -> Path:
        return self._folder / f"{self.name}.{self.runs}.log"

    def output(self) -> str:
        """What this run has said."""
        return self.output_file.read_text(encoding="utf-8", errors="replace")

    def dropped(self) -> list[str]:
        """What the event loops of all runs have said in vain: no test passes with it
        (tests/support/guards.py)."""
        found = []
        for run in range(1, self.runs + 1):
            file = self._folder / f"{self.name}.{run}.log"
            lines = file.read_text(encoding="utf-8", errors="replace").splitlines()
            found += [f"{file.name}: {line}" for line in lines if DROPPED.search(line)]
        return found

    def signal(self, number: signal.Signals) -> None:
        self.process.send_signal(number)

    def kill(self) -> None:
        self.process.kill()
        self.process.wait(KILLED_SECONDS)

    async def end(self, seconds: float) -> int:
        """Wait for its end; answers the exit code."""
        await wait_until(lambda: not self.running, f"{self.name} to end:\n{self.tail()}", seconds=seconds)
        return self.process.returncode

    async def terminate(self, seconds: float = 15.0) -> int:
        self.signal(signal.SIGTERM)
        return await self.end(seconds)

    async def says(self, pattern: str, seconds: float = 30.0) -> re.Match[str]:
        """Wait until its output matches; fails at once when the process has ended without it."""

        def found() -> re.Match[str] | None:
            ended = not self.running
            match = re.search(pattern, self.output())
            assert match or not ended, f"{self.name} ended without {pattern!r}:\n{self.tail()}"
            return match

        match: re.Match[str] = await wait_until(found, f"{self.name} to say {pattern!r}", seconds=seconds)
        return match

    async def url(self, path: str) -> str:
        """The address of a path on the port that this run said it listens on."""
        match = await self.says(r"http://([\w.]+:\d+)")
        return f"http://{match[1]}{path}"

    async def get(self, path: str, **params: str) -> httpx.Response:
        async with httpx.AsyncClient() as client:
            return await client.get(await self.url(path), params=params)

    async def ready(self, seconds: float = 40.0) -> None:
        """Wait until /readyz answers 200."""

        async def answers() -> bool:
            try:
                return (await self.get("/readyz")).status_code == 200
            except httpx.TransportError:
                return False

        await wait_until(answers, f"{self.name} to be ready", seconds=seconds)

    def tail(self, lines: int = 30) -> str:
        return "\n".join(self.output().splitlines()[-lines:]) if self.runs else "(never started)"


def is_running(pid: int) -> bool:
    """Whether there is a process of this number."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def started_by(supervisor: Role, worker: str) -> list[int]:
    """The processes that a supervisor said it started for a worker, in order."""
    return [int(pid) for pid in re.findall(rf"worker {worker} runs as process (\d+)", supervisor.output())]


class Sluice:
    """All roles that a test starts, with one set of settings; ends them all when left. Bronze lies in the
    folder `store`, in ranges of a second, if not told otherwise."""

    def __init__(self, folder: Path, bootstrap: str, prefix: str, **settings: Any) -> None:
        self.folder = folder
        self._environ = {
            "SLUICE_KAFKA": bootstrap,
            "SLUICE_PREFIX": prefix,
            "SLUICE_RAW_TOPICS": f"{prefix}events.raw",
            "SLUICE_METRICS_PORT": "0",
            "SLUICE_HTTP_PORT": "0",
            "SLUICE_SESSION_SECONDS": "6",
            "SLUICE_GATE_HOLD_SECONDS": "1",
            "SLUICE_BRONZE_URL": f"file://{folder}/store",
            "SLUICE_BRONZE_MAX_SECONDS": "1",
            "SLUICE_EXTENSIONS": "",
            **{f"SLUICE_{name.upper()}": str(value) for name, value in settings.items()},
        }
        self.settings = Settings.load(self._environ)
        self.roles: list[Role] = []
        self.release = ROOT
        """The folder of the code that runs."""
        self.packages: list[Path] = []
        """Folders of packages beside it."""

    @property
    def raw_topic(self) -> str:
        """The first of them."""
        return self.settings.raw_topics[0]

    @property
    def store(self) -> Store:
        """Where Bronze lies."""
        return store_at(self.settings.bronze_url)

    def environ(self, **settings: Any) -> dict[str, str]:
        """That of a command; `settings` are its own."""
        inherited = {key: value for key, value in os.environ.items() if not key.startswith("SLUICE_")}
        mine = {f"SLUICE_{key.upper()}": str(value) for key, value in settings.items()}
        path = os.pathsep.join(map(str, [self.release, *self.packages]))
        return {**inherited, "PYTHONPATH": path, **self._environ, **mine}

    def role(self, name: str, *arguments: str, **settings: Any) -> Role:
        """A role that is not started yet; `settings` are its own."""
        return self.program(name, *COMMAND, *arguments, **settings)

    def program(self, name: str, *command: str, **settings: Any) -> Role:
        """The same for a program of a test's own."""
        environ = {"SLUICE_DATA_DIR": str(self.folder / name), **self.environ(**settings)}
        role = Role(name, list(command), environ, self.folder)
        self.roles.append(role)
        return role

    def started(self, name: str, *arguments: str, **settings: Any) -> Role:
        """A role, started."""
        role = self.role(name, *arguments, **settings)
        role.start()
        return role

    def worker(self, name: str = "views", **settings: Any) -> Role:
        return self.started(name, "worker", "views", **settings)

    def bronze(self, name: str = "bronze", **settings: Any) -> Role:
        return self.started(name, "worker", "bronze", **settings)

    def gates(self, name: str = "gates", **settings: Any) -> Role:
        return self.started(name, "worker", "gates", **settings)

    def api(self, name: str = "api", **settings: Any) -> Role:
        return self.started(name, "api", **settings)

    def run(self, *arguments: str, **settings: Any) -> subprocess.CompletedProcess[str]:
        """A command, run to its end."""
        return subprocess.run(
            [*COMMAND, *arguments], env=self.environ(**settings), cwd=self.folder, capture_output=True,
            text=True, timeout=60 * PATIENCE, check=False,
        )  # fmt: skip

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for role in self.roles:
            if role.running:
                role.signal(signal.SIGCONT)
                role.kill()
            if error is not None and role.runs:
                print(f"--- {role.name}, run {role.runs} ---\n{role.tail(60)}")  # noqa: T201
        if error is None:
            dropped = [line for role in self.roles for line in role.dropped()]
            assert not dropped, "dropped by an event loop:\n" + "\n".join(dropped)
