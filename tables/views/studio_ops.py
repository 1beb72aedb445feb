"""Studios: verification, amenities and quotes (docs/contract.md §3)."""

from __future__ import annotations

from tables.spec.measures import Ratio
from tables.spec.tile import Tile, TileKind
from tables.spec.windowed import Sum, Term, Windowed

STUDIO_OPS = Windowed(
    name="studio_ops",
    description="Studios verified and rejected, what is used of them, and what becomes of their quotes.",
    dimensions=("city",),
    measures=(
        Sum("verification_requested", "Verifications requested", (Term("studio.verification_requested"),)),
        Sum("verified", "Studios verified", (Term("studio.verified"),)),
        Sum("rejected", "Studios rejected", (Term("studio.rejected"),)),
        Ratio(
            "verification_rate", "Verified ÷ verified and rejected", ("verified",), ("verified", "rejected")
        ),
        Sum("amenity_uses", "Amenities used, by quantity", (Term("amenity.used", "quantity"),)),
        Sum("quotes_requested", "Quotes requested", (Term("quote.requested"),)),
        Sum("quotes_accepted", "Quotes accepted", (Term("quote.accepted"),)),
        Sum("quotes_declined", "Quotes declined", (Term("quote.declined"),)),
        Sum("quotes_expired", "Quotes expired", (Term("quote.expired"),)),
        Ratio("quote_success_rate", "Accepted ÷ requested", ("quotes_accepted",), ("quotes_requested",)),
    ),
    tiles=(
        Tile(
            "Studios",
            "Verification",
            TileKind.NUMBERS,
            ("verification_rate", "verified", "rejected", "verification_requested"),
            trend=("verified",),
        ),
        Tile(
            "Studios",
            "Quotes and amenities",
            TileKind.NUMBERS,
            (
                "quote_success_rate",
                "quotes_requested",
                "quotes_accepted",
                "quotes_declined",
                "quotes_expired",
                "amenity_uses",
            ),
            trend=("quotes_accepted", "amenity_uses"),
        ),
    ),
)
