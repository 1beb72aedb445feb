"""Whether the topics that a worker writes have a partition for each source partition; how many these are.

Partitions may be added to a raw topic before the feed: such a partition waits, while the others continue.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Mapping

from faust.types import TP

from streams import metrics
from streams.clock import SYSTEM_CLOCK, Clock
from streams.kafka.topology import partition_counts
from streams.settings import Settings

log = logging.getLogger(__name__)

LOOK_SECONDS = 1.0
LOG_SECONDS = 60.0


class WrittenTopics:
    """The feed and the quarantine."""

    def __init__(self, settings: Settings, clock: Clock = SYSTEM_CLOCK) -> None:
        self._settings = settings
        self._clock = clock
        self._topics = (settings.topic("views.feed"), settings.topic("events.quarantine"))
        self._counts: dict[str, int] = {}
        self._looking = asyncio.Lock()
        self._waiting: dict[TP, str] = {}
        metrics.WAITING_PARTITIONS.labels("views", "topics").set(0)

    @property
    def waiting(self) -> Mapping[TP, str]:
        """Source partitions that wait, and the topic partitions that they wait for."""
        return self._waiting

    @property
    def sources(self) -> int:
        """How many source partitions there were when that was last looked at."""
        return sum(self._counts.get(name, 0) for name in self._settings.raw_topics)

    async def have(self, tp: TP, on_look: Callable[[], None], on_change: Callable[[], None]) -> None:
        """Return when every topic has the partition; `on_look` is called at each check meanwhile, and
        `on_change` when the partition begins or ends waiting.

        Raises aiokafka's errors while Kafka is unavailable.
        """
        logged_at = 0.0
        try:
            while missing := await self._missing(tp.partition):
                on_look()
                what = f"partition {tp.partition} of {' and '.join(missing)}, for {tp.topic}-{tp.partition}"
                if self._waiting.get(tp) != what:
                    self._waiting[tp] = what
                    self._changed(on_change)
                if not logged_at or self._clock.monotonic() - logged_at > LOG_SECONDS:
                    logged_at = self._clock.monotonic()
                    log.warning("waiting for %s: `sluice topics create` adds it", what)
                await asyncio.sleep(LOOK_SECONDS)
        finally:
            if self._waiting.pop(tp, None) is not None:
                self._changed(on_change)

    def _changed(self, on_change: Callable[[], None]) -> None:
        metrics.WAITING_PARTITIONS.labels("views", "topics").set(len(self._waiting))
        on_change()

    async def _missing(self, partition: int) -> list[str]:
        """The topics that do not have it; a partition is never removed again."""
        async with self._looking:
            missing = self._without(partition)
            if missing:
                names = (*self._topics, *self._settings.raw_topics)
                self._counts = await partition_counts(self._settings, names)
            return self._without(partition)

    def _without(self, partition: int) -> list[str]:
        return [name for name in self._topics if self._counts.get(name, 0) <= partition]
