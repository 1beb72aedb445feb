"""Every view, one declaration a module. To add one: write its module and list it here.

What extensions declare is among them (docs/extensions.md).
"""

from __future__ import annotations

from schemas.extensions import extensions
from schemas.validation.fast_path import EVENT_TYPES
from tables.spec.problems import checked, with_extensions
from tables.views.comms_delivery import COMMS_DELIVERY
from tables.views.comms_digest import COMMS_DIGEST
from tables.views.exp_metric_cuped import EXP_METRIC_CUPED
from tables.views.kpi_funnel import KPI_FUNNEL
from tables.views.kpi_gmv import KPI_GMV
from tables.views.ops_acceptance_windows import OPS_ACCEPTANCE_WINDOWS
from tables.views.ops_dispute_queue import OPS_DISPUTE_QUEUE
from tables.views.ops_payout_backlog import OPS_PAYOUT_BACKLOG
from tables.views.ops_quarantine import OPS_QUARANTINE
from tables.views.ops_recon_variance import OPS_RECON_VARIANCE
from tables.views.promo_performance import PROMO_PERFORMANCE
from tables.views.promo_spend import PROMO_SPEND
from tables.views.studio_ops import STUDIO_OPS
from tables.views.trust_dispute_outcomes import TRUST_DISPUTE_OUTCOMES
from tables.views.trust_idv import TRUST_IDV
from tables.views.trust_risk import TRUST_RISK

DECLARED = (
    OPS_PAYOUT_BACKLOG,
    OPS_RECON_VARIANCE,
    OPS_DISPUTE_QUEUE,
    OPS_ACCEPTANCE_WINDOWS,
    KPI_GMV,
    KPI_FUNNEL,
    TRUST_IDV,
    TRUST_RISK,
    TRUST_DISPUTE_OUTCOMES,
    PROMO_PERFORMANCE,
    PROMO_SPEND,
    COMMS_DELIVERY,
    COMMS_DIGEST,
    STUDIO_OPS,
    EXP_METRIC_CUPED,
    OPS_QUARANTINE,
)

OWN = checked(DECLARED, EVENT_TYPES)
"""The project's own, by name, of which docs/reference is made. Importing this raises `DeclarationError` where
one is wrong: nothing starts with it."""

VIEWS = with_extensions(OWN, extensions(), EVENT_TYPES)
"""All views by name, those of extensions last. `ExtensionError` where one of these is wrong."""
