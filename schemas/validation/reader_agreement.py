"""What common JSON readers would not read alike (docs/contract.md §1), found in one record.

Of a member that is there twice some readers take the first, some the last, others refuse the whole file;
several compare names without regard to case. Numbers that do not fit, deep nesting and very long names or
numbers turn rows to null in one reader and stop another. All of it is judged here from the record's text, in
members that are declared and in those that are not.
"""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Iterable, Mapping
from math import isinf
from typing import Any

MAX_DEPTH = 64
"""How deep arrays and objects may be nested, the record itself counted as one."""
MAX_NUMBER_CHARS = 1000
"""Characters of a number; Jackson, and so Spark, reads no more."""
MAX_EXPONENT = 308
"""The largest power of ten of a number; Arrow reads no larger one, of 0 either."""
MAX_EXPONENT_DIGITS = 9
"""Digits of an exponent, its zeros in front not counted; Polars reads none beyond 64 bits."""
MAX_NAME_CHARS = 50_000
"""Characters of a member's name; Jackson, and so Spark, reads no more."""
MIN_INTEGER, MAX_INTEGER = -(2**63), 2**64 - 1
"""Integers of 64 bits, with or without a sign."""
MAX_SIGNED = 2**63 - 1
"""The largest of a declared member, which may be a column of signed integers."""
KAFKA = "_kafka"
"""The member that Bronze adds to a line."""

_STRUCTURE = re.compile(rb'"(?:[^"\\]|\\.)*"?|[\[\]{}]', re.DOTALL)


class UnlikeError(ValueError):
    """Readers differ on a record. `str(error)` says why, and shows none of its values."""


class RepeatedError(Exception):
    """An object has a member twice: which of the two a reader takes is chance."""


class Unreadable:
    """Stands for a number that not every reader can hold: right for no field."""

    def __init__(self, why: str) -> None:
        self.why = why


class Pairs(list[tuple[str, Any]]):
    """An object's members as they were written, with those that are there twice."""


def check_depth(value: bytes) -> None:
    """Raises `UnlikeError` if `value`, when it is JSON, is nested deeper than `MAX_DEPTH`."""
    if value.count(b"[") + value.count(b"{") <= MAX_DEPTH:
        return
    depth = 0
    for token in _STRUCTURE.finditer(value):
        mark = token.group()
        if mark in b"[{":
            depth += 1
            _check_depth(depth)
        elif mark in b"]}":
            depth -= 1


def parse(text: str) -> Any:
    """A JSON text, known to be well-formed and not too deep, with `Pairs` for objects."""
    return json.loads(text, object_pairs_hook=Pairs, parse_int=_integer, parse_float=_number)


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise RepeatedError
    return found


_parse_once = json.JSONDecoder(object_pairs_hook=_once).decode


def parse_once(value: bytes) -> Any:
    """What JSON says, if no object in it has a member twice.

    Raises `RepeatedError` for one that has, ValueError for what is no JSON, RecursionError for what is too
    deep.
    """
    return _parse_once(value.decode())


def _integer(digits: str) -> int | Unreadable:
    if len(digits) > MAX_NUMBER_CHARS:
        return Unreadable(f"a number has more than {MAX_NUMBER_CHARS} characters")
    return int(digits)


def _number(text: str) -> float | Unreadable:
    if len(text) > MAX_NUMBER_CHARS:
        return Unreadable(f"a number has more than {MAX_NUMBER_CHARS} characters")
    number = float(text)
    if isinf(number) or (not number and _is_far(text)):
        return Unreadable("a number is beyond IEEE doubles")
    return number


def _is_far(text: str) -> bool:
    """Whether a number that is 0 has an exponent that not every reader takes."""
    digits = text.lower().partition("e")[2]
    power = digits.lstrip("+-").lstrip("0")
    return len(power) > MAX_EXPONENT_DIGITS or (digits[:1] != "-" and int(power or 0) > MAX_EXPONENT)


def check(value: Any, depth: int = 1) -> None:
    """Raises `UnlikeError` for what no declaration speaks of: `value` is a whole member, or a whole record.

    Takes what `parse` gives.
    """
    if isinstance(value, Pairs):
        _check_depth(depth)
        _check_names(value)
        for _, member in value:
            check(member, depth + 1)
    elif isinstance(value, list):
        _check_depth(depth)
        for item in value:
            check(item, depth + 1)
    else:
        problem = problem_of_number(value)
        if problem:
            raise UnlikeError(problem)


def _check_depth(depth: int) -> None:
    if depth > MAX_DEPTH:
        raise UnlikeError(f"it is nested deeper than {MAX_DEPTH}")


def problem_of_number(value: Any) -> str | None:
    """What is wrong with a number; None for a good one, and for all that is none."""
    if isinstance(value, Unreadable):
        return value.why
    if isinstance(value, int) and not MIN_INTEGER <= value <= MAX_INTEGER:
        return "an integer is beyond 64 bits"
    return None


def _check_names(pairs: Iterable[tuple[str, Any]], declared: Collection[str] = ()) -> None:
    seen: set[str] = set()
    for name, _ in pairs:
        lowered = name.lower()
        if lowered in declared:
            continue
        if not name or len(name) > MAX_NAME_CHARS:
            raise UnlikeError(f"a member's name is empty or longer than {MAX_NAME_CHARS} characters")
        if lowered in seen:
            raise UnlikeError("a member is there twice, or under names that differ in letter case alone")
        if lowered == KAFKA and name != KAFKA:
            raise UnlikeError(f"a member's name differs from {KAFKA} in letter case alone")
        seen.add(lowered)


def split(
    pairs: Pairs, declared: Mapping[str, str], *, depth: int, inner: str = ""
) -> tuple[dict[str, Any], set[str]]:
    """The declared members of an object that begins at `depth`, once all others have been found good; and the
    names of those that are there more than once, or in another letter case.

    `declared`: lower-case name → name. `inner`: a member that, if it is an object, has a `split` of its own.
    Raises `UnlikeError`.
    """
    _check_names(pairs, declared)
    members: dict[str, Any] = {}
    twice: set[str] = set()
    for name, member in pairs:
        field = declared.get(name.lower())
        if field is not None:
            if field in members or name != field:
                twice.add(field)
            members[field] = member
        is_inner = field == inner and isinstance(member, Pairs)
        if field is None or (isinstance(member, Pairs | list) and not is_inner):
            check(member, depth + 1)
    return members, twice
