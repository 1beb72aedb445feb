"""Panes in time: minutes and hours since the epoch, and what they are in µs."""

from __future__ import annotations

from schemas.times import SECOND_US

MINUTE_US = 60 * SECOND_US
HOUR_MINUTES = 60
HOUR_US = HOUR_MINUTES * MINUTE_US


def hour_start(minute: int) -> int:
    """The first epoch minute of the hour that a minute lies in."""
    return minute // HOUR_MINUTES * HOUR_MINUTES


def whole_hours(first: int, end: int, rolled_until: int | None) -> tuple[int, int]:
    """The epoch minutes [first, end), moved out to whole hours at the ends that lie before `rolled_until`:
    there hours are kept alone."""
    if rolled_until is None or first >= rolled_until:
        return first, end
    return hour_start(first), -hour_start(-end) if end < rolled_until else end
