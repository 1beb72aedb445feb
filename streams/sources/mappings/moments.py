"""Unix times as the RFC 3339 text of an envelope."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from schemas.times import FIRST_US, LAST_US, SECOND_US, format_time

_UNITS = ((10**14, 1000), (10**17, 10**6))
"""Below this a number is of this many a second."""


def from_unix(value: Any, per_second: int = 1) -> str:
    """A number of seconds since 1970 UTC, or of a fraction of them, as RFC 3339; finer than microseconds is
    cut. Raises ValueError for what is no number, or outside the years 0001 to 9999."""
    if isinstance(value, bool) or not isinstance(value, int | Decimal):
        raise ValueError("must be a number")  # noqa: TRY004 - a value is wrong, not our call
    if isinstance(value, Decimal) and not -30 <= value.adjusted() <= 30:
        raise ValueError("must be a time in the years 0001 to 9999")
    at_us = (
        int(value * SECOND_US / per_second) if isinstance(value, Decimal) else value * SECOND_US // per_second
    )
    if not FIRST_US <= at_us <= LAST_US:
        raise ValueError("must be a time in the years 0001 to 9999")
    return format_time(at_us)


def from_epoch(value: int) -> str:
    """A number of ms, µs or ns since 1970 as RFC 3339: which of them, its size tells (ms until the year 5138,
    µs and ns after 1973). Raises ValueError."""
    per_second = next((unit for largest, unit in _UNITS if abs(value) < largest), 10**9)
    return from_unix(value, per_second)
