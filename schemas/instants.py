"""Moments as RFC 3339 text (docs/contract.md §1): one at a time, and a batch at once."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Any, NamedTuple

import msgspec
import numpy as np
import numpy.typing as npt

FIRST_YEAR, LAST_YEAR = 2, 9998
"""Years an instant may be in: one less than Python's own, so that no offset can lead out of its range."""

_decode = msgspec.json.Decoder(datetime).decode
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
_FIRST_MICROS, _END_MICROS = (
    (datetime(year, 1, 1, tzinfo=UTC) - _EPOCH) // _MICROSECOND for year in (FIRST_YEAR, LAST_YEAR + 1)
)
_MINUTE_MICROS = 60_000_000
_ROUNDING_DIGIT = len("0000-00-00T00:00:00.000000")
_MONTH_DAYS = np.array((0, 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31), np.uint8)
_FEW = 12
"""Below this many texts numpy's fixed costs are higher than parsing one by one."""


def parse_instant(value: object) -> datetime:
    """RFC 3339 text with an offset (`Z` or `+hh:mm`) to a datetime; its fraction is rounded to microseconds.

    A datetime with an offset passes (Avro's logical types give one). The ValueError does not show `value`.
    """
    # msgspec reads RFC 3339, but also a space for the T, and offsets without a colon, or none. Its decoder
    # takes half the time of its `convert`, and wants JSON: no quote can hide in it, but an escape could.
    if isinstance(value, str):
        try:
            if value[10] in "Tt" and (value[-1] in "Zz" or value[-3] == ":") and "\\" not in value:
                value = _decode(f'"{value}"')
        except (msgspec.DecodeError, IndexError):
            pass
    if not isinstance(value, datetime) or value.tzinfo is None:
        raise ValueError("must be an RFC 3339 time with an offset, such as 2026-03-01T12:00:00Z")
    if not FIRST_YEAR <= value.year <= LAST_YEAR:
        raise ValueError(f"must be in a year from {FIRST_YEAR} to {LAST_YEAR}")
    return value


def to_seconds(moment: datetime) -> float:
    """Seconds since 1970 UTC, from whole microseconds."""
    return ((moment - _EPOCH) // _MICROSECOND) / 1e6


def parse_all(texts: list[str]) -> tuple[list[float], set[int]]:
    """Seconds since 1970 UTC of each text (0.0 if it is wrong), and the indexes that `parse_instant` refuses.

    Texts of one length and form are parsed together, which takes a tenth of the time.
    """
    times = [0.0] * len(texts)
    refused: set[int] = set()
    if len(texts) < _FEW:
        _parse_each(texts, range(len(texts)), times, refused)
        return times, refused
    together, odd = _parse_usual(texts)
    if together is not None:
        _parse_each(texts, odd, together, refused)
        return together, refused
    groups: dict[tuple[int, bool], list[int]] = {}
    for index, text in enumerate(texts):
        groups.setdefault((len(text), text[-1:] == "Z"), []).append(index)
    for (_, utc), indexes in groups.items():
        group = [texts[index] for index in indexes]
        parsed = _parse_uniform("\n".join(group), len(group), utc) if len(group) >= _FEW else None
        if parsed is None:
            _parse_each(texts, indexes, times, refused)
            continue
        for index, seconds in zip(indexes, parsed, strict=True):
            times[index] = seconds
    return times, refused


def _parse_usual(texts: list[str]) -> tuple[list[float] | None, list[int]]:
    """Parse all texts of the usual length together; the indexes of the others, whose times are not theirs.

    A few odd ones are what a batch with bad records has. None: there are many, or they are of several forms.
    """
    lengths = list(map(len, texts))
    usual = max(set(lengths), key=lengths.count)
    odd = [index for index, length in enumerate(lengths) if length != usual]
    if len(odd) * 8 > len(texts):
        return None, odd
    sample = texts[lengths.index(usual)]
    if odd:
        texts = texts.copy()
        for index in odd:
            texts[index] = sample
    return _parse_uniform("\n".join(texts), len(texts), sample[-1:] == "Z"), odd


def _parse_each(texts: list[str], indexes: Iterable[int], times: list[float], refused: set[int]) -> None:
    for index in indexes:
        try:
            times[index] = to_seconds(parse_instant(texts[index]))
        except ValueError:
            times[index] = 0.0
            refused.add(index)


class _Layout(NamedTuple):
    """How texts of one form lie in a buffer: bytes in [low, low + span]; `local` cuts out the local time."""

    low: npt.NDArray[np.uint8]
    span: npt.NDArray[np.uint8]
    local: np.dtype[Any]
    rounds: bool
    """There are digits after those of the microseconds."""


@lru_cache(maxsize=32)
def _layout(width: int, utc: bool) -> _Layout | None:
    """The layout of `width` bytes, of which the last separates; None if no text with up to 9 digits of
    fraction is as long as that."""
    tail = "Z\n" if utc else "+00:00\n"
    fraction = width - 19 - len(tail)
    if fraction != 0 and not 2 <= fraction <= 10:
        return None
    rest = ".000000000"[:fraction] + tail
    low = "0000-00-00T00:00:00" + rest
    high = "9999-19-39T29:59:59" + rest.replace("0", "9").replace("+", "-")
    local = np.dtype({"names": ["local"], "formats": [f"S{19 + min(fraction, 7)}"], "itemsize": width})
    low_bytes, high_bytes = (np.frombuffer(text.encode(), np.uint8) for text in (low, high))
    return _Layout(low_bytes, high_bytes - low_bytes, local, fraction > 7)


def _parse_uniform(joined: str, count: int, utc: bool) -> list[float] | None:
    """Parse `count` texts of one form, joined by newlines. None if one is of another form, or is no instant.

    A text cannot smuggle a newline in: each has to be where the layout has it, and just the joints are there.
    """
    buffer = joined.encode() + b"\n"
    width, rest = divmod(len(buffer), count)
    layout = _layout(width, utc)
    if rest or layout is None:
        return None
    cells = np.frombuffer(buffer, np.uint8).reshape(count, width)
    if not (cells - layout.low <= layout.span).all():  # what is below `low` wraps around to a large number
        return None
    if not _all_exist(cells):
        return None
    local = np.frombuffer(buffer, layout.local)["local"].astype("datetime64[us]").view(np.int64)
    if layout.rounds:
        local = local + (cells[:, _ROUNDING_DIGIT] >= ord("5"))
    if local.min() < _FIRST_MICROS or local.max() >= _END_MICROS:
        return None
    if not utc:
        offsets = _offset_micros(cells[:, -7:-1])
        if offsets is None:
            return None
        local -= offsets
    seconds: list[float] = (local / 1e6).tolist()
    return seconds


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
    micros: npt.NDArray[np.int64] = signs * (hours * 60 + minutes) * _MINUTE_MICROS
    return micros
