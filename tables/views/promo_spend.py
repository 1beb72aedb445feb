"""What campaigns cost, beside their budgets (docs/contract.md §3)."""

from __future__ import annotations

from tables.spec.entity_measures import Total
from tables.spec.fields import Kind
from tables.spec.measures import Ratio, Unit
from tables.spec.tile import Tile
from tables.spec.tracked import Kept, Selection, Stage, Tracked
from tables.spec.windowed import Sum, Term, Windowed

PROMO_SPEND = Windowed(
    name="promo_spend",
    description="What campaigns cost in the window, beside their latest budgets, whenever these were set.",
    dimensions=("campaign_id", "currency"),
    tracks=Tracked(
        id_fields=("currency", "campaign_id"),
        stages=(Stage("promo.budget", "budgeted", 0, opens=True),),
        keep=(Kept("campaign_id"), Kept("currency"), Kept("amount_minor", Kind.WHOLE)),
        selections=(Selection("budgeted", "Campaigns with a budget", ("budgeted",)),),
    ),
    measures=(
        Sum("spend_minor", "What was spent", (Term("promo.spend", "amount_minor"),), Unit.MINOR),
        Total("budget_minor", "The latest budget", "budgeted", "amount_minor", null_if_none=True),
        Ratio("spend_ratio", "Spend ÷ budget", ("spend_minor",), ("budget_minor",)),
    ),
    tiles=(Tile("Promotions", "Spend against budget"),),
)
