"""The trace that a record belongs to, as far as a bad one says it: for a log line, a listing, a link."""

from __future__ import annotations

import re
from collections.abc import Iterable

import msgspec

TRACEPARENT = "traceparent"
LARGEST_BYTES = 1 << 20
"""Of a larger value nothing is read."""
_PARENT = re.compile(rb"[0-9a-f]{2}-([0-9a-f]{32})-[0-9a-f]{16}-[0-9a-f]{2}(?:-.*)?")
_ID = re.compile(r"[A-Za-z0-9._:/-]{1,128}")
"""What is shown of a producer's own words: an id, and no text."""


class _Traced(msgspec.Struct):
    trace_id: str | None = None


_decode = msgspec.json.Decoder(_Traced).decode


def trace_id_of(value: bytes | None, headers: Iterable[tuple[str, bytes | None]] = ()) -> str | None:
    """The envelope's `trace_id`, or else that of the header `traceparent` (W3C); None where neither has what
    looks like an id."""
    return _of_envelope(value) or next(map(trace_of_parent, _parents(headers)), None)


def trace_of_parent(traceparent: bytes | None) -> str | None:
    """The trace's id, 32 hexadecimal digits; None for what is no `traceparent`."""
    found = _PARENT.fullmatch(traceparent or b"")
    return None if found is None else found[1].decode()


def _of_envelope(value: bytes | None) -> str | None:
    if not value or value[0] == 0 or len(value) > LARGEST_BYTES:
        return None
    try:
        found = _decode(value).trace_id
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return None
    return found if found is not None and _ID.fullmatch(found) else None


def _parents(headers: Iterable[tuple[str, bytes | None]]) -> Iterable[bytes | None]:
    return (value for name, value in headers if name.lower() == TRACEPARENT)
