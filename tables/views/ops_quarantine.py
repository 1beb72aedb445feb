"""The share of bad records, producer by producer (docs/contract.md §3)."""

from __future__ import annotations

from tables.spec.measures import Ratio
from tables.spec.records import Outcome, Records
from tables.spec.tile import Tile
from tables.spec.windowed import Windowed

OPS_QUARANTINE = Windowed(
    name="ops_quarantine",
    description="Records accepted and quarantined, by who sent them: a producer's scorecard.",
    dimensions=("source", "event", "reason"),
    measures=(
        Records("accepted", "Events accepted, duplicates and late-dropped ones apart"),
        Records("quarantined", "Bad records", outcome=Outcome.QUARANTINED),
        Ratio("bad_share", "Quarantined ÷ both", ("quarantined",), ("accepted", "quarantined")),
    ),
    tiles=(
        Tile("Pipeline", "Quarantine by reason", measures=("quarantined",), by=("reason",)),
        Tile(
            "Pipeline",
            "Bad share by producer",
            measures=("bad_share", "quarantined", "accepted"),
            by=("source",),
        ),
    ),
)
