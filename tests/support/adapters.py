"""An event with adapters, in the catalogue of one test."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from schemas.catalogue import EVENTS
from schemas.spec import Adapter

EVENT = "payout.paid"
PAYLOAD = dict(EVENTS[EVENT].examples[0])


def _from_two(event: dict[str, Any]) -> dict[str, Any]:
    payload = {name: value for name, value in event["payload"].items() if name != "amount"}
    return {**payload, "amount_minor": event["payload"]["amount"]}


def _from_three(event: dict[str, Any]) -> dict[str, Any]:
    (amount,) = event["payload"]["amounts"]
    payload = {name: value for name, value in event["payload"].items() if name != "amounts"}
    return {**payload, "amount": amount}


ADAPTERS = (
    Adapter(of=2, to=1, adapt=_from_two, examples=()),
    Adapter(of=3, to=2, adapt=_from_three, examples=()),
)
"""Version 2 has `amount` in place of `amount_minor`, version 3 `amounts`, of which there is one."""


def adapt_in(monkeypatch: pytest.MonkeyPatch) -> None:
    """Give the event its adapters, as an extension would."""
    known = {**EVENTS, EVENT: replace(EVENTS[EVENT], adapters=ADAPTERS)}
    monkeypatch.setattr("schemas.validation.adapting.EVENTS", known)


def sent(like: int, amount: Any, **envelope: Any) -> bytes:
    """The event as a producer of version 1, 2 or 3 writes it; `envelope`: what differs from that."""
    rest = {name: value for name, value in PAYLOAD.items() if name != "amount_minor"}
    own = {1: {"amount_minor": amount}, 2: {"amount": amount}, 3: {"amounts": [amount]}}[like]
    event = {
        "event_id": "e1", "event": EVENT, "version": like, "occurred_at": "2026-01-01T00:00:00Z",
        "source": "payouts", "city": "oslo", "payload": {**rest, **own}, **envelope,
    }  # fmt: skip
    return json.dumps(event).encode()
