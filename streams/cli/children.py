"""Processes that a command starts and answers for: logs in files, stopped in order, nothing left behind."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Sequence
from pathlib import Path

from streams.plain_text import plain

STOP_SECONDS = 12.0


class Child:
    """One process, in a session of its own: Ctrl-C in the terminal reaches only what started it."""

    def __init__(self, name: str, arguments: Sequence[str], environment: dict[str, str], log: Path) -> None:
        self.name = name
        self.log = log
        with log.open("wb") as said:
            self._process = subprocess.Popen(
                arguments,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=said,
                stderr=said,
                start_new_session=True,
            )

    @property
    def exit_code(self) -> int | None:
        """None while it runs; negative: the signal that ended it."""
        return self._process.poll()

    def ask_to_end(self) -> None:
        """SIGTERM."""
        self._process.terminate()

    def await_end(self) -> None:
        """Return when it has ended; after a while SIGKILL, for it and whatever it started."""
        try:
            self._process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()


def stop_all(children: Sequence[Child]) -> None:
    """End all of them at the same time."""
    for child in children:
        child.ask_to_end()
    for child in children:
        child.await_end()


def last_lines(log: Path, count: int = 15) -> str:
    """The end of a log, for a person; empty if there is none."""
    try:
        text = log.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""
    return "\n".join(f"    {plain(line)}" for line in text.splitlines()[-count:])
