"""Payouts, and the transfers that Stripe called so before API version 2017-04-06.

Today's transfers move money between balances inside Stripe: the payout that follows is the one that counts.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from streams.sources.mappings.mapping import Why, refused
from streams.sources.mappings.stripe.rule import Rule
from streams.sources.mappings.stripe.webhook import Envelope, Webhook, moment, reference

PAID_TO = ("destination", "bank_account", "card", "recipient")
"""Where a payout goes, if no provider is named: the first of these."""


def _provider(hook: Webhook) -> str:
    known = hook.from_metadata(hook.keys.provider_id) or hook.account
    found = known or next((one for name in PAID_TO if (one := reference(hook.object.get(name)))), None)
    if found is None:
        key = hook.keys.provider_id
        raise refused(
            Why.FIELD,
            f"data.object.metadata.{key}: nobody is named whom this pays: there is neither that, nor "
            "account, nor data.object.destination",
            f"data.object.metadata.{key}",
        )
    return found


def _payout(hook: Webhook, event: str, **more: Any) -> list[Envelope]:
    payout_id = hook.own_id("of the payout")
    payload = {
        "payout_id": payout_id,
        "provider_id": _provider(hook),
        **hook.money(hook.object.get("amount"), "data.object.amount"),
        **more,
    }
    return [hook.envelope(event, payout_id, payload)]


def _initiated(hook: Webhook) -> list[Envelope]:
    field = "arrival_date" if "arrival_date" in hook.object else "date"
    due_at = moment(hook.object.get(field), f"data.object.{field}")
    booking_id = hook.from_metadata(hook.keys.booking_id)
    return _payout(hook, "payout.initiated", due_at=due_at, booking_id=booking_id)


def _paid(hook: Webhook) -> list[Envelope]:
    return _payout(hook, "payout.paid")


def _failed(hook: Webhook) -> list[Envelope]:
    return _payout(hook, "payout.failed", reason=hook.object.get("failure_code"))


def _canceled(hook: Webhook) -> list[Envelope]:
    return _payout(hook, "payout.canceled")


def _of_old_transfer(envelopes: Callable[[Webhook], list[Envelope]]) -> Callable[[Webhook], list[Envelope]]:
    def of_transfer(hook: Webhook) -> list[Envelope]:
        if "status" not in hook.object:
            raise hook.not_for_us(
                "money moved between balances inside Stripe: the payout that follows counts"
            )
        return envelopes(hook)

    return of_transfer


RULES = {
    "payout.created": Rule(
        ("payout.initiated",), "Due at `arrival_date`.", _initiated
    ),
    "payout.paid": Rule(("payout.paid",), "", _paid),
    "payout.failed": Rule(("payout.failed",), "The reason is `failure_code`.", _failed),
    "payout.canceled": Rule(("payout.canceled",), "", _canceled),
    "transfer.created": Rule(
        ("payout.initiated",),
        "In the shape from before API version 2017-04-06 (with `status`) a payout, due at `date`. Today's "
        "transfers are not for us: the payout that follows counts.",
        _of_old_transfer(_initiated),
    ),
    "transfer.paid": Rule(("payout.paid",), "The same.", _of_old_transfer(_paid)),
    "transfer.failed": Rule(("payout.failed",), "The same.", _of_old_transfer(_failed)),
    "transfer.canceled": Rule(("payout.canceled",), "The same.", _of_old_transfer(_canceled)),
}  # fmt: skip
"""Type → rule."""
