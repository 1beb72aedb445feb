"""Errors as CloudWatch's Embedded Metric Format: a line for each code and minute, with how many there were.

The first of a code is written at once. Each line is a custom metric's datum that is paid for, so that a flood
must not become as many lines. Format: "Specification: Embedded metric format" in Amazon's documentation.
"""

from __future__ import annotations

import json
import logging
import threading
import time
from collections import Counter
from collections.abc import Callable
from typing import Any, TextIO

NAMESPACE = "Sluice"
QUIET_SECONDS = 60.0
LOOK_SECONDS = 1.0


class EmfLines(logging.Handler):
    """Takes the codes of log records (`code` and `count` of each), and writes what they add up to; the rest
    when it is closed, as `logging.shutdown` does."""

    def __init__(self, stream: TextIO, clock: Callable[[], float] = time.time) -> None:
        super().__init__()
        self._stream = stream
        self._clock = clock
        self._unwritten: Counter[str] = Counter()
        self._written_at: dict[str, float] = {}
        self._ended = threading.Event()
        threading.Thread(target=self._run, name="emf", daemon=True).start()

    def emit(self, record: logging.LogRecord) -> None:
        """Count one; called with the handler's lock held."""
        self._unwritten[getattr(record, "code")] += getattr(record, "count")  # noqa: B009 - set by `extra`
        self._write()

    def write_due(self) -> None:
        """Write the codes whose last line is a minute old."""
        self._write_locked(last=False)

    def close(self) -> None:
        """Write what is left."""
        if not self._ended.is_set():
            self._ended.set()
            self._write_locked(last=True)
        super().close()

    def _run(self) -> None:
        while not self._ended.wait(LOOK_SECONDS):
            self.write_due()

    def _write_locked(self, *, last: bool) -> None:
        self.acquire()
        try:
            self._write(last=last)
        finally:
            self.release()

    def _write(self, *, last: bool = False) -> None:
        now = self._clock()
        for code, count in list(self._unwritten.items()):
            # A clock that was set back must not silence it.
            if last or not 0 <= now - self._written_at.get(code, -QUIET_SECONDS) < QUIET_SECONDS:
                self._stream.write(json.dumps(line(code, count, int(now * 1000))) + "\n")
                self._written_at[code] = now
                del self._unwritten[code]
        self._stream.flush()


def line(code: str, count: int, at_ms: int) -> dict[str, Any]:
    """One document."""
    metric = {"Name": "Errors", "Unit": "Count"}
    described = {"Namespace": NAMESPACE, "Dimensions": [["code"]], "Metrics": [metric]}
    return {
        "_aws": {"Timestamp": at_ms, "CloudWatchMetrics": [described]},
        "code": code,
        "Errors": count,
    }
