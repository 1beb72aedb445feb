"""Payouts that have not reached their provider (docs/contract.md §3)."""

from __future__ import annotations

from tables.spec.entity_measures import Count, Oldest, Total
from tables.spec.fields import Kind
from tables.spec.tile import Tile, TileKind
from tables.spec.tracked import Deadline, Kept, Selection, Stage, Tracked
from tables.spec.view import Entity

OPS_PAYOUT_BACKLOG = Entity(
    name="ops_payout_backlog",
    description="Payouts initiated or failed, by their latest event; ages and deadlines at as_of.",
    dimensions=("city", "currency"),
    tracks=Tracked(
        id_fields=("payout_id",),
        stages=(
            Stage("payout.initiated", "initiated", 0, opens=True),
            Stage("payout.failed", "failed", 1),
            Stage("payout.canceled", "canceled", 2, closes=True),
            Stage("payout.paid", "paid", 3, closes=True),
        ),
        keep=(
            Kept("currency"),
            Kept("amount_minor", Kind.WHOLE),
            Kept("due_at", Kind.TIME),
            Kept("provider_id"),
        ),
        selections=(
            Selection("open", "Initiated, and nothing since", ("initiated",)),
            Selection(
                "overdue", "Open, due before as_of", ("initiated",), Deadline("due_at", until_seconds=0)
            ),
            Selection("failed", "Failed, and nothing since", ("failed",)),
            Selection("backlog", "Open or failed", ("initiated", "failed")),
        ),
    ),
    measures=(
        Count("open", "Payouts initiated, and nothing since", "open"),
        Total("open_minor", "Their amount", "open", "amount_minor"),
        Count("overdue", "Open payouts due before as_of", "overdue"),
        Total("overdue_minor", "Their amount", "overdue", "amount_minor"),
        Count("failed", "Payouts failed, and nothing since", "failed"),
        Total("failed_minor", "Their amount", "failed", "amount_minor"),
        Count("backlog", "Open and failed payouts", "backlog"),
        Total("backlog_minor", "Their amount", "backlog", "amount_minor"),
        Oldest("oldest_seconds", "Age at as_of of the payout that was initiated first", "open"),
    ),
    tiles=(
        Tile(
            "Operations",
            "Payout backlog",
            TileKind.NUMBERS,
            (
                "backlog",
                "backlog_minor",
                "overdue",
                "overdue_minor",
                "failed",
                "failed_minor",
                "oldest_seconds",
            ),
            states=("overdue", "open", "failed"),
        ),
    ),
)
