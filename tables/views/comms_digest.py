"""Digests that were not sent (docs/contract.md §3)."""

from __future__ import annotations

from tables.spec.tile import Tile
from tables.spec.windowed import Sum, Term, Windowed

COMMS_DIGEST = Windowed(
    name="comms_digest",
    description="Digests suppressed, by reason.",
    dimensions=("reason", "city"),
    measures=(Sum("suppressed", "Digests suppressed", (Term("digest.suppressed"),)),),
    tiles=(Tile("Comms", "Digests suppressed", by=("reason",)),),
)
