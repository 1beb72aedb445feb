"""The latest risk of users, providers and bookings (docs/contract.md §3)."""

from __future__ import annotations

from tables.spec.entity_measures import Count
from tables.spec.fields import Kind
from tables.spec.tile import Tile, TileKind
from tables.spec.tracked import Kept, Selection, Stage, Tracked
from tables.spec.view import Entity

_BUCKETS = ("clear", "watch", "action", "critical")

TRUST_RISK = Entity(
    name="trust_risk",
    description="Users, providers and bookings by the bucket of their latest risk score.",
    dimensions=("city", "subject_kind"),
    tracks=Tracked(
        id_fields=("subject_kind", "subject_id"),
        stages=(Stage("risk.scored", "scored", 0, opens=True),),
        keep=(Kept("subject_kind"), Kept("subject_id"), Kept("bucket"), Kept("score", Kind.NUMBER)),
        selections=tuple(
            Selection(bucket, f"Their latest bucket is {bucket}", ("scored",), where=(("bucket", bucket),))
            for bucket in _BUCKETS
        ),
    ),
    measures=tuple(Count(bucket, f"Subjects whose latest bucket is {bucket}", bucket) for bucket in _BUCKETS),
    tiles=(
        Tile(
            "Trust",
            "Risk buckets",
            TileKind.BUCKETS,
            ("watch", "action", "critical"),
            by=("subject_kind",),
            states=("critical", "action", "watch"),
        ),
    ),
)
