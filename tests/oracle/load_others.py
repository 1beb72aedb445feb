"""The load's events of disputes, answers to bookings, trust, promotions, comms, studios and experiments."""

from __future__ import annotations

import random
from typing import Any

from tests.oracle.bad import at
from tests.oracle.judge import CATALOGUE, MARKS

KEYS = (
    "dispute_id", "booking_id", "check_id", "subject_id", "campaign_id", "message_id", "quote_id",
    "studio_id", "user_id",
)  # fmt: skip
"""What an event is keyed by: the first of these that it has."""
KINDS = {
    "dispute", "idv", "bg", "risk", "promo", "message", "digest", "studio", "amenity", "quote", "experiment",
}  # fmt: skip
ANSWERS = {f"booking.{state}" for state in ("requested", "expired", "declined", "accepted")}
OTHERS = [name for name in CATALOGUE if name.partition(".")[0] in KINDS or name in ANSWERS]
MONEY = (0, 1, 999, 25_000, 2**53 - 1)
CHOICES: dict[str, tuple[Any, ...]] = {
    "amount_minor": MONEY,
    "currency": ("EUR", "EUR", "JPY"),
    "outcome": ("won", "won", "lost", "withdrawn"),
    "subject_kind": ("user", "provider", "booking"),
    "bucket": ("clear", "clear", "watch", "action", "critical"),
    "score": (0, 12.5, 99, 100.0),
    "valid": (True, True, False),
    "channel": ("email", "sms", "push"),
    "reason": ("quiet_hours", "no_content"),
    "quantity": (1, 2, 30),
    "variant": ("control", "treatment"),
    "covariate": (0, 3.5, 1e9, None),
    "exp_key": ("search-ui", "checkout:fees"),
}


def other_event(draw: random.Random, now_ms: int) -> tuple[str, dict[str, Any], bytes]:
    """An event's name, payload and key. Its entities are few, so that events of one come in any order."""
    name = draw.choice(OTHERS)
    payload: dict[str, Any] = {}
    for field in CATALOGUE[name].split():
        member = field.rstrip(MARKS)
        if field[-1] in "?=" and draw.random() < 0.4:
            continue
        if member in CHOICES:
            payload[member] = draw.choice(CHOICES[member])
        elif member in ("accept_by", "respond_by"):
            payload[member] = at(now_ms, draw.choice((-3600, 60, 1800, 7200, 100_000)))
        elif member == "campaign_id":
            payload[member] = f"cmp-{draw.randrange(12)}"
        else:
            payload[member] = f"{member.removesuffix('_id')}:{draw.randrange(200)}"
    key = next(payload[member] for member in KEYS if member in payload)
    return name, payload, key.encode()
