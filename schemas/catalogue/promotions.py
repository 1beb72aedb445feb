"""Promotions: campaigns that are shown, clicked and paid for out of a budget."""

from __future__ import annotations

from schemas.spec import MISSING, EventSpec
from schemas.types import Currency, Id, Money, Payload


class PromoResponse(Payload):
    """What a session did with a campaign; `valid` is false where it was found to be no genuine one."""

    campaign_id: Id
    session_id: Id
    valid: bool = True


class PromoImpression(PromoResponse):
    """A campaign was shown to a session."""


class PromoClick(PromoResponse):
    """A session clicked a campaign."""


class PromoAmount(Payload):
    """Money of a campaign."""

    campaign_id: Id
    amount_minor: Money
    currency: Currency


class PromoSpend(PromoAmount):
    """A campaign cost money."""


class PromoBudget(PromoAmount):
    """A campaign's budget was set; the latest one replaces those before."""


_RESPONSE = {"campaign_id": "cmp-7", "session_id": "ses-5512"}
_AMOUNT = {"campaign_id": "cmp-7", "amount_minor": 350, "currency": "EUR"}

EVENTS = (
    EventSpec(
        name="promo.impression",
        payload=PromoImpression,
        examples=({**_RESPONSE, "valid": False}, _RESPONSE),
        counter_examples=(
            ({"valid": "false"}, "valid"),
            ({"valid": 0}, "valid"),
            ({"valid": None}, "valid"),
            ({"session_id": MISSING}, "session_id"),
        ),
    ),
    EventSpec(
        name="promo.click",
        payload=PromoClick,
        examples=(_RESPONSE, {**_RESPONSE, "valid": True}),
        counter_examples=(({"valid": 1.0}, "valid"), ({"campaign_id": None}, "campaign_id")),
    ),
    EventSpec(
        name="promo.spend",
        payload=PromoSpend,
        examples=(_AMOUNT,),
        counter_examples=(({"amount_minor": -350}, "amount_minor"), ({"currency": MISSING}, "currency")),
    ),
    EventSpec(
        name="promo.budget",
        payload=PromoBudget,
        examples=({**_AMOUNT, "amount_minor": 500000},),
        counter_examples=(({"amount_minor": 2**53}, "amount_minor"), ({"campaign_id": ""}, "campaign_id")),
    ),
)
