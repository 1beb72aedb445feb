"""Versity's S3 gateway for tests: built by Go once a machine, in the background while other tests run.

A build takes minutes on a small machine. The tests that need it come last, wait for it with a word on the
terminal and outside of their own time, and are skipped by name where it cannot be had.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import time
from collections.abc import Callable, Generator
from pathlib import Path

import pytest

MODULE = "github.com/versity/versitygw/cmd/versitygw@v1.8.0"
BUILD_SECONDS = 900.0
"""From the start of the build, so mostly while other tests run."""
TELL_SECONDS = 15.0
POLL_SECONDS = 0.1


def cache() -> Path:
    """Outside of the repository: it outlives `make clean`."""
    folder = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return folder / "sluice" / MODULE.rpartition("@")[2]


class Gateway:
    """The program, or why it is not there."""

    def __init__(self, command: list[str], folder: Path, build_seconds: float = BUILD_SECONDS) -> None:
        self._command = command
        self._seconds = build_seconds
        self._build: subprocess.Popen[bytes] | None = None
        self._started = 0.0
        self._gave_up = False
        self.folder = folder
        self.program = folder / "versitygw"
        self._log = folder / "build.log"

    @property
    def is_building(self) -> bool:
        return self._build is not None and self._build.poll() is None

    def start(self) -> None:
        """Begin to build, unless it is there or Go is not."""
        if self.program.exists() or self._build is not None or shutil.which(self._command[0]) is None:
            return
        self.folder.mkdir(parents=True, exist_ok=True)
        self._started = time.monotonic()
        nice = ["nice", "-n", "10"] if shutil.which("nice") else []
        with self._log.open("wb") as said:
            self._build = subprocess.Popen(
                [*nice, *self._command], env={**os.environ, "GOBIN": str(self.folder)},
                stdin=subprocess.DEVNULL, stdout=said, stderr=said, start_new_session=True,
            )  # fmt: skip

    def wait(self, tell: Callable[[str], None]) -> None:
        """Return when it is built, or will not be."""
        told = time.monotonic()
        while self.is_building:
            now = time.monotonic()
            if now - self._started > self._seconds:
                self._gave_up = True
                self.stop()
            elif now - told > TELL_SECONDS:
                told = now
                tell(f"waiting for Go to build {MODULE}: {now - self._started:.0f} s")
            time.sleep(POLL_SECONDS)

    def problem(self) -> str | None:
        """Why it is not there; None if it is."""
        if self.program.exists():
            return None
        if self._build is None:
            return "Versity's S3 gateway is not here: it needs Go to build it"
        if self._gave_up:
            return f"Versity's S3 gateway was not built in {self._seconds:g} s; {self._mend()}"
        return f"Versity's S3 gateway could not be built: {self._last_line()}; {self._mend()}"

    def _mend(self) -> str:
        return f"GOBIN={self.folder} {' '.join(self._command)} goes on with it"

    def _last_line(self) -> str:
        lines = self._log.read_text(encoding="utf-8", errors="replace").splitlines()
        return next((line.strip() for line in reversed(lines) if line.strip()), "Go said nothing")

    def stop(self) -> None:
        """End the build. Go's own cache keeps what is done."""
        if self._build is not None and self._build.poll() is None:
            os.killpg(self._build.pid, 9)
            self._build.wait(30)


gateway = Gateway(["go", "install", MODULE], cache())


def needs_it(item: pytest.Item) -> bool:
    return item.get_closest_marker("versity") is not None


def gateway_or_moto() -> str:
    """The kind of server for a test that either will do for."""
    return "moto" if gateway.problem() else "versity"


def last_and_begun(items: list[pytest.Item]) -> None:
    """Put the tests that need the gateway behind the others and begin to build it, if it is missing."""
    if any(map(needs_it, items)):
        items.sort(key=needs_it)  # always: processes that share the tests must agree on their order
        if gateway.problem():
            gateway.start()


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_protocol(item: pytest.Item) -> Generator[None, object, object]:
    """Wait for the gateway before a test's time begins."""
    if needs_it(item) and gateway.is_building:
        reporter = item.config.pluginmanager.get_plugin("terminalreporter")
        gateway.wait(lambda text: reporter.write_line(text) if reporter else None)
    return (yield)


def pytest_unconfigure() -> None:
    gateway.stop()
