"""Whether a plain pattern matches all that another one does."""

from __future__ import annotations

import re
from string import ascii_letters, digits
from typing import NamedTuple

_ALPHABET = ascii_letters + digits + "_.:-+/@ "
_PART = re.compile(
    r"(\[(?:[A-Za-z0-9]-[A-Za-z0-9]|[A-Za-z0-9_.:+/@ ])+-?\]|[A-Za-z0-9_:@/ -])([*+?]|\{\d+(?:,\d*)?\})?"
)


class _Part(NamedTuple):
    """One class of characters, at least `low` and at most `high` times (None: any number)."""

    characters: frozenset[str]
    low: int
    high: int | None


def covers(wide: str, narrow: str) -> bool:
    """Whether `wide` matches all that `narrow` does, part by part. False where that can't be shown."""
    if wide == narrow:
        return True
    parts, others = _parts(wide), _parts(narrow)
    return parts is not None and others is not None and len(parts) == len(others) and all(
        part.characters >= other.characters
        and part.low <= other.low
        and (part.high is None or (other.high is not None and part.high >= other.high))
        for part, other in zip(parts, others, strict=True)
    )  # fmt: skip


def _parts(pattern: str) -> list[_Part] | None:
    """What a pattern between ^ and $ is made of; None if it is not plain (`schemas.problems`)."""
    inner = pattern.removeprefix("^").removesuffix("$")
    found = list(_PART.finditer(inner))
    if f"^{inner}$" != pattern or "".join(part[0] for part in found) != inner:
        return None
    return [_Part(_characters(part[1]), *_times(part[2])) for part in found]


def _characters(written: str) -> frozenset[str]:
    matches = re.compile(written).fullmatch
    return frozenset(filter(matches, _ALPHABET))


def _times(written: str | None) -> tuple[int, int | None]:
    if written is None:
        return 1, 1
    if written in "*+?":
        return {"*": (0, None), "+": (1, None), "?": (0, 1)}[written]
    low, comma, high = written[1:-1].partition(",")
    return int(low), int(high) if high else None if comma else int(low)
