"""The types that event declarations are made of (docs/contract.md §1, §2)."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, WithJsonSchema

from schemas.times import parse_instant

MAX_MINOR = 2**53 - 1
"""The largest amount of money: the largest integer that every JSON reader keeps exact."""

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

Quantity = Annotated[int, Field(ge=1)]
"""How many, from 1."""

Score = Annotated[float, Field(ge=0, le=100)]
"""A score from 0 to 100, fractions included."""

Name = Annotated[str, Field(min_length=1, max_length=128)]
"""A word of the producer's own choosing (a variant, an amenity, …), as short as an id."""


class Payload(BaseModel):
    """Base of every payload: nothing is coerced, unknown fields are ignored, messages never show a value."""

    model_config = ConfigDict(
        strict=True, extra="ignore", frozen=True, hide_input_in_errors=True, allow_inf_nan=False
    )


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
