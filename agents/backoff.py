"""Pauses between retries: each twice as long as the one before, up to a bound."""

from __future__ import annotations

import asyncio

FIRST_SECONDS = 0.5
LONGEST_SECONDS = 10.0


class Backoff:
    """`seconds`: the length of the next pause."""

    def __init__(self, longest: float = LONGEST_SECONDS, first: float | None = None) -> None:
        self._first = self.seconds = FIRST_SECONDS if first is None else first
        self._longest = longest

    async def pause(self, stop: asyncio.Event | None = None) -> None:
        """Wait, at most until `stop` is set; the next pause is longer."""
        seconds = self.next_seconds()
        if stop is None:
            await asyncio.sleep(seconds)
            return
        try:
            async with asyncio.timeout(seconds):
                await stop.wait()
        except TimeoutError:
            return

    def next_seconds(self) -> float:
        """How long to wait now, for who waits by itself; the next pause is longer."""
        seconds, self.seconds = self.seconds, min(self.seconds * 2, self._longest)
        return seconds

    def reset(self) -> None:
        """Something has succeeded: the next failure is a first one."""
        self.seconds = self._first
