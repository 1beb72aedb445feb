"""A bad record's shape without what is in it: names and types, no values."""

from __future__ import annotations

import json
import re
from typing import Any

from schemas.catalogue import EVENTS

MOST_MEMBERS = 40
MOST_ITEMS = 2
MOST_DEPTH = 6
MOST_SIGNS = 16
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,39}")


def masked(value: bytes | None) -> Any:
    """The record as JSON with its values masked; what is no JSON is told by its size.

    A text is as many `#` as it has characters, 16 at most; other values are the names of their types. The
    name of a known event stays. Names that are no plain words are masked too: they may be somebody's.
    """
    if value is None:
        return "<no value>"
    kind = "Avro" if value[:1] == b"\x00" else "not JSON"
    try:
        found = json.loads(value.decode(), parse_int=_Whole, parse_float=_Fraction)
    except (ValueError, RecursionError):
        return f"<{len(value):,} bytes, {kind}>"
    shape = _masked(found, MOST_DEPTH)
    if isinstance(found, dict) and isinstance(found.get("event"), str) and found["event"] in EVENTS:
        shape["event"] = found["event"]
    return shape


class _Whole(str):
    """A whole number as it is written, however long."""

    __slots__ = ()


class _Fraction(str):
    """Another number as it is written."""

    __slots__ = ()


def name(text: str) -> str:
    """A member's name, masked if it is no plain word."""
    return text if _NAME.fullmatch(text) else "#"


def _masked(item: Any, depth: int) -> Any:
    if isinstance(item, dict | list) and depth == 0:
        return "…"
    if isinstance(item, dict):
        members = list(item.items())
        shape = {name(one): _masked(value, depth - 1) for one, value in members[:MOST_MEMBERS]}
        return shape | ({"…": f"{len(members) - MOST_MEMBERS} more"} if len(members) > MOST_MEMBERS else {})
    if isinstance(item, list):
        more = [f"… {len(item) - MOST_ITEMS} more"] if len(item) > MOST_ITEMS else []
        return [_masked(value, depth - 1) for value in item[:MOST_ITEMS]] + more
    if isinstance(item, _Whole | _Fraction | float):
        return "<int>" if isinstance(item, _Whole) else "<number>"
    if isinstance(item, bool):
        return "<bool>"
    return None if item is None else "#" * min(len(item), MOST_SIGNS)
