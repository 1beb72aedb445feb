"""Processes that a command starts and answers for: logs in files, stopped in order, nothing left behind."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from streams.plain_text import plain

STOP_SECONDS = 12.0


class Child(NamedTuple):
    """A process, and the log that it writes."""

    name: str
    process: subprocess.Popen[bytes]
    log: Path


def start(name: str, arguments: Sequence[str], environment: dict[str, str], log: Path) -> Child:
    """Start a process in a session of its own: Ctrl-C in the terminal reaches only what started it."""
    with log.open("wb") as output:
        process = subprocess.Popen(
            arguments, env=environment, stdin=subprocess.DEVNULL, stdout=output, stderr=output,
            start_new_session=True,
        )  # fmt: skip
    return Child(name, process, log)


def stop_all(children: Sequence[Child]) -> None:
    """End all of them at the same time: SIGTERM, after a while SIGKILL for each and what it has started."""
    for child in children:
        child.process.terminate()
    for _, process, _ in children:
        try:
            process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()


def last_lines(log: Path, count: int = 15) -> str:
    """The end of a log, for a person; empty if there is none."""
    try:
        text = log.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""
    return "\n".join(f"    {plain(line)}" for line in text.splitlines()[-count:])
