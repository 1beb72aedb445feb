"""Leaving one member out of a JSON object, and its other bytes as they are."""

from __future__ import annotations

import json
import re

import msgspec

from schemas.validation.reader_agreement import KAFKA, UnlikeError, check_depth

_TOKEN = re.compile(rb'"(?:[^"\\]|\\.)*"|[\[\]{},]', re.DOTALL)
_ESCAPED = re.compile(rb"\\u00(?:5f|6[16b])", re.IGNORECASE)
"""A character of `_kafka` as an escape."""


def without_kafka(value: bytes) -> bytes:
    """The JSON object without the members `_kafka` of its own; the same bytes if there is none, or if it is
    no JSON object that Sluice would take."""
    if b"_kafka" not in value and not (b"\\u00" in value and _ESCAPED.search(value)):
        return value
    try:
        check_depth(value)
        members = msgspec.json.decode(value, type=dict[str, msgspec.Raw])
    except (msgspec.MsgspecError, ValueError, UnlikeError):
        return value
    return _without(value, KAFKA) if KAFKA in members else value


def _without(value: bytes, name: str) -> bytes:
    """A well-formed object's text without its members of this name."""
    start = value.index(b"{") + 1
    parts: list[bytes] = []
    depth, begins, named = 0, start, False
    is_ours = False
    for token in _TOKEN.finditer(value, start):
        mark = token.group()
        if mark in b"[{":
            depth += 1
        elif depth == 0 and mark in b",}":
            if not is_ours:
                parts.append(value[begins : token.start()])
            if mark == b"}":
                return value[:start] + b",".join(parts) + value[token.start() :]
            begins, named, is_ours = token.end(), False, False
        elif mark in b"]}":
            depth -= 1
        elif depth == 0 and not named and mark[:1] == b'"':
            named, is_ours = True, json.loads(mark) == name
    raise AssertionError("the object has no end")
