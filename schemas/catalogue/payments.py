"""Payments: money that comes in (charges), goes back (refunds), is kept (fees) or paid out, and disputes."""

from __future__ import annotations

from typing import Literal

from schemas.spec import MISSING, EventSpec
from schemas.types import Currency, Id, Instant, Money, Payload


class ChargeSucceeded(Payload):
    """A user's payment for a booking came in."""

    charge_id: Id
    booking_id: Id
    amount_minor: Money
    currency: Currency


class ChargeFailed(ChargeSucceeded):
    """A user's payment for a booking failed."""

    reason: str | None = None


class RefundSucceeded(Payload):
    """Money of a charge went back to the user."""

    refund_id: Id
    charge_id: Id
    amount_minor: Money
    currency: Currency


class FeeAssessed(Payload):
    """A fee of the platform, or of the payment's processing, was taken."""

    fee_id: Id
    kind: Literal["platform", "processing"]
    amount_minor: Money
    currency: Currency
    booking_id: Id | None = None


class Payout(Payload):
    """Money on its way to a provider."""

    payout_id: Id
    provider_id: Id
    amount_minor: Money
    currency: Currency


class PayoutInitiated(Payout):
    """A payout to a provider was begun; it should be there by `due_at`."""

    due_at: Instant
    booking_id: Id | None = None


class PayoutPaid(Payout):
    """A payout arrived."""


class PayoutCanceled(Payout):
    """A payout was called off."""


class PayoutFailed(Payout):
    """A payout did not go through."""

    reason: str | None = None


class Dispute(Payload):
    """A charge that its user disputes."""

    dispute_id: Id
    charge_id: Id
    amount_minor: Money
    currency: Currency


class DisputeOpened(Dispute):
    """A user disputes a charge; it has to be responded to by `respond_by`."""

    respond_by: Instant
    reason: str | None = None


class DisputeResponded(Dispute):
    """A dispute was responded to."""


class DisputeResolved(Dispute):
    """A dispute ended."""

    outcome: Literal["won", "lost", "withdrawn"]


_CHARGE = {"charge_id": "chg-8801", "booking_id": "bkg-70412", "amount_minor": 12500, "currency": "EUR"}
_REFUND = {"refund_id": "rfd-77", "charge_id": "chg-8801", "amount_minor": 2500, "currency": "EUR"}
_FEE = {"fee_id": "fee-4410", "kind": "platform", "amount_minor": 1500, "currency": "EUR"}
_PAYOUT = {"payout_id": "pyo-209", "provider_id": "prv-31", "amount_minor": 11000, "currency": "EUR"}
_DISPUTE = {"dispute_id": "dsp-12", "charge_id": "chg-8801", "amount_minor": 12500, "currency": "EUR"}

EVENTS = (
    EventSpec(
        name="charge.succeeded",
        payload=ChargeSucceeded,
        examples=(_CHARGE,),
        counter_examples=(
            ({"amount_minor": "12500"}, "amount_minor"),
            ({"amount_minor": None}, "amount_minor"),
            ({"amount_minor": 12500.0}, "amount_minor"),
            ({"currency": "EURO"}, "currency"),
            ({"currency": "€€€"}, "currency"),
            ({"booking_id": MISSING, "currency": MISSING}, "booking_id"),
        ),
    ),
    EventSpec(
        name="charge.failed",
        payload=ChargeFailed,
        examples=({**_CHARGE, "reason": "card declined"}, _CHARGE),
        counter_examples=(({"reason": {"code": 5}}, "reason"), ({"charge_id": ""}, "charge_id")),
    ),
    EventSpec(
        name="refund.succeeded",
        payload=RefundSucceeded,
        examples=(_REFUND,),
        counter_examples=(({"charge_id": MISSING}, "charge_id"), ({"amount_minor": True}, "amount_minor")),
    ),
    EventSpec(
        name="fee.assessed",
        payload=FeeAssessed,
        examples=({**_FEE, "booking_id": "bkg-70412"}, {**_FEE, "kind": "processing", "booking_id": None}),
        counter_examples=(
            ({"kind": "PLATFORM"}, "kind"),
            ({"kind": 1}, "kind"),
            ({"booking_id": 5}, "booking_id"),
        ),
    ),
    EventSpec(
        name="payout.initiated",
        payload=PayoutInitiated,
        examples=(
            {**_PAYOUT, "due_at": "2026-03-04T00:00:00+01:00", "booking_id": "bkg-70412"},
            {**_PAYOUT, "due_at": "9999-12-31T23:59:59.5Z"},
        ),
        counter_examples=(
            ({"due_at": "2026-03-04"}, "due_at"),
            ({"due_at": "2026-03-04T00:00:00+0100"}, "due_at"),
            ({"due_at": "2026-03-04T00:00:00-0000"}, "due_at"),
            ({"due_at": "2026-02-30T00:00:00Z"}, "due_at"),
            ({"due_at": "0000-12-31T00:00:00Z"}, "due_at"),
        ),
    ),
    EventSpec(
        name="payout.paid",
        payload=PayoutPaid,
        examples=(_PAYOUT,),
        counter_examples=(({"payout_id": MISSING}, "payout_id"), ({"amount_minor": 2**53}, "amount_minor")),
    ),
    EventSpec(
        name="payout.canceled",
        payload=PayoutCanceled,
        examples=(_PAYOUT,),
        counter_examples=(({"provider_id": "p" * 129}, "provider_id"),),
    ),
    EventSpec(
        name="payout.failed",
        payload=PayoutFailed,
        examples=({**_PAYOUT, "reason": "account closed"}, _PAYOUT),
        counter_examples=(({"reason": False}, "reason"), ({"currency": "EU"}, "currency")),
    ),
    EventSpec(
        name="dispute.opened",
        payload=DisputeOpened,
        examples=({**_DISPUTE, "respond_by": "2026-03-15T00:00:00Z", "reason": "not as described"},),
        counter_examples=(({"respond_by": MISSING}, "respond_by"), ({"respond_by": None}, "respond_by")),
    ),
    EventSpec(
        name="dispute.responded",
        payload=DisputeResponded,
        examples=(_DISPUTE,),
        counter_examples=(({"dispute_id": []}, "dispute_id"),),
    ),
    EventSpec(
        name="dispute.resolved",
        payload=DisputeResolved,
        examples=({**_DISPUTE, "outcome": "won"}, {**_DISPUTE, "outcome": "withdrawn"}),
        counter_examples=(({"outcome": "draw"}, "outcome"), ({"outcome": MISSING}, "outcome")),
    ),
)
