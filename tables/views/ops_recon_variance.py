"""Reconciliation: what was charged against what was paid on (docs/contract.md §3)."""

from __future__ import annotations

from tables.spec.measures import Absolute, Difference, Ratio, Unit
from tables.spec.tile import Tile, TileKind
from tables.spec.windowed import Sum, Term, Windowed

OPS_RECON_VARIANCE = Windowed(
    name="ops_recon_variance",
    description="Charges against payouts, refunds and fees: what is left unexplained.",
    dimensions=("city", "currency"),
    measures=(
        Sum("charges_minor", "Charges succeeded", (Term("charge.succeeded", "amount_minor"),), Unit.MINOR),
        Sum("payouts_minor", "Payouts paid", (Term("payout.paid", "amount_minor"),), Unit.MINOR),
        Sum("refunds_minor", "Refunds succeeded", (Term("refund.succeeded", "amount_minor"),), Unit.MINOR),
        Sum("fees_minor", "Fees assessed, of all kinds", (Term("fee.assessed", "amount_minor"),), Unit.MINOR),
        Difference(
            "variance_minor",
            "Charges less payouts, refunds and fees",
            plus=("charges_minor",),
            minus=("payouts_minor", "refunds_minor", "fees_minor"),
        ),
        Absolute("abs_variance_minor", "The variance without its sign", of="variance_minor"),
        Ratio("variance_ratio", "Absolute variance ÷ charges", ("abs_variance_minor",), ("charges_minor",)),
    ),
    tiles=(
        Tile(
            "Operations",
            "Recon variance",
            TileKind.GATES,
            (
                "abs_variance_minor",
                "variance_ratio",
                "charges_minor",
                "payouts_minor",
                "refunds_minor",
                "fees_minor",
            ),
        ),
    ),
)
