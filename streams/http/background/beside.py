"""What goes on beside the answers: where a part of it fails, the process ends, and says why.

An api that went on without it would answer from what no longer counts: old records, or keys taken back.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Coroutine
from typing import Any

from streams.kafka.message_formats import UnreadableBatchError
from tables.keys import FeedFormatError

log = logging.getLogger(__name__)


class Beside:
    """The tasks of one server. `stop`: ends it."""

    def __init__(self, stop: Callable[[], None]) -> None:
        self._stop = stop
        self._tasks: list[asyncio.Task[None]] = []

    def start(self, what: str, work: Coroutine[Any, Any, None]) -> None:
        """Have it go on. `what`: it follows, in words."""
        task = asyncio.create_task(work, name=what)
        task.add_done_callback(self._ended)
        self._tasks.append(task)

    async def end(self) -> str | None:
        """End all of it. Why some of it could not go on before; None if all could."""
        before = [task for task in self._tasks if task.done()]
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        return next(filter(None, map(_problem, before)), None)

    def _ended(self, task: asyncio.Task[None]) -> None:
        if _error(task) is not None:
            self._stop()


def _error(task: asyncio.Task[None]) -> BaseException | None:
    return None if task.cancelled() else task.exception()


def _problem(task: asyncio.Task[None]) -> str | None:
    error = _error(task)
    if error is None:
        return None
    # Of a fault of ours its one line would not be enough.
    if not isinstance(error, FeedFormatError | UnreadableBatchError):
        log.error("following %s failed", task.get_name(), exc_info=error)
    return f"{task.get_name()} can't be followed: {str(error) or type(error).__name__}"
