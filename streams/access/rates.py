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
        most = per_second * WINDOW_SECONDS
        self._limit = RateLimitItemPerSecond(most, WINDOW_SECONDS) if most else None
        self._limiter = MovingWindowRateLimiter(MemoryStorage())

    def wait_seconds(self, analyst: str) -> float:
        """Counts a request; answers 0, or for how long the analyst has to wait for another one."""
        if self._limit is None or self._limiter.hit(self._limit, analyst):
            return 0.0
        return max(0.0, self._limiter.get_window_stats(self._limit, analyst).reset_time - time.time())
