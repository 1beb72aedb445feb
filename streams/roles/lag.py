"""What a worker reports to lag tools about each partition that it owns, and when it counts as stuck."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from faust.types import TP

from streams import metrics

STUCK_SECONDS = 90.0
LONGEST_LOOK_SECONDS = 2.0
PAUSED_SECONDS = 240.0
"""Longer than a rebalance (60 s) and an assignment (85 s), one after the other."""


class StuckError(Exception):
    """A consumer has unread records, Kafka answers, and nothing moves: only a new process helps."""


class MoveWatch:
    """Counts how long partitions have not moved though they could have read.

    It counts from check to check, and a late check counts no more than one in time: between late checks this
    process did not run, or waited for something else, and no partition in it could move.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._looked_at = clock()
        self._passed = 0.0
        self._still: dict[TP, tuple[float, float]] = {}
        self._paused_seconds = 0.0

    def begins_look(self, *, reading: bool) -> None:
        """Before `look` at each partition. `reading`: whether this process reads at all, as it does not while
        its group is rebalanced. Raises `StuckError` when that lasts."""
        now = self._clock()
        self._passed = min(now - self._looked_at, LONGEST_LOOK_SECONDS)
        self._looked_at = now
        self._paused_seconds = 0.0 if reading else self._paused_seconds + self._passed
        if self._paused_seconds > PAUSED_SECONDS:
            raise StuckError(f"partitions are owned, and nothing has been read for {PAUSED_SECONDS:.0f} s")

    def look(self, tp: TP, moved_at: float, *, waits: bool = False) -> None:
        """`moved_at`: anything that is another at each move; `waits`: the partition has to wait for others.

        Raises `StuckError` when it has stood still for too long.
        """
        last, seconds = self._still.get(tp, (moved_at, 0.0))
        if waits or self._paused_seconds or last != moved_at:
            seconds = 0.0
        elif tp in self._still:
            seconds += self._passed
        self._still[tp] = (moved_at, seconds)
        if seconds > STUCK_SECONDS:
            raise StuckError(
                f"{tp.topic}-{tp.partition}: unread records, and no move in {STUCK_SECONDS:.0f} s"
            )

    def keep(self, owned: set[TP]) -> None:
        """Stop watching partitions that are no longer assigned."""
        for tp in set(self._still) - owned:
            del self._still[tp]


class LagGauges:
    """The lag of a consumer group's partitions, for Prometheus."""

    def __init__(self, group: str) -> None:
        self._group = group
        self._measured: set[TP] = set()

    def measure(self, tp: TP, position: int, records: int, oldest_ms: int | None, now_ms: int) -> None:
        """The next offset to process, how many records are not written, and since when the oldest waits;
        None: none does."""
        labels: tuple[Any, ...] = (self._group, tp.topic, tp.partition)
        metrics.POSITION.labels(*labels).set(position)
        metrics.LAG_RECORDS.labels(*labels).set(max(0, records))
        metrics.LAG_SECONDS.labels(*labels).set(0 if oldest_ms is None else max(0, now_ms - oldest_ms) / 1000)
        self._measured.add(tp)

    def keep(self, owned: set[TP]) -> set[TP]:
        """Stop measuring partitions that are no longer assigned; returns which."""
        gone = self._measured - owned
        for tp in gone:
            for gauge in (metrics.POSITION, metrics.LAG_RECORDS, metrics.LAG_SECONDS):
                gauge.remove(self._group, tp.topic, tp.partition)
        self._measured -= gone
        return gone
