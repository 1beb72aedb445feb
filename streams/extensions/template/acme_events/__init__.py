"""Events and views of our own, for Sluice.

Sluice takes `EVENTS` and `VIEWS`. Names begin with the package's: what Sluice adds later cannot clash.
"""

from __future__ import annotations

from schemas.spec import MISSING, EventSpec
from schemas.types import Currency, Id, Money, Name, Payload
from tables.spec.measures import Ratio, Unit
from tables.spec.tile import Tile
from tables.spec.windowed import Quantile, Sum, Term, Windowed


class GiftSold(Payload):
    """A gift card was sold."""

    gift_id: Id
    occasion: Name
    amount_minor: Money
    currency: Currency
    user_id: Id | None = None


SOLD = "acme_events.gift_sold"
AMOUNT = (Term(SOLD, "amount_minor"),)

EVENTS = (
    EventSpec(
        name=SOLD,
        payload=GiftSold,
        examples=(
            {"gift_id": "gft-1", "occasion": "birthday", "amount_minor": 5000, "currency": "EUR"},
            {
                "gift_id": "gft-2",
                "occasion": "wedding",
                "amount_minor": 0,
                "currency": "GBP",
                "user_id": "usr-7",
            },
        ),
        counter_examples=(
            ({"gift_id": MISSING}, "gift_id"),
            ({"amount_minor": -1}, "amount_minor"),
            ({"currency": "euro"}, "currency"),
        ),
    ),
)

VIEWS = (
    Windowed(
        name="acme_events_gifts",
        description="Gift cards sold, by their occasion.",
        dimensions=("occasion", "city", "currency"),
        measures=(
            Sum("sold", "Gift cards sold", (Term(SOLD),)),
            Sum("sold_minor", "Their value", AMOUNT, Unit.MINOR),
            Ratio("mean_minor", "Value ÷ gift cards", ("sold_minor",), ("sold",)),
            Quantile("sold_minor_p95", "95 % are worth no more, within 1 %", 0.95, AMOUNT, Unit.MINOR),
        ),
        tiles=(Tile("Gifts", "Gift cards", by=("occasion",)),),  # on a page of its own of the console
    ),
)
