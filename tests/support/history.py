"""Events of years by event time, as evenly spread over days and kinds as can be."""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

from schemas.catalogue import EVENTS

START = datetime(2024, 1, 1, tzinfo=UTC)
CITIES = 50


def values(records: int, days: int, kinds: int) -> Iterator[bytes]:
    """The records' values, by event time."""
    specs = list(EVENTS.values())[:kinds]
    for number in range(records):
        spec = specs[number % len(specs)]
        at = START + timedelta(days=days) * number / records
        payload: dict[str, Any] = dict(spec.examples[0])
        yield json.dumps(
            {
                "event_id": str(uuid.UUID(int=number)), "event": spec.name, "version": 1,
                "occurred_at": at.isoformat(), "source": "history", "city": f"city-{number * 7 % CITIES}",
                "payload": payload,
            }
        ).encode()  # fmt: skip
