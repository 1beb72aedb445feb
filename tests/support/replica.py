"""An api's replica without a Kafka: a clock that the test sets, and a feed that the test gives it."""

from __future__ import annotations

import json
from typing import Any

from streams.clock import Clock
from streams.feed.replica import Replica
from tables.read.state import FeedItem

NOW_S = 1_772_366_400.0  # 2026-03-01T12:00:00Z


class SetClock(Clock):
    def __init__(self) -> None:
        self.now = NOW_S

    def wall_us(self) -> int:
        return int(self.now * 1_000_000)

    def monotonic(self) -> float:
        return self.now


async def feed(replica: Replica, *records: FeedItem) -> None:
    """Give it records of partition 0."""
    if await replica.run(lambda reader: reader.apply(0, records, monotonic=replica.clock.monotonic())):
        replica.notify()


def data(event: bytes) -> dict[str, Any]:
    """The answer in a Server-Sent Event."""
    (line,) = [line for line in event.decode().splitlines() if line.startswith("data: ")]
    answer: dict[str, Any] = json.loads(line.removeprefix("data: "))
    return answer
