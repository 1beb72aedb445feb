"""Gross merchandise value (docs/contract.md §3)."""

from __future__ import annotations

from tables.spec.measures import Ratio, Unit
from tables.spec.tile import Tile, TileKind
from tables.spec.windowed import Quantile, Sum, Term, Windowed

_BOOKED = (Term("booking.confirmed", "amount_minor"),)

KPI_GMV = Windowed(
    name="kpi_gmv",
    description="What was booked and cancelled, and what the platform takes of it.",
    dimensions=("city", "currency"),
    measures=(
        Sum("bookings", "Bookings confirmed", (Term("booking.confirmed"),)),
        Sum("gmv_minor", "Value of the bookings confirmed", _BOOKED, Unit.MINOR),
        Sum("cancellations", "Bookings cancelled", (Term("booking.cancelled"),)),
        Sum(
            "cancelled_minor",
            "Value of the bookings cancelled",
            (Term("booking.cancelled", "amount_minor"),),
            Unit.MINOR,
        ),
        Sum(
            "platform_fees_minor",
            "Platform fees assessed",
            (Term("fee.assessed", "amount_minor", where=(("kind", "platform"),)),),
            Unit.MINOR,
        ),
        Ratio("take_rate", "Platform fees ÷ value booked", ("platform_fees_minor",), ("gmv_minor",)),
        Quantile("booking_minor_p50", "Median value of a booking, within 1 %", 0.5, _BOOKED, Unit.MINOR),
        Quantile(
            "booking_minor_p95", "95 % of bookings are worth no more, within 1 %", 0.95, _BOOKED, Unit.MINOR
        ),
    ),
    tiles=(
        Tile(
            "Executive",
            "GMV and bookings",
            TileKind.NUMBERS,
            (
                "gmv_minor",
                "bookings",
                "cancelled_minor",
                "cancellations",
                "booking_minor_p50",
                "booking_minor_p95",
            ),
            trend=("gmv_minor", "bookings"),
        ),
        Tile(
            "Executive",
            "Take rate",
            TileKind.NUMBERS,
            ("take_rate", "platform_fees_minor"),
            trend=("take_rate",),
        ),
    ),
)
