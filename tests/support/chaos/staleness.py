"""When a gate must not have been open: what Kafka had, what checkpoints had, what was reported."""

from __future__ import annotations

import bisect
import time
from collections import defaultdict
from collections.abc import Mapping, Sequence
from operator import attrgetter, itemgetter
from typing import Any, NamedTuple

from streams.settings import Settings
from tables.codec import decode_checkpoint, decode_heartbeat
from tests.support.chaos.gate_history import Record
from tests.support.feed import FeedWatcher, Source, micros

SLACK = 2.0
"""Seconds by which what this process heard, and when, may differ from what the evaluator did: both share two
cores with all the others."""
BEAT = 1.0


class Report(NamedTuple):
    """A heartbeat about one source partition."""

    sent: float
    heard: float
    end: int
    oldest_unread_ms: int | None


class TimedWatcher(FeedWatcher):
    """Notes when (epoch seconds) each checkpoint and each report of a partition was sent, and heard."""

    def __init__(self, settings: Settings) -> None:
        super().__init__(settings)
        self.checkpointed: dict[Source, list[tuple[float, int]]] = defaultdict(list)
        self.reported: dict[Source, list[Report]] = defaultdict(list)

    def _take(self, partition: int, record: Any) -> None:
        super()._take(partition, record)
        if record.value is None:
            return
        kind, _, name = record.key.decode().partition(":")
        if kind == "c":
            checkpoint = decode_checkpoint(record.value)
            self.checkpointed[name, partition].append((record.timestamp / 1000, checkpoint.next))
        elif kind == "h":
            for one in decode_heartbeat(record.value).partitions:
                report = Report(record.timestamp / 1000, time.time(), one.end, one.oldest_unread_ms)
                self.reported[one.topic, one.partition].append(report)


def open_while_stale(
    record: Record, feed: TimedWatcher, acked: Mapping[int, Sequence[tuple[float, int]]], settings: Settings
) -> list[str]:
    """Why an open gate's record should have been stale. `acked`: partition of the one raw topic → (epoch
    seconds, its end), as its producer knows."""
    at = micros(record["evaluated_at"]) / 1e6
    found: list[str] = []
    (topic,) = settings.raw_topics
    for partition, ends in acked.items():
        source = (topic, partition)
        done = _last(feed.checkpointed[source], at + SLACK, (0.0, 0))[1]
        reports = _around(feed.reported[source], at)
        if not reports or at - reports[-1].sent > settings.session_seconds + SLACK:
            found.append(f"nobody had reported on {source} for long")
        elif all(_tells_stale(report, done, at, settings) for report in reports):
            found.append(f"{source} was at {done}, and all reports told of older records: {reports}")
        # Whatever was reported: a record is known to be unread one beat after it came, or nobody reports.
        waiting = next((acked_at for acked_at, end in ends if end > done), at)
        if at - waiting > max(settings.session_seconds, settings.stale_seconds) + BEAT + SLACK:
            found.append(f"{source} was at {done}, a record there since {at - waiting:.1f} s was unread")
    return found


def _tells_stale(report: Report, done: int, at: float, settings: Settings) -> bool:
    if report.oldest_unread_ms is None or done >= report.end:
        return False
    return at - report.oldest_unread_ms / 1000 > settings.stale_seconds + SLACK


def _around(reports: Sequence[Report], at: float) -> Sequence[Report]:
    """The reports that the evaluator may have gone by: the last one surely heard, and those sent after it,
    which it may have heard long before this process did."""
    first = max(0, bisect.bisect_right(reports, at - SLACK, key=attrgetter("heard")) - 1)
    return reports[first : bisect.bisect_right(reports, at + SLACK, key=attrgetter("sent"))]


def _last(
    noted: Sequence[tuple[float, int]], until: float, otherwise: tuple[float, int]
) -> tuple[float, int]:
    count = bisect.bisect_right(noted, until, key=itemgetter(0))
    return noted[count - 1] if count else otherwise
