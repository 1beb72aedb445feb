"""How the consumer's thread begins and ends, whatever Kafka does meanwhile."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable
from typing import Any

from aiokafka.errors import KafkaConnectionError
from mode.threads import WorkerThread

from agents.backoff import Backoff

THREAD_STOP_SECONDS = 1.0
log = logging.getLogger(__name__)


class DaemonThread(WorkerThread):
    """A thread that neither the event loop that stops it nor Python's exit waits for without bound."""

    def __init__(self, service: Any, **kwargs: Any) -> None:
        super().__init__(service, **kwargs)
        self.daemon = True

    def stop(self) -> None:
        """Wait a moment for its end; the consumer has already left the group."""
        self.is_stopped.wait(THREAD_STOP_SECONDS)


async def until_it_answers(start: Callable[[], Awaitable[None]], undo: Callable[[], Awaitable[None]]) -> None:
    """Start a consumer, over and over: Kafka may have gone away since it was looked at.

    `undo`: what a start that fails leaves.
    """
    backoff = Backoff()
    while True:
        try:
            await start()
        except KafkaConnectionError as error:
            await undo()
            log.warning("starting to consume: %s; next try in %.1f s", error, backoff.seconds)
            await backoff.pause()
        else:
            return
