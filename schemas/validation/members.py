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
    """The JSON object without its own members `_kafka`; the same bytes if it has none, or is no JSON object
    that Sluice accepts."""
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
    depth, begins = 0, start
    for token in _TOKEN.finditer(value, start):
        mark = token.group()
        if mark in b"[{":
            depth += 1
        elif depth and mark in b"]}":
            depth -= 1
        elif not depth and mark in b",}":
            part = value[begins : token.start()]
            if json.loads(next(_TOKEN.finditer(part)).group()) != name:
                parts.append(part)
            if mark == b"}":
                return value[:start] + b",".join(parts) + value[token.start() :]
            begins = token.end()
    raise AssertionError("the object has no end")
