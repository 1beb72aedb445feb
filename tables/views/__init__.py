"""Every view, one declaration a module. To add one: write its module and list it here."""

from __future__ import annotations

from schemas.validation.fast_path import EVENT_TYPES
from tables.spec.problems import checked
from tables.views.kpi_funnel import KPI_FUNNEL
from tables.views.kpi_gmv import KPI_GMV
from tables.views.ops_payout_backlog import OPS_PAYOUT_BACKLOG
from tables.views.ops_recon_variance import OPS_RECON_VARIANCE

DECLARED = (OPS_PAYOUT_BACKLOG, OPS_RECON_VARIANCE, KPI_GMV, KPI_FUNNEL)

VIEWS = checked(DECLARED, EVENT_TYPES)
"""By name. Importing this raises `DeclarationError` where one is wrong: nothing starts with it."""
