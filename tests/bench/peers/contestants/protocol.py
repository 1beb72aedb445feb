"""How a contestant is told what to do, and how it tells what it has done.

It is started with one argument, JSON of `Task`. It writes `first` when it begins to read and `done` when all
is processed, committed and flushed; then, unmeasured, its results, and waits to be ended.
"""

from __future__ import annotations

import json
import signal
import sys
from pathlib import Path
from typing import Any, NamedTuple


class Task(NamedTuple):
    """What to read, where to put things, and a name of its own for groups and state."""

    server: str
    topic: str
    partitions: int
    events: int
    """Records in the topic."""
    name: str
    quarantine: str
    schemas: Path
    folder: Path
    """An empty folder for state."""


def task() -> Task:
    """What this process was started for."""
    given: dict[str, Any] = json.loads(sys.argv[1])
    return Task(**{**given, "schemas": Path(given["schemas"]), "folder": Path(given["folder"])})


def begun() -> None:
    """The first record is about to be read."""
    print("first", flush=True)


def done(results: dict[str, Any], asked: Task) -> None:
    """All is done: leave the results in `results.json` of the task's folder, and wait to be ended."""
    print("done", flush=True)
    (asked.folder / "results.json").write_text(json.dumps(results), encoding="utf-8")
    print("written", flush=True)
    signal.pause()
