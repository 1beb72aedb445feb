"""Where the steps of a query begin: at multiples of their length since 1970, by UTC or by a zone's clock."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cache, cached_property
from zoneinfo import ZoneInfo, available_timezones

from schemas.times import format_time
from tables.query.values import did_you_mean
from tables.times import HOUR_MINUTES, MINUTE_US

_MINUTE, _ZERO = timedelta(minutes=1), timedelta()
_EPOCH = datetime(1970, 1, 1)  # noqa: DTZ001 - of a wall clock

_zone_names = cache(available_timezones)


def find_zone(name: str) -> ZoneInfo:
    """The time zone of a name of the IANA database, such as Europe/Lisbon. Raises `ValueError`."""
    if name not in _zone_names():
        hint = did_you_mean(name, _zone_names())
        raise ValueError(f"must be the name of a time zone, such as Europe/Lisbon{hint}")
    return ZoneInfo(name)


@dataclass(frozen=True)
class Steps:
    """Steps of `minutes`. With a `zone` they follow its clock: a day is from midnight to midnight, and has 23
    or 25 hours where the clock is changed. Steps of up to an hour keep their length then; longer ones begin
    when the clock shows a multiple, the first time it does.
    """

    minutes: int
    zone: ZoneInfo | None = None

    def start(self, minute: int) -> int:
        """The epoch minute at which the step of an epoch minute begins."""
        if self.zone is None:
            return minute // self.minutes * self.minutes
        offset = _offset(self.zone, minute)
        since = (minute + offset) % self.minutes
        if self.minutes <= HOUR_MINUTES and _offset(self.zone, minute - since) == offset:
            return minute - since
        return min(minute, _first_minute(self.zone, minute + offset - since, offset))

    @cached_property
    def start_of(self) -> Callable[[int], int]:
        """`start`, which remembers what it said."""
        return cache(self.start)

    def cuts(self, hour: int) -> bool:
        """Whether a step begins inside an epoch hour."""
        first = hour * HOUR_MINUTES
        return self.start_of(first) != self.start_of(first + HOUR_MINUTES - 1)

    def text(self, minute: int) -> str:
        """An epoch minute in RFC 3339, with the zone's offset."""
        local = None if self.zone is None else _local(self.zone, minute)
        if local is None or (local.utcoffset() or _ZERO) % _MINUTE:  # RFC 3339 has no seconds in an offset
            return format_time(minute * MINUTE_US)
        return local.isoformat()


def _local(zone: ZoneInfo, minute: int) -> datetime | None:
    """None within a day of the first and of the last time that can be written."""
    try:
        return datetime.fromtimestamp(minute * 60, zone)
    except (OverflowError, ValueError):
        return None


def _offset(zone: ZoneInfo, minute: int) -> int:
    local = _local(zone, minute)
    return 0 if local is None else (local.utcoffset() or _ZERO) // _MINUTE


def _first_minute(zone: ZoneInfo, wall: int, fallback: int) -> int:
    """The epoch minute at which a clock first shows `wall` minutes since 1970, or skips them."""
    try:
        offset = (_EPOCH + wall * _MINUTE).replace(tzinfo=zone).utcoffset()
    except (OverflowError, ValueError):
        offset = None
    return wall - (fallback if offset is None else offset // _MINUTE)
