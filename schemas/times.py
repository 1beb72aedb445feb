"""Moments as RFC 3339 text (docs/contract.md §1): one at a time, and a batch at once."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from functools import lru_cache
from itertools import compress
from typing import NamedTuple

import msgspec
import numpy as np
import numpy.typing as npt

FIRST, LAST = datetime.min.replace(tzinfo=UTC), datetime.max.replace(tzinfo=UTC)
"""Where an instant may lie, whatever its offset: the years 0001 to 9999, in UTC."""

Micros = npt.NDArray[np.int64]
"""µs since 1970 UTC."""

_decode = msgspec.json.Decoder(datetime).decode
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MICROSECOND = timedelta(microseconds=1)
FIRST_US, LAST_US = ((moment - EPOCH) // MICROSECOND for moment in (FIRST, LAST))
"""The same in µs since 1970 UTC."""

_DIGITS = "0123456789"
_TO_MICROSECONDS = len("0000-00-00T00:00:00.000000Z")
SECOND_US = 1_000_000
DAY_US = 86_400 * SECOND_US
FUTURE_MS = 300_000
"""How far occurred_at may be ahead of a record's Kafka timestamp, and that of the clock: 5 min."""
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


@lru_cache(maxsize=4096)
def instant_us(text: str) -> int:
    """µs since 1970 UTC of RFC 3339 text, as `parse_instant` reads it. Raises `ValueError`."""
    return micros(parse_instant(text))


def from_micros(at_us: int) -> datetime:
    """The instant so many µs after 1970 UTC."""
    return EPOCH + at_us * MICROSECOND


def parse_all(texts: list[str]) -> tuple[Micros, set[int]]:
    """µs since 1970 UTC of each text (0 if it is wrong), and the indexes that `parse_instant` refuses.

    Texts of one length and form are parsed together, which takes a tenth of the time.
    """
    if len(texts) >= _FEW and (uniform := _parse_uniform(texts)) is not None:
        return uniform, set()
    times, done = np.zeros(len(texts), np.int64), np.zeros(len(texts), bool)
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
            times[index] = micros(parse_instant(texts[index]))
        except ValueError:
            refused.add(index)
    return times, refused


class _Layout(NamedTuple):
    """How texts of one form lie in a buffer: bytes in [low, low + span], for up to `_ROWS` texts; what each
    byte weighs in a text's date (as the number yyyymmdd) and its µs of the day, less what zeros weigh."""

    low: npt.NDArray[np.uint8]
    span: npt.NDArray[np.uint8]
    weights: npt.NDArray[np.float64]
    zero: npt.NDArray[np.float64]


_ROWS = 512
"""So many texts are laid out beforehand."""
_DATE_PLACES = {0: 10**7, 1: 10**6, 2: 10**5, 3: 10**4, 5: 1000, 6: 100, 8: 10, 9: 1}
_TIME_PLACES = {11: 36_000, 12: 3_600, 14: 600, 15: 60, 17: 10, 18: 1}
"""What the digit at each place is worth, in days written as yyyymmdd and in seconds."""


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
    low_bytes, high_bytes = (np.frombuffer(text.encode(), np.uint8) for text in (low, high))
    weights = np.zeros((width, 2))
    for place, worth in _DATE_PLACES.items():
        weights[place, 0] = worth
    for place, worth in _TIME_PLACES.items():
        weights[place, 1] = worth * SECOND_US
    for place in range(20, min(19 + fraction, 26)):
        weights[place, 1] = 10 ** (25 - place)
    return _Layout(
        np.tile(low_bytes, _ROWS), np.tile(high_bytes - low_bytes, _ROWS), weights, ord("0") * weights.sum(0)
    )


def _parse_uniform(texts: list[str]) -> Micros | None:
    """µs since 1970 UTC of texts of one form; None if one is of another form, or is no instant.

    The texts are joined by newlines. One that contains a newline does not fit the layout.
    """
    if len(texts) > _ROWS:
        parts = [_parse_uniform(texts[start : start + _ROWS]) for start in range(0, len(texts), _ROWS)]
        return None if any(part is None for part in parts) else np.concatenate(parts)  # type: ignore[arg-type]
    codes = np.frombuffer("\n".join(texts).encode() + b"\n", np.uint8)
    size = len(codes)
    width, rest = divmod(size, len(texts))
    is_utc = texts[0][-1:] == "Z"
    layout = _layout(width, is_utc)
    # What is below `low` wraps around to a large number.
    if rest or layout is None or not (codes - layout.low[:size] <= layout.span[:size]).all():
        return None
    cells = codes.reshape(len(texts), width)
    dates, of_day = (cells.astype(np.float64) @ layout.weights - layout.zero).T
    midnights = _midnights(dates)
    if midnights is None or of_day.max() >= DAY_US:
        return None
    local: Micros = of_day.astype(np.int64) + midnights
    return local if is_utc else _in_utc(local, cells[:, -7:-1])


def _in_utc(local: Micros, cells: npt.NDArray[np.uint8]) -> Micros | None:
    """Local times less their offsets, written in `cells`; None if one is no offset, or leads out of range."""
    offsets = _offset_micros(cells)
    if offsets is None:
        return None
    instants = local - offsets
    return None if instants.min() < FIRST_US or instants.max() > LAST_US else instants


def _midnights(dates: npt.NDArray[np.float64]) -> Micros | int | None:
    """When these dates (yyyymmdd) begin, µs since 1970 UTC: one number if all are one; None if one is not."""
    first = dates[0]
    if (dates == first).all():
        return _midnight(int(first))
    of_dates = {date: _midnight(int(date)) for date in set(dates.tolist())}
    if None in of_dates.values():
        return None
    midnights: Micros = np.array([of_dates[date] for date in dates.tolist()], np.int64)
    return midnights


@lru_cache(maxsize=1024)
def _midnight(date: int) -> int | None:
    """When a date (yyyymmdd) begins, in µs since 1970 UTC; None if the calendar does not have it."""
    try:
        return micros(datetime(date // 10_000, date // 100 % 100, date % 100, tzinfo=UTC))
    except ValueError:
        return None


def _offset_micros(cells: npt.NDArray[np.uint8]) -> Micros | None:
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
