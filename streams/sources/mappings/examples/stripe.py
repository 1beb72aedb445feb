"""Webhook events of Stripe, in their shape, with the members that are read."""

from __future__ import annotations

from typing import Any

from streams.sources.mappings.mapping import CODE, Example, NotForUs, Refused, Why

CREATED = 1772366400
AT = "2026-03-01T12:00:00Z"


def webhook(
    kind: str, about: dict[str, Any], previous: dict[str, Any] | None = None, **more: Any
) -> dict[str, Any]:
    """A webhook event of a type, about an object."""
    data = {"object": about} | ({} if previous is None else {"previous_attributes": previous})
    return {"id": "evt_1", "object": "event", "type": kind, "created": CREATED, "data": data, **more}


def envelope(event_id: str, payload: dict[str, Any], city: str | None = None) -> dict[str, Any]:
    """What is made of it; the event's name is the end of its id."""
    return {
        "event_id": event_id,
        "event": event_id.rpartition(":")[2],
        "version": 1,
        "occurred_at": AT,
        "source": "stripe",
        "city": city,
        "trace_id": "evt_1",
        "payload": payload,
    }


_CHARGE = {
    "id": "ch_1", "object": "charge", "amount": 2000, "amount_captured": 2000, "captured": True,
    "currency": "usd", "payment_intent": "pi_1", "metadata": {"booking_id": "b-7", "city": "San Francisco"},
}  # fmt: skip
_REFUND = {
    "id": "re_2", "object": "refund", "amount": 500, "charge": "ch_1", "currency": "usd",
    "status": "succeeded", "created": CREATED, "metadata": {},
}  # fmt: skip
_FORMER = {**_REFUND, "id": "re_1", "amount": 700, "created": CREATED - 86400}
_DISPUTE = {
    "id": "dp_1", "object": "dispute", "amount": 2000, "charge": "ch_1", "currency": "usd",
    "reason": "fraudulent", "status": "needs_response", "metadata": {},
    "evidence_details": {"due_by": CREATED + 864000},
}  # fmt: skip
_PAYOUT = {
    "id": "po_1", "object": "payout", "amount": 1100, "arrival_date": CREATED + 172800, "currency": "eur",
    "destination": "ba_1", "status": "pending", "metadata": {"provider_id": "p-3"},
}  # fmt: skip
_CHARGED = {"charge_id": "ch_1", "booking_id": "b-7", "amount_minor": 2000, "currency": "USD"}
_REFUNDED = {"refund_id": "re_2", "charge_id": "ch_1", "amount_minor": 500, "currency": "USD"}
_DISPUTED = {"dispute_id": "dp_1", "charge_id": "ch_1", "amount_minor": 2000, "currency": "USD"}
_PAID_OUT = {"payout_id": "po_1", "provider_id": "p-3", "amount_minor": 1100, "currency": "EUR"}


def _charge_in(currency: str, amount: int) -> dict[str, Any]:
    return {**_CHARGE, "currency": currency, "amount": amount, "amount_captured": amount, "metadata": {}}


def _charged_in(currency: str, amount_minor: int) -> tuple[dict[str, Any], ...]:
    payload = {**_CHARGED, "booking_id": "pi_1", "currency": currency, "amount_minor": amount_minor}
    return (envelope("ch_1:charge.succeeded", payload),)


STRIPE = (
    Example(
        "a charge",
        webhook("charge.succeeded", _CHARGE),
        (envelope("ch_1:charge.succeeded", _CHARGED, "san-francisco"),),
    ),
    Example(
        "yen have no decimals, and there is no booking in the metadata: the payment intent stands for it",
        webhook("charge.succeeded", _charge_in("jpy", 500)),
        _charged_in("JPY", 500),
    ),
    Example(
        "Stripe writes króna with two decimals, always 00; ISO 4217 has none",
        webhook("charge.succeeded", _charge_in("isk", 50000)),
        _charged_in("ISK", 500),
    ),
    Example(
        "Stripe writes ariary without decimals; ISO 4217 has two",
        webhook("charge.succeeded", _charge_in("mga", 500)),
        _charged_in("MGA", 50000),
    ),
    Example(
        "dinars have three decimals, in Stripe's amounts too (the last one is 0)",
        webhook("charge.succeeded", _charge_in("kwd", 5120)),
        _charged_in("KWD", 5120),
    ),
    Example(
        "a charge with its balance transaction: Stripe's fee as well",
        webhook("charge.succeeded", {
            **_CHARGE, "metadata": {"booking_id": "b-7"},
            "balance_transaction": {"id": "txn_1", "fee_details": [
                {"amount": 88, "currency": "usd", "type": "stripe_fee"},
                {"amount": 200, "currency": "usd", "type": "application_fee"},
            ]},
        }),
        (
            envelope("ch_1:charge.succeeded", _CHARGED),
            envelope("txn_1:0:fee.assessed", {
                "fee_id": "txn_1:0", "kind": "processing", "amount_minor": 88, "currency": "USD",
                "booking_id": "b-7",
            }),
        ),
    ),
    Example(
        "an authorisation, which nothing has been captured of",
        webhook("charge.succeeded", {**_CHARGE, "captured": False}),
        NotForUs("charge.succeeded", ""),
    ),
    Example(
        "and its capture, in part",
        webhook("charge.captured", {**_CHARGE, "amount_captured": 1500}, {"captured": False}),
        (envelope("ch_1:charge.succeeded", {**_CHARGED, "amount_minor": 1500}, "san-francisco"),),
    ),
    Example(
        "a charge that failed",
        webhook("charge.failed", {
            **_CHARGE, "failure_code": "card_declined", "metadata": {}, "payment_intent": None,
        }),
        (envelope("ch_1:charge.failed", {**_CHARGED, "booking_id": "ch_1", "reason": "card_declined"}),),
    ),
    Example(
        "a charge's second refund: the first one was told before",
        webhook(
            "charge.refunded",
            {**_CHARGE, "amount_refunded": 1200, "refunds": {"data": [_REFUND, _FORMER]}},
            {"amount_refunded": 700},
        ),
        (envelope("re_2:refund.succeeded", _REFUNDED, "san-francisco"),),
    ),
    Example(
        "a refunded charge of an API version that does not name the refunds, nor tells them elsewhere",
        webhook("charge.refunded", _CHARGE, {"amount_refunded": 0}, api_version="2022-11-15"),
        Refused(CODE, Why.NO_EVENT, "data.object.refunds", ""),
    ),
    Example(
        "the same of a version that tells them by refund.created",
        webhook("charge.refunded", _CHARGE, {"amount_refunded": 0}, api_version="2024-10-28.acacia"),
        NotForUs("charge.refunded", ""),
    ),
    Example(
        "which has the event_id that the charge's has, so that the refund counts once",
        webhook("refund.created", _REFUND),
        (envelope("re_2:refund.succeeded", _REFUNDED),),
    ),
    Example(
        "a pending refund",
        webhook("refund.created", {**_REFUND, "status": "pending"}),
        NotForUs("refund.created", ""),
    ),
    Example(
        "that has succeeded now",
        webhook("refund.updated", _REFUND, {"status": "pending"}),
        (envelope("re_2:refund.succeeded", _REFUNDED),),
    ),
    Example(
        "any other change of a refund",
        webhook("charge.refund.updated", _REFUND, {"metadata": {}}),
        NotForUs("charge.refund.updated", ""),
    ),
    Example(
        "a refund that has failed after it had succeeded",
        webhook("refund.failed", {**_REFUND, "status": "failed"}, {"status": "succeeded"}),
        Refused(CODE, Why.NO_EVENT, "data.object.status", ""),
    ),
    Example(
        "a dispute",
        webhook("charge.dispute.created", _DISPUTE),
        (envelope("evt_1:dispute.opened", {
            **_DISPUTED, "respond_by": "2026-03-11T12:00:00Z", "reason": "fraudulent",
        }),),
    ),
    Example(
        "the fee that is taken with the disputed amount",
        webhook("charge.dispute.funds_withdrawn", {**_DISPUTE, "balance_transactions": [
            {"id": "txn_2", "fee_details": [{"amount": 1500, "currency": "usd", "type": "stripe_fee"}]},
        ]}),
        (envelope("txn_2:0:fee.assessed", {
            "fee_id": "txn_2:0", "kind": "processing", "amount_minor": 1500, "currency": "USD",
                "booking_id": None,
        }),),
    ),
    Example(
        "evidence was submitted",
        webhook(
            "charge.dispute.updated",
            {**_DISPUTE, "status": "under_review"},
            {"status": "needs_response"},
        ),
        (envelope("evt_1:dispute.responded", _DISPUTED),),
    ),
    Example(
        "an inquiry that has become a dispute",
        webhook("charge.dispute.updated", _DISPUTE, {"status": "warning_under_review"}),
        (envelope("evt_1:dispute.opened", {
            **_DISPUTED, "respond_by": "2026-03-11T12:00:00Z", "reason": "fraudulent",
        }),),
    ),
    Example(
        "an inquiry that was closed",
        webhook("charge.dispute.closed", {**_DISPUTE, "status": "warning_closed"}),
        (envelope("evt_1:dispute.resolved", {**_DISPUTED, "outcome": "withdrawn"}),),
    ),
    Example(
        "a payout is begun",
        webhook("payout.created", _PAYOUT),
        (envelope("po_1:payout.initiated", {
            **_PAID_OUT, "due_at": "2026-03-03T12:00:00Z", "booking_id": None,
        }),),
    ),
    Example(
        "and arrives; no provider is in the metadata: it is the connected account that is paid",
        webhook("payout.paid", {**_PAYOUT, "metadata": {}}, account="acct_9"),
        (envelope("po_1:payout.paid", {**_PAID_OUT, "provider_id": "acct_9"}),),
    ),
    Example(
        "or not; there is no account either: it is the bank account",
        webhook("payout.failed", {**_PAYOUT, "metadata": {}, "failure_code": "account_closed"}),
        (envelope("po_1:payout.failed", {**_PAID_OUT, "provider_id": "ba_1", "reason": "account_closed"}),),
    ),
    Example(
        "a payout to nobody",
        webhook("payout.paid", {**_PAYOUT, "metadata": {}, "destination": None}),
        Refused(CODE, Why.FIELD, "data.object.metadata.provider_id", ""),
    ),
    Example(
        "a transfer between balances inside Stripe",
        webhook("transfer.created", {"id": "tr_1", "object": "transfer", "amount": 900, "currency": "eur"}),
        NotForUs("transfer.created", ""),
    ),
    Example(
        "a platform's fee",
        webhook("application_fee.created", {
            "id": "fee_1", "object": "application_fee", "amount": 200, "currency": "usd", "charge": "ch_1",
        }),
        (envelope("fee_1:fee.assessed", {
            "fee_id": "fee_1", "kind": "platform", "amount_minor": 200, "currency": "USD", "booking_id": None,
        }),),
    ),
    Example(
        "that is given back",
        webhook("application_fee.refunded", {"id": "fee_1", "object": "application_fee", "amount": 200}),
        Refused(CODE, Why.NO_EVENT, "data.object.amount_refunded", ""),
    ),
    Example("a customer", webhook("customer.created", {"id": "cus_1"}), NotForUs("customer.created", "")),
)  # fmt: skip
"""`why` and `detail` are not part of an example."""
