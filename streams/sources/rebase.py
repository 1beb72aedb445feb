"""Shifting events in time, so that the newest of a file happens now and all distances stay.

Moved are `occurred_at` and every other instant at the top of the payload (`due_at`, `respond_by`,
`accept_by`): any text that is an RFC 3339 time with an offset. The shift is in whole seconds, so fractions
and offsets stay as they were written. What is no envelope or has no time is left as it is.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec

from schemas.validation.reader_agreement import check, check_depth, parse
from streams.sources.record import Record

_INSTANT = re.compile(r"(\d{4}-\d\d-\d\d[Tt]\d\d:\d\d:\d\d)(\.\d+)?([Zz]|[+-]\d\d:\d\d)")
_decode = msgspec.json.Decoder().decode


def newest(records: Iterable[Record]) -> datetime | None:
    """The latest `occurred_at`, to the second below; None if no record has one."""
    latest: datetime | None = None
    for record in records:
        envelope = _envelope(record.value)
        at = _instant(envelope.get("occurred_at")) if envelope else None
        if at is not None and (latest is None or at > latest):
            latest = at
    return latest


def whole_seconds(latest: datetime, now: datetime) -> timedelta:
    """The shift that brings `latest` to `now`, rounded down so that nothing lands in the future."""
    return timedelta(seconds=(now - latest) // timedelta(seconds=1))


def shift(record: Record, by: timedelta) -> Record:
    """The record with its instants moved, or the same record if it has none."""
    envelope = _envelope(record.value)
    if envelope is None:
        return record
    moved = _moved(envelope.get("occurred_at"), by)
    if moved is None:
        return record
    envelope["occurred_at"] = moved
    payload = envelope.get("payload")
    if isinstance(payload, dict):
        for name, value in payload.items():
            payload[name] = _moved(value, by) or value
    return record._replace(value=msgspec.json.encode(envelope))


def _envelope(value: bytes | None) -> dict[str, Any] | None:
    try:
        check_depth(value or b"")
        decoded = _decode(value or b"")
        check(parse((value or b"").decode()))
    except (msgspec.DecodeError, ValueError):  # also what is not read alike: written anew, it might be good
        return None
    return decoded if isinstance(decoded, dict) else None


def _instant(value: Any) -> datetime | None:
    match = _INSTANT.fullmatch(value) if isinstance(value, str) else None
    if match is None:
        return None
    try:
        return datetime.fromisoformat(match[1].upper() + match[3].upper()).astimezone(UTC)
    except (ValueError, OverflowError):
        return None  # such as a 30th of February: not ours to judge


def _moved(value: Any, by: timedelta) -> str | None:
    match = _INSTANT.fullmatch(value) if isinstance(value, str) else None
    if match is None:
        return None
    try:
        local = datetime.fromisoformat(match[1].upper()) + by
    except (ValueError, OverflowError):
        return None
    return f"{local.isoformat()}{match[2] or ''}{match[3]}"
