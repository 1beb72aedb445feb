"""What a worker says to lag tools of each partition that it owns, and when it counts as stuck."""

from __future__ import annotations

import time
from typing import Any

from faust.types import TP

from streams import metrics

STUCK_SECONDS = 90.0


class StuckError(Exception):
    """A consumer has unread records, Kafka answers, and nothing moves: only a new process helps."""


def check_moves(tp: TP, moved_at: float) -> None:
    """Raises `StuckError` when the last move (monotonic clock, s) is too long ago."""
    if time.monotonic() - moved_at > STUCK_SECONDS:
        raise StuckError(f"{tp.topic}-{tp.partition}: unread records, and no move in {STUCK_SECONDS:.0f} s")


class LagGauges:
    """The lag of a consumer group's partitions, as Prometheus sees it."""

    def __init__(self, group: str) -> None:
        self._group = group
        self._measured: set[TP] = set()

    def measure(self, tp: TP, records: int, oldest_ms: int | None, now_ms: int) -> None:
        """How many records are not done, and since when the oldest waits; None: none does."""
        labels: tuple[Any, ...] = (self._group, tp.topic, tp.partition)
        metrics.LAG_RECORDS.labels(*labels).set(max(0, records))
        metrics.LAG_SECONDS.labels(*labels).set(0 if oldest_ms is None else max(0, now_ms - oldest_ms) / 1000)
        self._measured.add(tp)

    def keep(self, owned: set[TP]) -> set[TP]:
        """Measure no longer what is not ours any more, as somebody else does; answers what that was."""
        gone = self._measured - owned
        for tp in gone:
            for gauge in (metrics.LAG_RECORDS, metrics.LAG_SECONDS):
                gauge.remove(self._group, tp.topic, tp.partition)
        self._measured -= gone
        return gone
