"""`sluice ingest http` as a process, and what is posted to it."""

from __future__ import annotations

import hashlib
import hmac
import json
import time
from collections.abc import Iterable
from typing import Any

from tests.support.processes import Role, Sluice

JSON = {"content-type": "application/json"}
SECRET = "whsec_test"


def started_ingest(sluice: Sluice, *arguments: str, **settings: Any) -> Role:
    """Ingest on a free port."""
    changed = {"ingest_port": 0, **settings}
    return sluice.started("ingest", "ingest", "http", *arguments, **changed)


def declined(event_id: str, booking_id: str = "b-1", **more: Any) -> dict[str, Any]:
    """A valid event."""
    payload = {"booking_id": booking_id, "provider_id": "p-1"}
    return {
        "event_id": event_id, "event": "booking.declined", "version": 1, "source": "test",
        "occurred_at": "2026-03-01T12:00:00Z", "payload": payload, **more,
    }  # fmt: skip


def signature(body: bytes, secret: str = SECRET, at: int | None = None) -> dict[str, str]:
    """The header that Stripe sends with a body."""
    stamp = int(time.time()) if at is None else at
    digest = hmac.new(secret.encode(), b"%d." % stamp + body, hashlib.sha256).hexdigest()
    return {"stripe-signature": f"t={stamp},v1={digest}"}


def ids_of(values: Iterable[bytes | None]) -> list[str]:
    """The event_ids of records."""
    return [json.loads(value or b"{}")["event_id"] for value in values]
