"""Events made by hand, as their producers would write them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from tests.oracle.bad import padded
from tests.support.kafka import Raw

AT_MS = 1_772_366_400_000  # 2026-03-01T12:00:00Z


def event(name: str, number: int, payload: Mapping[str, Any], **envelope: Any) -> bytes:
    return json.dumps(
        {
            "event_id": f"e{number}", "event": name, "version": 1, "occurred_at": "2026-03-01T12:00:00Z",
            "source": "test", "payload": dict(payload), **envelope,
        }
    ).encode()  # fmt: skip


def click(number: int, **envelope: Any) -> bytes:
    return event("search.click", number, {"session_id": "s", "listing_id": "l", "position": 1}, **envelope)


def declined(number: int, **envelope: Any) -> bytes:
    return event("booking.declined", number, {"booking_id": "b", "provider_id": "p"}, **envelope)


def clicks(count: int, start: int = 0, partition: int = 0) -> list[Raw]:
    return [Raw(click(number), partition=partition) for number in range(start, start + count)]


def charge(number: int, now_ms: int) -> bytes:
    return padded(400, now_ms, event_id=f"charge-{number}")
