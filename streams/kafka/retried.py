"""A step that needs Kafka, tried again until Kafka answers."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable
from typing import TypeVar

from aiokafka.errors import KafkaError

from agents.backoff import Backoff
from streams.kafka.refusals import in_words

RETRY_SECONDS = 1.0
log = logging.getLogger(__name__)
T = TypeVar("T")
Errors = tuple[type[Exception], ...]
AWAY: Errors = (KafkaError, OSError)
"""Running out of time is an OSError."""


async def retried(doing: str, step: Callable[[], Awaitable[T]], errors: Errors = AWAY) -> T:
    """What a step answers once none of these errors ends it; `doing`: what it does, for the log."""
    backoff = Backoff(first=RETRY_SECONDS, longest=2 * RETRY_SECONDS)
    while True:
        try:
            return await step()
        except errors as error:
            log.warning("%s: %s; trying again", doing, in_words(error))
            await backoff.pause()
