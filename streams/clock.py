"""The wall clock, in the unit of Kafka's timestamps."""

from __future__ import annotations

import time


def now_ms() -> int:
    """The wall clock, in ms."""
    return int(time.time() * 1000)
