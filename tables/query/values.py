"""Values as people write them: lists with commas, times as text or in milliseconds, and near misses.

What the api takes, commands take too, so both read it here.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable
from datetime import datetime
from itertools import islice

from schemas.times import FIRST_US, LAST_US, from_micros, parse_instant

EARLY_MS = 100_000_000_000
"""Milliseconds below it are in 1970 to 1973: probably seconds, a date or a year."""
MOST_CANDIDATES = 1000
LONGEST_VALUE = 128
"""What is longer is no name of ours: ids have 1 to 128 characters."""
MOST_NAMED = 8

_SIGNS = re.compile(r"\\[\\, ]|.", re.DOTALL)
_MILLISECONDS = re.compile(r"-?[0-9]{1,16}")


class EmptyElementError(ValueError):
    """A list has an element without a value."""


def split_list(text: str) -> list[str]:
    r"""The elements of a comma list, without the blanks around them.

    `\,` is a comma that belongs to a value, `\\` a backslash, and a backslash before a blank keeps the blank;
    any other backslash stands for itself. Raises `EmptyElementError`.
    """
    elements: list[list[str]] = [[]]
    for sign in _SIGNS.findall(text):
        if sign == ",":
            elements.append([])
        else:
            elements[-1].append(sign)
    return [_stripped(signs) for signs in elements]


def _stripped(signs: list[str]) -> str:
    while signs and signs[-1] == " ":
        signs.pop()
    first = next((at for at, sign in enumerate(signs) if sign != " "), len(signs))
    if first == len(signs):
        raise EmptyElementError("an element of the list is empty")
    return "".join(sign[-1] for sign in signs[first:])


def parse_moment(text: str) -> datetime:
    """A time as RFC 3339 text or in milliseconds since 1970 UTC. The ValueError does not show it."""
    if re.fullmatch(r"-?[0-9]+", text):
        at_us = int(text) * 1000 if _MILLISECONDS.fullmatch(text) else LAST_US + 1
        if not FIRST_US <= at_us <= LAST_US:
            raise ValueError("as milliseconds since 1970 it must lie in the years 0001 to 9999")
        return from_micros(at_us)
    try:
        return parse_instant(text)
    except ValueError as error:
        raise ValueError(f"{error}, or milliseconds since 1970") from None


def moment_warning(name: str, text: str) -> str | None:
    """The warning for a number that is a time, and probably not the one meant; None for any other."""
    if not _MILLISECONDS.fullmatch(text) or not 0 < int(text) < EARLY_MS:
        return None
    at = from_micros(int(text) * 1000).isoformat(timespec="seconds").replace("+00:00", "Z")
    return f"{name}={text} is {at}: a number is read as milliseconds since 1970, not as seconds or as a date"


def near(value: str, candidates: Iterable[str]) -> str | None:
    """The candidate that was probably meant; None if none is like it. At most `MOST_CANDIDATES` are compared,
    first those that are as long."""
    if len(value) > LONGEST_VALUE:
        return None
    listed = list(candidates)
    folded = value.casefold()
    meant = (folded, folded.rpartition(".")[2])  # payload.currency for currency
    for candidate in listed:
        if candidate.casefold() in meant and candidate != value:
            return candidate
    alike = (one for one in listed if abs(len(one) - len(value)) <= 1 + len(value) // 4)
    by_case = {one.casefold(): one for one in islice(alike, MOST_CANDIDATES)}
    found = difflib.get_close_matches(folded, by_case, 1)
    return by_case[found[0]] if found else None


def did_you_mean(value: str, candidates: Iterable[str]) -> str:
    """`; did you mean london?`, or empty where nothing is like it."""
    found = near(value, candidates)
    return f"; did you mean {found}?" if found is not None else ""


def no_such(what: str, values: Iterable[str], candidates: Iterable[str]) -> list[str]:
    """`no such city: londn; did you mean london?`; what there is instead, where nothing is like it.

    Of several values the first is compared with what there is, which may be much, and the others are named.
    """
    unknown = sorted(values)
    said = [f"no such {what}: {_shown(value)}" for value in unknown[:MOST_NAMED]]
    if said:
        said[0] += _instead(unknown[0], candidates)
    if len(unknown) > MOST_NAMED:
        said.append(f"and {len(unknown) - MOST_NAMED} more of {what} that there are not")
    return said


def _shown(value: str) -> str:
    return value if len(value) <= LONGEST_VALUE else value[:LONGEST_VALUE] + "…"


def _instead(value: str, candidates: Iterable[str]) -> str:
    known = sorted(candidates)
    more = ", …" if len(known) > MOST_NAMED else ""
    there = f"; there are {', '.join(known[:MOST_NAMED])}{more}" if known else "; there is none yet"
    return did_you_mean(value, known) or there
