"""Disputes that have to be answered, and those that wait for an outcome (docs/contract.md §3)."""

from __future__ import annotations

from tables.spec.entity_measures import Count, Oldest, Total
from tables.spec.fields import Kind
from tables.spec.tile import Tile, TileKind
from tables.spec.tracked import Deadline, Kept, Selection, Stage, Tracked
from tables.spec.view import Entity

DAY_SECONDS = 86_400

OPS_DISPUTE_QUEUE = Entity(
    name="ops_dispute_queue",
    description="Disputes open or under review, by their latest event; ages and deadlines at as_of.",
    dimensions=("city", "currency"),
    tracks=Tracked(
        id_fields=("dispute_id",),
        stages=(
            Stage("dispute.opened", "opened", 0, opens=True),
            Stage("dispute.responded", "responded", 1),
            Stage("dispute.resolved", "resolved", 2, closes=True),
        ),
        keep=(
            Kept("currency"),
            Kept("amount_minor", Kind.WHOLE),
            Kept("respond_by", Kind.TIME),
            Kept("charge_id"),
        ),
        selections=(
            Selection("open", "Opened, and nothing since", ("opened",)),
            Selection(
                "due_24h", "Open, to be answered within 24 h of as_of", ("opened",),
                Deadline("respond_by", since_seconds=0, until_seconds=DAY_SECONDS),
            ),
            Selection(
                "overdue", "Open, to be answered before as_of", ("opened",),
                Deadline("respond_by", until_seconds=0),
            ),
            Selection("under_review", "Responded to, and nothing since", ("responded",)),
        ),
    ),
    measures=(
        Count("open", "Disputes opened, and nothing since", "open"),
        Total("open_minor", "Their amount", "open", "amount_minor"),
        Count("due_24h", "Open disputes to be answered within 24 h of as_of", "due_24h"),
        Count("overdue", "Open disputes to be answered before as_of", "overdue"),
        Count("under_review", "Disputes responded to, and nothing since", "under_review"),
        Oldest("oldest_seconds", "Age at as_of of the dispute that was opened first", "open"),
    ),
    tiles=(
        Tile(
            "Operations", "Dispute queue", TileKind.NUMBERS,
            ("open", "open_minor", "due_24h", "overdue", "under_review", "oldest_seconds"),
            states=("overdue", "due_24h", "open", "under_review"),
        ),
    ),
)  # fmt: skip
