"""The types that event declarations are made of (docs/contract.md §1, §2)."""

from __future__ import annotations

import re
from datetime import datetime
from typing import Annotated

import msgspec
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, WithJsonSchema

MAX_MINOR = 2**53 - 1
"""The largest amount of money: the largest integer that every JSON reader keeps exact."""

FIRST_YEAR, LAST_YEAR = 2, 9998
"""Years an instant may be in: a day less than Python's own, so that no offset can leave its range."""

_RFC3339 = re.compile(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}[Tt ][0-9]{2}:[0-9]{2}:[0-9]{2}(?:\.[0-9]+)?(?:[Zz]|[+-][0-9]{2}:[0-9]{2})"
)


def parse_instant(value: object) -> datetime:
    """RFC 3339 text with an offset (`Z` or `+hh:mm`) → datetime. Raises ValueError, without the value in it.

    A datetime that has an offset passes (Avro's logical types give one). The fraction is rounded to microseconds.
    """
    if isinstance(value, str) and _RFC3339.fullmatch(value):
        try:
            value = msgspec.convert(value, datetime)
        except msgspec.ValidationError:
            value = None
    if not isinstance(value, datetime) or value.tzinfo is None:
        raise ValueError("must be an RFC 3339 time with an offset, such as 2026-03-01T12:00:00Z")
    if not FIRST_YEAR <= value.year <= LAST_YEAR:
        raise ValueError(f"must be in a year from {FIRST_YEAR} to {LAST_YEAR}")
    return value


EventId = Annotated[str, Field(min_length=1, max_length=64, pattern=r"^[A-Za-z0-9_.:-]+$")]
"""Names one event: a producer's retry repeats it."""

Id = Annotated[str, Field(min_length=1, max_length=128)]
"""Names one thing (a booking, a user, …)."""

Source = Annotated[str, Field(min_length=1, max_length=64)]
"""The program that sent the event."""

City = Annotated[str, Field(min_length=1, max_length=64, pattern=r"^[a-z0-9_-]+$")]
"""Slug of a city."""

Money = Annotated[int, Field(ge=0, le=MAX_MINOR)]
"""An amount in its currency's minor unit."""

Currency = Annotated[str, Field(min_length=3, max_length=3, pattern=r"^[A-Z]{3}$")]
"""Three capitals; whether there is such a currency is not asked."""

Instant = Annotated[
    datetime, BeforeValidator(parse_instant), WithJsonSchema({"type": "string", "format": "date-time"})
]
"""A moment, written as RFC 3339 with an offset."""

Position = Annotated[int, Field(ge=0)]
"""Place in a list of results, from 0."""


class Payload(BaseModel):
    """Base of every payload: nothing is coerced, unknown fields are ignored, messages never show a value."""

    model_config = ConfigDict(strict=True, extra="ignore", frozen=True, hide_input_in_errors=True, allow_inf_nan=False)


class Envelope(Payload):
    """What surrounds every payload; the order of the fields is the order in which they are judged."""

    event_id: EventId
    event: str
    version: Annotated[int, Field(ge=1)]
    occurred_at: Instant
    source: Source
    city: City | None = None
    trace_id: str | None = None
    payload: dict[str, object]
