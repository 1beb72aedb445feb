"""The funnel from search to booking (docs/contract.md §3)."""

from __future__ import annotations

from tables.spec.measures import Ratio
from tables.spec.tile import Tile, TileKind
from tables.spec.windowed import Sum, Term, Windowed

KPI_FUNNEL = Windowed(
    name="kpi_funnel",
    description="From a listing shown to a booking confirmed, each stage against the one before.",
    dimensions=("city",),
    measures=(
        Sum("impressions", "Listings shown in a search", (Term("search.impression"),)),
        Sum("clicks", "Listings clicked in a search", (Term("search.click"),)),
        Sum("profile_views", "Provider profiles viewed", (Term("profile.view"),)),
        Sum("checkouts", "Checkouts started", (Term("checkout.start"),)),
        Sum("confirms", "Bookings confirmed", (Term("booking.confirmed"),)),
        Ratio("click_rate", "Clicks ÷ impressions", ("clicks",), ("impressions",)),
        Ratio("view_rate", "Profile views ÷ clicks", ("profile_views",), ("clicks",)),
        Ratio("checkout_rate", "Checkouts ÷ profile views", ("checkouts",), ("profile_views",)),
        Ratio("confirm_rate", "Bookings confirmed ÷ checkouts", ("confirms",), ("checkouts",)),
    ),
    tiles=(
        Tile(
            "Executive",
            "Conversion funnel",
            TileKind.FUNNEL,
            ("impressions", "clicks", "profile_views", "checkouts", "confirms"),
            rates=("click_rate", "view_rate", "checkout_rate", "confirm_rate"),
        ),
    ),
)
