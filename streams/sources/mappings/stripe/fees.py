"""Fees: what Stripe keeps of a balance transaction, and what a platform takes."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from streams.sources.mappings.mapping import Why, refused
from streams.sources.mappings.stripe.rule import Rule
from streams.sources.mappings.stripe.webhook import Envelope, Webhook, named, reference

PLATFORMS = "application_fee"
"""The type of a fee that application_fee.created tells."""


def processing_fees(hook: Webhook, booking_id: str | None) -> list[Envelope]:
    """The fees of the object's balance transaction, where that is expanded. Raises `StopError`."""
    transaction = hook.object.get("balance_transaction")
    return list(_fees_of(hook, transaction, "data.object.balance_transaction", booking_id))


def _fees_of(hook: Webhook, transaction: Any, field: str, booking_id: str | None) -> Iterator[Envelope]:
    details = transaction.get("fee_details") if isinstance(transaction, dict) else None
    if not isinstance(details, list):
        return
    about = named(transaction, field)
    for index, fee in enumerate(details):
        if not isinstance(fee, dict) or fee.get("type") == PLATFORMS or fee.get("amount") == 0:
            continue
        fee_id = f"{about}:{index}"
        payload = {
            "fee_id": fee_id,
            "kind": "processing",
            **hook.money(fee.get("amount"), f"{field}.fee_details.amount", of=fee),
            "booking_id": booking_id,
        }
        yield hook.envelope("fee.assessed", fee_id, payload)


def _funds_withdrawn(hook: Webhook) -> list[Envelope]:
    transactions = hook.object.get("balance_transactions")
    found = [
        fee
        for transaction in (transactions if isinstance(transactions, list) else [])
        for fee in _fees_of(hook, transaction, "data.object.balance_transactions", None)
    ]
    if not found:
        raise hook.not_for_us("no fee was taken with the disputed amount")
    return found


def _application_fee(hook: Webhook) -> list[Envelope]:
    fee_id = hook.own_id("of the fee")
    charge = hook.object.get("charge")
    metadata = charge.get("metadata") if isinstance(charge, dict) else None
    booking_id = hook.from_metadata(hook.keys.booking_id, metadata if isinstance(metadata, dict) else {})
    if booking_id is None and isinstance(charge, dict):
        booking_id = reference(charge.get("payment_intent")) or reference(charge)
    payload = {
        "fee_id": fee_id,
        "kind": "platform",
        **hook.money(hook.object.get("amount"), "data.object.amount"),
        "booking_id": booking_id,
    }
    return [hook.envelope("fee.assessed", fee_id, payload, metadata=metadata)]


def _given_back(_: Webhook) -> list[Envelope]:
    raise refused(
        Why.NO_EVENT,
        "a fee was given back, and the catalogue has no event for it",
        "data.object.amount_refunded",
    )


RULES = {
    "application_fee.created": Rule(
        ("fee.assessed",),
        "Of kind `platform`. The booking is known if `charge` is expanded.",
        _application_fee,
    ),
    "application_fee.refunded": Rule(
        (), "Refused: the catalogue has no event that takes a fee back.", _given_back
    ),
    "charge.dispute.funds_withdrawn": Rule(
        ("fee.assessed",),
        "Of kind `processing`: what Stripe charged for the dispute. Not for us if it charged nothing.",
        _funds_withdrawn,
    ),
}
"""Type → rule."""
