"""Identity and background checks (docs/contract.md §3)."""

from __future__ import annotations

from tables.spec.measures import Ratio
from tables.spec.tile import Tile, TileKind
from tables.spec.windowed import Sum, Term, Windowed

TRUST_IDV = Windowed(
    name="trust_idv",
    description="Identity and background checks of users, started, passed and failed.",
    dimensions=("city",),
    measures=(
        Sum("idv_started", "Identity checks started", (Term("idv.started"),)),
        Sum("idv_passed", "Identity checks passed", (Term("idv.passed"),)),
        Sum("idv_failed", "Identity checks failed", (Term("idv.failed"),)),
        Ratio("idv_pass_rate", "Passed ÷ passed and failed", ("idv_passed",), ("idv_passed", "idv_failed")),
        Sum("bg_started", "Background checks started", (Term("bg.started"),)),
        Sum("bg_passed", "Background checks passed", (Term("bg.passed"),)),
        Sum("bg_failed", "Background checks failed", (Term("bg.failed"),)),
        Ratio("bg_pass_rate", "Passed ÷ passed and failed", ("bg_passed",), ("bg_passed", "bg_failed")),
    ),
    tiles=(
        Tile(
            "Trust",
            "Identity checks",
            TileKind.NUMBERS,
            ("idv_pass_rate", "idv_passed", "idv_failed", "idv_started"),
            trend=("idv_pass_rate",),
        ),
        Tile(
            "Trust",
            "Background checks",
            TileKind.NUMBERS,
            ("bg_pass_rate", "bg_passed", "bg_failed", "bg_started"),
            trend=("bg_pass_rate",),
        ),
    ),
)
