"""What becomes of messages (docs/contract.md §3)."""

from __future__ import annotations

from tables.spec.measures import Ratio
from tables.spec.tile import Tile
from tables.spec.windowed import Sum, Term, Windowed

COMMS_DELIVERY = Windowed(
    name="comms_delivery",
    description="Messages sent, and what became of them.",
    dimensions=("channel", "city"),
    measures=(
        Sum("sent", "Messages sent", (Term("message.sent"),)),
        Sum("delivered", "Messages delivered", (Term("message.delivered"),)),
        Sum("bounced", "Messages bounced", (Term("message.bounced"),)),
        Sum("complained", "Messages complained of", (Term("message.complained"),)),
        Sum("opted_out", "Messages that made their user opt out", (Term("message.opted_out"),)),
        Ratio("delivery_rate", "Delivered ÷ sent", ("delivered",), ("sent",)),
        Ratio("bounce_rate", "Bounced ÷ sent", ("bounced",), ("sent",)),
        Ratio("complaint_rate", "Complained ÷ delivered", ("complained",), ("delivered",)),
        Ratio("opt_out_rate", "Opted out ÷ delivered", ("opted_out",), ("delivered",)),
    ),
    tiles=(Tile("Comms", "Delivery by channel", by=("channel",)),),
)
