"""The clocks of this process: who needs the time is given one, so that a test can stand in for it."""

from __future__ import annotations

import time


class Clock:
    """The machine's clocks. A test overrides `wall_us` and `monotonic`."""

    def wall_us(self) -> int:
        """The wall clock, in µs since 1970: the unit of event times."""
        return time.time_ns() // 1000

    def wall_ms(self) -> int:
        """The same in ms: the unit of Kafka's timestamps."""
        return self.wall_us() // 1000

    def monotonic(self) -> float:
        """Seconds since some moment; it never goes back."""
        return time.monotonic()


SYSTEM_CLOCK = Clock()
