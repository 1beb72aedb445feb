"""The state an api process answers from, and the one thread that accesses it.

Records of the feed are applied and queries answered one after the other, in a dedicated thread: no answer
shows half of a fetch, and no long query blocks the event loop.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Literal, TypeVar, cast

from streams.clock import SYSTEM_CLOCK, Clock
from streams.settings import Settings
from tables.query.params import DEFAULT_WINDOW_US
from tables.read.state import ReaderState
from tables.read.status import Situation
from tables.spec.view import View
from tables.times import HOUR_US

T = TypeVar("T")

WARM_HOURS = DEFAULT_WINDOW_US // HOUR_US
"""As long as the window that queries have unless they say otherwise."""


class Replica:
    """One feed's state, as read so far.

    `topics`: raw topic → number of partitions, None while that is unknown. `waiting_for`: why the feed has
    not been read to the end it had at the start; None once it has. `closing`: the process is shutting down.
    """

    def __init__(
        self,
        views: Mapping[str, View],
        settings: Settings,
        clock: Clock = SYSTEM_CLOCK,
    ) -> None:
        self.views = dict(views)
        self.settings = settings
        self.clock = clock
        self.topics: dict[str, int | None] = dict.fromkeys(settings.raw_topics)
        self.waiting_for: str | None = "the feed to be read"
        self.closing = asyncio.Event()
        self.reader = ReaderState(self.views, settings.minutes_kept, settings.pane_hours)
        self._changed = asyncio.Event()
        self._thread = ThreadPoolExecutor(1, "sluice-state")

    @property
    def ready(self) -> bool:
        """Whether the feed has been read to the end it had at the start."""
        return self.waiting_for is None

    def forget(self, why: str) -> None:
        """Start over: the feed is not the one that was read."""
        self.waiting_for = why
        self.reader = ReaderState(self.views, self.settings.minutes_kept, self.settings.pane_hours)
        self.notify()

    def situation(self) -> Situation:
        """What an answer given now depends on besides the feed."""
        return Situation(
            wall_us=self.clock.wall_us(),
            monotonic=self.clock.monotonic(),
            topics=dict(self.topics),
            feed_read=self.ready,
            clock=cast(Literal["wall", "event"], self.settings.clock),
            stale_seconds=self.settings.stale_seconds,
            session_seconds=self.settings.session_seconds,
        )

    async def run(self, work: Callable[[ReaderState], T]) -> T:
        """Run a function on the state, in its thread. Every read or change goes through here."""
        return await asyncio.get_running_loop().run_in_executor(self._thread, lambda: work(self.reader))

    async def warm(self) -> None:
        """Unpack and merge the newest hours of all views, an hour at a time: queries come in between."""
        newest_us = await self.run(ReaderState.newest_us)
        if newest_us is not None:
            for hour in range(newest_us // HOUR_US, newest_us // HOUR_US - WARM_HOURS, -1):
                for name in self.views:
                    await self.run(partial(ReaderState.merge_hour, name=name, hour=hour))

    def notify(self) -> None:
        """Wake the tasks that wait for a change."""
        changed, self._changed = self._changed, asyncio.Event()
        changed.set()

    async def changed(self, timeout_seconds: float) -> None:
        """Wait for a change of a view, or until the time-out."""
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._changed.wait(), timeout_seconds)

    async def pause(self, seconds: float) -> None:
        """Wait for a time, less if the process shuts down."""
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self.closing.wait(), seconds)

    def end(self) -> None:
        """Let streams and background work end."""
        self.closing.set()
        self.notify()

    def close(self) -> None:
        """Stop the thread."""
        self._thread.shutdown(wait=False)
