"""Charges and refunds.

A refund is told by several webhooks, in part long after it was made. It counts by the one in which it comes
to be: `charge.refunded` where that names it, `refund.created`, or an update that changes its status.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from streams.sources.mappings.mapping import Why, refused
from streams.sources.mappings.stripe.fees import processing_fees
from streams.sources.mappings.stripe.rule import Rule
from streams.sources.mappings.stripe.webhook import Envelope, Webhook, named, reference

TOLD_BY_REFUND_EVENTS = "2024-10-28"
"""From this version of Stripe's API on, every refund has a `refund.created`."""
SUCCEEDED = "succeeded"
FAILED = ("failed", "canceled")


def _charge(hook: Webhook, event: str, amount: Any, field: str, **more: Any) -> Envelope:
    charge_id = hook.own_id("of the charge")
    booking_id = (
        hook.from_metadata(hook.keys.booking_id) or reference(hook.object.get("payment_intent")) or charge_id
    )
    payload = {"charge_id": charge_id, "booking_id": booking_id, **hook.money(amount, field), **more}
    return hook.envelope(event, charge_id, payload)


def _succeeded(hook: Webhook) -> list[Envelope]:
    if hook.object.get("captured") is False:
        raise hook.not_for_us("only authorised: charge.captured tells what is captured")
    field = "amount" if hook.object.get("amount_captured") is None else "amount_captured"
    charge = _charge(hook, "charge.succeeded", hook.object.get(field), f"data.object.{field}")
    return [charge, *processing_fees(hook, charge["payload"]["booking_id"])]


def _failed(hook: Webhook) -> list[Envelope]:
    reason = hook.object.get("failure_code")
    return [_charge(hook, "charge.failed", hook.object.get("amount"), "data.object.amount", reason=reason)]


def _refund(hook: Webhook, refund: Mapping[str, Any], field: str, metadata: Any) -> Envelope:
    refund_id = named(refund.get("id"), f"{field}.id")
    charge_id = named(refund.get("charge", hook.object.get("id")), f"{field}.charge")
    payload = {
        "refund_id": refund_id,
        "charge_id": charge_id,
        **hook.money(refund.get("amount"), f"{field}.amount", of=refund),
    }
    return hook.envelope("refund.succeeded", refund_id, payload, metadata=metadata)


def _charge_refunded(hook: Webhook) -> list[Envelope]:
    if hook.object.get("captured") is False:
        raise hook.not_for_us("the authorisation was released: nothing had been captured")
    listed = _refunds_in(hook.object)
    if listed is None and hook.api_version >= TOLD_BY_REFUND_EVENTS:
        raise hook.not_for_us("it does not name its refund: refund.created tells it")
    if listed is None:
        raise refused(
            Why.NO_EVENT,
            "the charge does not name its refunds: give the webhook an API version from "
            f"{TOLD_BY_REFUND_EVENTS} on and add refund.created and refund.updated to it, or expand refunds",
            "data.object.refunds",
        )
    new = [
        refund
        for refund in _new_refunds(hook, listed)
        if refund.get("status", SUCCEEDED) in (SUCCEEDED, None)
    ]
    if not new:
        raise hook.not_for_us("none of its refunds is new and has succeeded")
    field = "data.object.refunds.data"
    return [
        _refund(hook, refund, field, _with(hook.object.get("metadata"), refund.get("metadata")))
        for refund in new
    ]


def _new_refunds(hook: Webhook, listed: list[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """Those that this webhook is about: the list has former ones, too. Raises `StopError`."""
    previous = hook.previous or {}
    before = _refunds_in(previous)
    if before is not None:
        known = {refund.get("id") for refund in before}
        return [refund for refund in listed if refund.get("id") not in known]
    if len(listed) <= 1:
        return listed
    total, former = hook.object.get("amount_refunded"), previous.get("amount_refunded")
    if type(total) is int and type(former) is int:
        newest = sorted(listed, key=_created, reverse=True)
        amounts = [refund.get("amount") for refund in newest]
        for count in range(1, len(newest) + 1):
            if all(type(amount) is int for amount in amounts[:count]) and (
                sum(amount for amount in amounts[:count] if type(amount) is int) == total - former
            ):
                return newest[:count]
    raise refused(
        Why.FIELD,
        "data.previous_attributes: does not tell which of the charge's refunds are new",
        "data.previous_attributes",
    )


def _created(refund: Mapping[str, Any]) -> int:
    created = refund.get("created")
    return created if type(created) is int else 0


def _refunds_in(charge: Mapping[str, Any]) -> list[Mapping[str, Any]] | None:
    refunds = charge.get("refunds")
    data = refunds.get("data") if isinstance(refunds, dict) else refunds
    return [one for one in data if isinstance(one, dict)] if isinstance(data, list) else None


def _with(former: Any, own: Any) -> dict[str, Any]:
    """A charge's metadata under those of its refund."""
    return {**(former if isinstance(former, dict) else {}), **(own if isinstance(own, dict) else {})}


def _own_refund(hook: Webhook) -> list[Envelope]:
    charge = hook.object.get("charge")
    of_charge = charge.get("metadata") if isinstance(charge, dict) else None
    metadata = _with(of_charge, hook.object.get("metadata"))
    return [_refund(hook, hook.object, "data.object", metadata)]


def _refund_created(hook: Webhook) -> list[Envelope]:
    status = hook.object.get("status")
    if status not in (SUCCEEDED, None):
        raise hook.not_for_us("the refund has not succeeded, or not yet: refund.updated tells when it does")
    return _own_refund(hook)


def _refund_updated(hook: Webhook) -> list[Envelope]:
    status, former = hook.object.get("status"), hook.former_status
    if former is None or former == status:
        raise hook.not_for_us("the refund's status is as it was")
    if status in FAILED and former == SUCCEEDED:
        raise _taken_back()
    if status != SUCCEEDED:
        raise hook.not_for_us("the refund has not succeeded")
    return _own_refund(hook)


def _refund_failed(hook: Webhook) -> list[Envelope]:
    if hook.former_status not in (SUCCEEDED, None):
        raise hook.not_for_us("the refund had not succeeded before")
    raise _taken_back()


def _taken_back() -> Exception:
    return refused(
        Why.NO_EVENT,
        "a refund that may have counted has failed, and the catalogue has no event that takes one back",
        "data.object.status",
    )


RULES = {
    "charge.succeeded": Rule(
        ("charge.succeeded", "fee.assessed"),
        "Not for us while it is only authorised (`captured` false). The amount is `amount_captured`, or "
        "`amount` where older versions have no such. Fees if `balance_transaction` is expanded.",
        _succeeded,
    ),
    "charge.captured": Rule(
        ("charge.succeeded", "fee.assessed"),
        "What was authorised before, with the amount that was captured.",
        _succeeded,
    ),
    "charge.failed": Rule(("charge.failed",), "The reason is `failure_code`.", _failed),
    "charge.refunded": Rule(
        ("refund.succeeded",),
        "One for each refund in it that is new, by `previous_attributes`, and has succeeded. A charge that "
        f"does not name its refunds is refused; not for us from API version {TOLD_BY_REFUND_EVENTS} on, "
        "where `refund.created` tells them. Not for us if nothing was captured.",
        _charge_refunded,
    ),
    "refund.created": Rule(
        ("refund.succeeded",), "Not for us while the refund is pending.", _refund_created
    ),
    "refund.updated": Rule(
        ("refund.succeeded",),
        "Only if the status became `succeeded`, by `previous_attributes`; refused if a refund that had "
        "succeeded fails: the catalogue has no event for it.",
        _refund_updated,
    ),
    "charge.refund.updated": Rule(("refund.succeeded",), "As `refund.updated`.", _refund_updated),
    "refund.failed": Rule(
        (),
        "Refused, as the catalogue has no event that takes a refund back; not for us if it had not "
        "succeeded before, by `previous_attributes`.",
        _refund_failed,
    ),
}  # fmt: skip
"""Type → rule."""
