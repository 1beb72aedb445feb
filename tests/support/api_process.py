"""`sluice api` as a process of its own, of a Kafka that is not there: what it says before any state."""

from __future__ import annotations

import re
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from streams.settings import child_environment
from tests.support.patience import PATIENCE
from tests.support.programs import ended

NO_KAFKA = "127.0.0.1:1"


class RunningApi(NamedTuple):
    """Its process, its URL, and where its log is."""

    process: subprocess.Popen[bytes]
    url: str
    log: Path

    @property
    def port(self) -> int:
        """Where it listens."""
        return int(self.url.rpartition(":")[2])


@contextmanager
def api_process(folder: Path, **settings: str) -> Iterator[RunningApi]:
    """The api, once it listens."""
    changes = {"kafka": NO_KAFKA, "http_port": "0", "data_dir": str(folder / "data"), **settings}
    out, log = folder / "api.out", folder / "api.log"
    with out.open("wb") as written, log.open("wb") as logged:
        process = subprocess.Popen(
            [sys.executable, "-m", "streams.cli.main", "api"],
            env=child_environment({f"SLUICE_{name.upper()}": value for name, value in changes.items()}),
            stdout=written,
            stderr=logged,
        )
        try:
            yield RunningApi(process, _url(process, out, log), log)
        finally:
            ended(process)


def _url(process: subprocess.Popen[bytes], out: Path, log: Path) -> str:
    until = time.monotonic() + 20 * PATIENCE
    while time.monotonic() < until:
        found = re.search(r"https?://\S+:\d+", out.read_text())
        if found:
            return found[0]
        if process.poll() is not None:
            break
        time.sleep(0.02)
    raise AssertionError(f"the api did not say where it listens: {log.read_text()[-2000:]}")
