"""How numbers are written for people: money with its currency's decimals, ratios as percent, ages in words.

What a measure is follows from the end of its name, as everywhere in Sluice: `_minor` is money in the minor
unit of the row's currency (`_minor_p50` a quantile of it), `_seconds` an age, `_rate`, `_ratio`, `_share` and
`ctr` a ratio, `_at` and `_by` a time.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import Any

from schemas.currencies import decimals_of

RATIO_ENDS = ("_rate", "_ratio", "_share", "ctr")
NUMBER_ENDS = ("_minor", "_seconds", *RATIO_ENDS)
MISSING = "-"
_MONEY = re.compile(r"_minor(_p[0-9]+)?$")


def money(minor: int, currency: str | None) -> str:
    """An amount in minor units in its major unit: 123456 GBP → `1,234.56`. No rounding."""
    decimals = decimals_of(currency)
    whole, part = divmod(abs(minor), 10**decimals)
    sign = "-" if minor < 0 else ""
    return f"{sign}{whole:,}.{part:0{decimals}d}" if decimals else f"{sign}{whole:,}"


def age(seconds: float) -> str:
    """A length of time in its two largest units: 93784 → `1 d 2 h`; below a minute `12.3 s`."""
    sign, seconds = ("-", -seconds) if seconds < 0 else ("", seconds)
    if seconds < 60:
        return f"{sign}{seconds:.1f} s" if seconds < 10 else f"{sign}{seconds:.0f} s"
    minutes, rest = divmod(int(seconds), 60)
    if minutes < 60:
        return f"{sign}{minutes} min {rest} s" if rest else f"{sign}{minutes} min"
    hours, minutes = divmod(minutes, 60)
    if hours < 48:
        return f"{sign}{hours} h {minutes} min" if minutes else f"{sign}{hours} h"
    days, hours = divmod(hours, 24)
    return f"{sign}{days} d {hours} h" if hours else f"{sign}{days} d"


def instant(text: str) -> str:
    """An RFC 3339 time in UTC, to the second; what is no time stays as it is."""
    try:
        at = datetime.fromisoformat(text).astimezone(UTC)
    except ValueError:
        return text
    return at.strftime("%Y-%m-%d %H:%M:%S")


def cell(name: str, value: Any, currency: str | None) -> str:
    """One value of a row, by its column's name."""
    if value is None:
        return MISSING
    if isinstance(value, str):
        return instant(value) if name == "t" or name.endswith(("_at", "_by")) else value
    if isinstance(value, bool):
        return "yes" if value else "no"
    return _number(name, value, currency)


def _number(name: str, value: float, currency: str | None) -> str:
    if _MONEY.search(name):
        return money(int(value), currency)
    if name.endswith("_seconds"):
        return age(value)
    if name.endswith(RATIO_ENDS):
        return f"{value:.2%}"
    if isinstance(value, int):
        return f"{value:,}"
    return f"{value:,.4g}" if abs(value) < 1000 else f"{value:,.0f}"  # not 1.235e+04


def heading(name: str) -> str:
    """A column's heading: the name in words, without the unit that its values show."""
    return _MONEY.sub(r"\1", name).removesuffix("_seconds").replace("_", " ")
