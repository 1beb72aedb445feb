"""How campaigns are responded to (docs/contract.md §3)."""

from __future__ import annotations

from tables.spec.measures import Ratio
from tables.spec.tile import Tile
from tables.spec.windowed import Sum, Term, Windowed

_VALID, _INVALID = (("valid", True),), (("valid", False),)

PROMO_PERFORMANCE = Windowed(
    name="promo_performance",
    description="Valid impressions and clicks of campaigns, and those that were not valid.",
    dimensions=("campaign_id", "city"),
    measures=(
        Sum("impressions", "Valid impressions", (Term("promo.impression", where=_VALID),)),
        Sum("clicks", "Valid clicks", (Term("promo.click", where=_VALID),)),
        Sum(
            "invalid",
            "Impressions and clicks that were not valid",
            (Term("promo.impression", where=_INVALID), Term("promo.click", where=_INVALID)),
        ),
        Ratio("ctr", "Clicks ÷ impressions", ("clicks",), ("impressions",)),
        Ratio("invalid_rate", "Invalid ÷ all", ("invalid",), ("impressions", "clicks", "invalid")),
    ),
    tiles=(
        Tile(
            "Promotions",
            "Response",
            measures=("impressions", "clicks", "ctr", "invalid", "invalid_rate"),
            by=("campaign_id",),
        ),
    ),
)
