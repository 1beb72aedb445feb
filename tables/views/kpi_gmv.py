"""Gross merchandise value (docs/contract.md §3)."""

from __future__ import annotations

from tables.spec.views import Ratio, Sum, Term, Unit, Windowed

KPI_GMV = Windowed(
    name="kpi_gmv",
    description="What was booked and cancelled, and what the platform takes of it.",
    dimensions=("city", "currency"),
    measures=(
        Sum("bookings", "Bookings confirmed", (Term("booking.confirmed"),)),
        Sum(
            "gmv_minor",
            "Value of the bookings confirmed",
            (Term("booking.confirmed", "amount_minor"),),
            Unit.MINOR,
        ),
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
    ),
)
