"""A release whose declarations of some views are others than this one's."""

from __future__ import annotations

import shutil
from pathlib import Path

from tests.support.paths import ROOT

OTHERWISE = {
    "kpi_gmv": """
from dataclasses import replace
KPI_GMV = replace(KPI_GMV, measures=KPI_GMV.measures[:-2], tiles=())
""",
    "kpi_funnel": """
from dataclasses import replace
KPI_FUNNEL = replace(KPI_FUNNEL, measures=KPI_FUNNEL.measures[:2], tiles=())
""",
    "ops_payout_backlog": """
from dataclasses import replace
_KEEP = tuple(kept for kept in OPS_PAYOUT_BACKLOG.tracks.keep if kept.field != "provider_id")
_TRACKS = replace(OPS_PAYOUT_BACKLOG.tracks, keep=_KEEP)
OPS_PAYOUT_BACKLOG = replace(OPS_PAYOUT_BACKLOG, tracks=_TRACKS, tiles=())
""",
    "promo_spend": """
from dataclasses import replace
PROMO_SPEND = replace(PROMO_SPEND, dimensions=("currency", "campaign_id"), tiles=())
""",
}
"""View → what is put behind its module. All that this makes of a view is in this release's answers too."""


def former_release(folder: Path, *views: str) -> Path:
    """A copy of the project in `folder`, in which these views are declared otherwise."""
    for package in ("schemas", "tables", "agents", "streams"):
        shutil.copytree(ROOT / package, folder / package, ignore=shutil.ignore_patterns("__pycache__"))
    for view in views:
        with (folder / f"tables/views/{view}.py").open("a", encoding="utf-8") as declared:
            declared.write(OTHERWISE[view])
    return folder
