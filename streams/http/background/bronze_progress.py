"""How far Bronze has come, asked of Kafka when somebody wants to know."""

from __future__ import annotations

import asyncio
import time

from aiokafka.errors import KafkaError

from streams.kafka.availability import reason_of
from streams.kafka.group_progress import Progress, group_progress
from streams.kafka.topology import partitions_of
from streams.settings import Settings

KEPT_SECONDS = 5.0
TIMEOUT_SECONDS = 5.0


class BronzeProgress:
    """Asked at most every `KEPT_SECONDS`, once for all who want to know at the same time."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._asked_at = -KEPT_SECONDS
        self._asking: asyncio.Task[list[Progress] | str] | None = None

    async def newest(self) -> list[Progress] | str:
        """By partition; a text says why it is not known."""
        now = time.monotonic()
        if self._asking is None or (self._asking.done() and now - self._asked_at >= KEPT_SECONDS):
            self._asked_at = now
            self._asking = asyncio.create_task(self._ask(), name="bronze-progress")
        return await asyncio.shield(self._asking)

    async def _ask(self) -> list[Progress] | str:
        settings = self._settings
        try:
            async with asyncio.timeout(TIMEOUT_SECONDS):
                raw = await partitions_of(settings, settings.raw_topics)
                return await group_progress(settings, settings.group("bronze"), raw)
        except TimeoutError:
            return f"Kafka did not say within {TIMEOUT_SECONDS:g} s"
        except (KafkaError, OSError) as error:
            return await reason_of(settings, error)
