"""What comes of disputes (docs/contract.md §3)."""

from __future__ import annotations

from tables.spec.measures import Ratio, Unit
from tables.spec.tile import Tile, TileKind
from tables.spec.windowed import Sum, Term, Windowed


def _resolved(outcome: str, field: str | None = None) -> tuple[Term, ...]:
    return (Term("dispute.resolved", field, (("outcome", outcome),)),)


TRUST_DISPUTE_OUTCOMES = Windowed(
    name="trust_dispute_outcomes",
    description="Disputes opened, and the outcomes of those resolved.",
    dimensions=("city", "currency"),
    measures=(
        Sum("opened", "Disputes opened", (Term("dispute.opened"),)),
        Sum("won", "Disputes won", _resolved("won")),
        Sum("lost", "Disputes lost", _resolved("lost")),
        Sum("withdrawn", "Disputes withdrawn", _resolved("withdrawn")),
        Sum("won_minor", "Amount of the disputes won", _resolved("won", "amount_minor"), Unit.MINOR),
        Sum("lost_minor", "Amount of the disputes lost", _resolved("lost", "amount_minor"), Unit.MINOR),
        Sum(
            "withdrawn_minor",
            "Amount of the disputes withdrawn",
            _resolved("withdrawn", "amount_minor"),
            Unit.MINOR,
        ),
        Ratio("win_rate", "Won ÷ won and lost", ("won",), ("won", "lost")),
    ),
    tiles=(
        Tile(
            "Trust",
            "Dispute outcomes",
            TileKind.NUMBERS,
            ("win_rate", "opened", "won", "won_minor", "lost", "lost_minor", "withdrawn", "withdrawn_minor"),
        ),
    ),
)
