"""Stripe's webhook events as a mapping."""

from __future__ import annotations

from collections.abc import Sequence

from streams.sources.mappings.mapping import (
    Outcome,
    StopError,
    items_of,
    mapped,
    members_of,
    not_for_us,
    parsed_object,
)
from streams.sources.mappings.stripe import charges, disputes, fees, payouts
from streams.sources.mappings.stripe.webhook import MetadataKeys, webhook_of

RULES = {**charges.RULES, **fees.RULES, **disputes.RULES, **payouts.RULES}
"""Type of a webhook → what is made of it. Every other type is not for us."""


class Stripe:
    """A `Mapping` of webhook events, and of the lists in which Stripe's API gives them."""

    name = "stripe"

    def __init__(self, keys: MetadataKeys | None = None) -> None:
        self._keys = keys or MetadataKeys()

    def values(self, value: bytes) -> Sequence[bytes]:
        """The event, or those of a page of the list of events."""
        if b'"list"' not in value:
            return (value,)
        return pages_events(value) or (value,)

    def outcome(self, value: bytes) -> Outcome:
        """What a webhook event is. Never raises."""
        try:
            hook = webhook_of(parsed_object(value), self._keys)
            rule = RULES.get(hook.type)
            if rule is None:
                raise not_for_us(hook.type, "the catalogue has no event for this type")
            return mapped(rule.envelopes(hook))
        except StopError as stop:
            return stop.outcome


def pages_events(value: bytes) -> list[bytes] | None:
    """The events of a page of a list; None if it is none."""
    try:
        page = members_of(value)
    except StopError:
        return None
    if page.get("object") != b'"list"' or "data" not in page:
        return None
    return items_of(page["data"])
