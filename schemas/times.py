"""Moments as RFC 3339 text (docs/contract.md §1): one at a time, and a batch at once."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from functools import lru_cache
from itertools import compress
from math import inf, nextafter
from typing import Any, NamedTuple

import msgspec
import numpy as np
import numpy.typing as npt

FIRST, LAST = datetime.min.replace(tzinfo=UTC), datetime.max.replace(tzinfo=UTC)
"""Where an instant may lie, whatever its offset: the years 0001 to 9999, in UTC."""

_decode = msgspec.json.Decoder(datetime).decode
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MICROSECOND = timedelta(microseconds=1)
FIRST_US, LAST_US = ((moment - EPOCH) // MICROSECOND for moment in (FIRST, LAST))
"""The same in µs since 1970 UTC."""

_DIGITS = "0123456789"
_TO_MICROSECONDS = len("0000-00-00T00:00:00.000000Z")
SECOND_US = 1_000_000
FUTURE_MS = 300_000
"""How far occurred_at may be ahead of a record's Kafka timestamp, and that of the clock: 5 min."""
_EXACT_US = 2**33 * SECOND_US
"""As far from 1970 (in 1697 and 2242) seconds in a float are exact to the microsecond; not beyond."""
_MONTH_DAYS = np.array((0, 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31), np.uint8)
_LENGTHS = frozenset(range(20, 36))
"""Of an instant with up to 9 digits of fraction."""
_FEW = 12
"""Below this many texts numpy's fixed costs are higher than parsing one by one."""


def parse_instant(value: object) -> datetime:
    """RFC 3339 text with an offset (`Z` or `+hh:mm`) to a datetime; of its fraction, what is finer than
    microseconds is cut off.

    A datetime with an offset passes (Avro's logical types give one). The ValueError does not show `value`.
    """
    # msgspec reads RFC 3339, but also a space for the T, and offsets without a colon, or none; and it rounds.
    # Its decoder takes half the time of its `convert`, and wants JSON: no quote can hide in it, an escape
    # could.
    if isinstance(value, str):
        if len(value) > _TO_MICROSECONDS and value[26] in _DIGITS and value[20:26].isdigit():
            value = value[:26] + value[26:].lstrip(_DIGITS)
        try:
            if value[10] in "Tt" and (value[-1] in "Zz" or value[-3] == ":") and "\\" not in value:
                value = _decode(f'"{value}"')
        except (msgspec.DecodeError, IndexError):
            pass
    if (
        not isinstance(value, datetime)
        or value.tzinfo is None
        or not (1 < value.year < 9999 or FIRST <= value <= LAST)  # from the years between no offset leads out
    ):
        raise ValueError(
            "must be an RFC 3339 time with an offset, such as 2026-03-01T12:00:00Z, in the years 0001 to 9999"
        )
    return value


def micros(instant: datetime) -> int:
    """µs since 1970 UTC."""
    return (instant - EPOCH) // MICROSECOND


def from_micros(at_us: int) -> datetime:
    """The instant so many µs after 1970 UTC."""
    return EPOCH + at_us * MICROSECOND


def to_seconds(moment: datetime) -> float:
    """Seconds since 1970 UTC, from whole microseconds.

    Where a float is coarser than that, it is the nearest that still lies in the same second: no instant
    gets into the next minute, or the year 10000.
    """
    at_us = micros(moment)
    return min(at_us / 1e6, nextafter(at_us // SECOND_US + 1, -inf))


def _all_to_seconds(instants_us: npt.NDArray[np.int64]) -> npt.NDArray[np.float64]:
    """As `to_seconds`."""
    seconds = instants_us / 1e6
    if instants_us.min() < -_EXACT_US or instants_us.max() > _EXACT_US:
        seconds = np.minimum(seconds, np.nextafter(instants_us // SECOND_US + 1.0, -inf))
    return seconds


def parse_all(texts: list[str]) -> tuple[list[float], set[int]]:
    """Seconds since 1970 UTC of each text (0.0 if it is wrong), and the indexes that `parse_instant` refuses.

    Texts of one length and form are parsed together, which takes a tenth of the time.
    """
    if len(texts) >= _FEW and (uniform := _parse_uniform(texts)) is not None:
        return uniform.tolist(), set()
    times, done = np.zeros(len(texts)), np.zeros(len(texts), bool)
    if len(texts) >= _FEW:
        lengths = np.array(list(map(len, texts)))
        for length in _LENGTHS.intersection(lengths.tolist()):
            here = lengths == length
            if np.count_nonzero(here) < _FEW:
                continue
            parsed = _parse_uniform(list(compress(texts, here.tolist())))
            if parsed is not None:
                times[here], done = parsed, done | here
    refused: set[int] = set()
    for index in np.flatnonzero(~done).tolist():
        try:
            times[index] = to_seconds(parse_instant(texts[index]))
        except ValueError:
            refused.add(index)
    return times.tolist(), refused


class _Layout(NamedTuple):
    """How texts of one form lie in a buffer: bytes in [low, low + span]; `local` cuts out the local time,
    down to microseconds."""

    low: npt.NDArray[np.uint8]
    span: npt.NDArray[np.uint8]
    local: np.dtype[Any]


@lru_cache(maxsize=32)
def _layout(width: int, utc: bool) -> _Layout | None:
    """The layout of `width` bytes, the last one a separator; None if no instant has that length."""
    tail = "Z\n" if utc else "+00:00\n"
    fraction = width - 19 - len(tail)
    if fraction != 0 and not 2 <= fraction <= 10:
        return None
    rest = ".000000000"[:fraction] + tail
    low = "0000-00-00T00:00:00" + rest
    high = "9999-19-39T29:59:59" + rest.replace("0", "9").replace("+", "-")
    local = np.dtype({"names": ["local"], "formats": [f"S{19 + min(fraction, 7)}"], "itemsize": width})
    low_bytes, high_bytes = (np.frombuffer(text.encode(), np.uint8) for text in (low, high))
    return _Layout(low_bytes, high_bytes - low_bytes, local)


def _parse_uniform(texts: list[str]) -> npt.NDArray[np.float64] | None:
    """Seconds since 1970 UTC of texts of one form; None if one is of another form, or is no instant.

    The texts are joined by newlines. One that contains a newline does not fit the layout.
    """
    buffer = "\n".join(texts).encode() + b"\n"
    width, rest = divmod(len(buffer), len(texts))
    utc = texts[0][-1:] == "Z"
    layout = _layout(width, utc)
    if rest or layout is None:
        return None
    cells = np.frombuffer(buffer, np.uint8).reshape(len(texts), width)
    # What is below `low` wraps around to a large number.
    if not (cells - layout.low <= layout.span).all() or not _all_exist(cells):
        return None
    local = np.frombuffer(buffer, layout.local)["local"].astype("datetime64[us]").view(np.int64)
    earliest = local.min()  # also here: there is no year 0000, whatever its offset
    if not utc:
        offsets = _offset_micros(cells[:, -7:-1])
        if offsets is None:
            return None
        local -= offsets
    if min(earliest, local.min()) < FIRST_US or local.max() > LAST_US:
        return None
    return _all_to_seconds(local)


def _all_exist(cells: npt.NDArray[np.uint8]) -> bool:
    """Whether all texts begin with a date of the calendar and an hour of the day; all have their digits.

    numpy cannot be asked: in an array of more than 500 it raises for a wrong date without holding the
    interpreter's lock, which ends the process.
    """
    tens, ones = cells[:, (5, 8, 11)] - ord("0"), cells[:, (6, 9, 12)] - ord("0")
    months, days, hours = (tens * 10 + ones).T
    if not (months.all() and days.all()) or months.max() > 12 or hours.max() > 23:
        return False
    over = days > _MONTH_DAYS[months]
    if not over.any():
        return True
    years = (cells[over, :4] - ord("0")) @ np.array((1000, 100, 10, 1))
    leap = (years % 4 == 0) & ((years % 100 != 0) | (years % 400 == 0))
    return bool((leap & (months[over] == 2) & (days[over] == 29)).all())


def _offset_micros(cells: npt.NDArray[np.uint8]) -> npt.NDArray[np.int64] | None:
    """The offsets `±hh:mm` in microseconds; None if one is out of range. The digits have been checked."""
    digits = cells.astype(np.int64) - ord("0")
    hours, minutes = digits[:, 1] * 10 + digits[:, 2], digits[:, 4] * 10 + digits[:, 5]
    signs = ord(",") - cells[:, 0].astype(np.int64)  # "+" is 1 below ",", "-" 1 above
    if hours.max() > 23 or minutes.max() > 59 or not signs.all():
        return None
    return signs * (hours * 60 + minutes) * 60 * SECOND_US


def format_time(at_us: int) -> str:
    """RFC 3339 in UTC, with a fraction only where there is one.

    A window may reach beyond the times that can be written: their first or last stands for its end.
    """
    shown_us = min(max(at_us, FIRST_US), LAST_US)
    return from_micros(shown_us).isoformat().replace("+00:00", "Z")
