"""The clocks of this process: roles are given one, so that a test can stand in for it."""

from __future__ import annotations

import time
from typing import Protocol


class Clock(Protocol):
    """Where a role reads the time."""

    def wall_ms(self) -> int:
        """The wall clock, in ms since 1970: the unit of Kafka's timestamps."""

    def monotonic(self) -> float:
        """Seconds since some moment; it never goes back."""


class SystemClock:
    """The machine's clocks."""

    def wall_ms(self) -> int:
        """See `Clock`."""
        return int(time.time() * 1000)

    def monotonic(self) -> float:
        """See `Clock`."""
        return time.monotonic()


SYSTEM_CLOCK = SystemClock()
