"""How often an analyst may ask."""

from __future__ import annotations

import time

from limits import RateLimitItemPerSecond
from limits.storage import MemoryStorage
from limits.strategies import MovingWindowRateLimiter

WINDOW_SECONDS = 10
"""A burst may use up what so many seconds allow."""


class Rates:
    """Requests of each analyst over the last `WINDOW_SECONDS`. `per_second`: on average; 0: no limit."""

    def __init__(self, per_second: int) -> None:
        self._most = per_second * WINDOW_SECONDS
        self._limit = RateLimitItemPerSecond(self._most, WINDOW_SECONDS) if self._most else None
        self._limiter = MovingWindowRateLimiter(MemoryStorage())

    def wait_seconds(self, analyst: str, requests: int = 1) -> float:
        """Counts so many requests, or as many as a window has where that is less: they are asked at once, and
        could never be. Answers 0, or for how long the analyst has to wait before asking again."""
        if self._limit is None or self._limiter.hit(self._limit, analyst, cost=min(requests, self._most)):
            return 0.0
        if requests > 1:  # by when enough of the window is free, the limiter does not say
            return float(WINDOW_SECONDS)
        return max(0.0, self._limiter.get_window_stats(self._limit, analyst).reset_time - time.time())
