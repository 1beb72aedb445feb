"""Every gate. To add one: declare it here; packages of one's own declare theirs as `GATES`
(docs/extensions.md). Each is off until a limit of it is set (docs/gates.md), recon has limits from the start.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from schemas.extensions import Extension, ExtensionError, extensions
from tables.spec.declaration_error import DeclarationError
from tables.spec.gate import Gate, Watch, Worse, gate_problems
from tables.spec.view import View
from tables.views import OWN as OWN_VIEWS
from tables.views import VIEWS

RECON = Gate(
    name="recon",
    description="Whether what was charged explains what was paid out, refunded and kept as fees.",
    guards="payouts of the city in the currency",
    view="ops_recon_variance",
    key=("city", "currency"),
    watches=(
        Watch(
            "variance_ratio",
            "variance is {} of charges",
            enough=(("charges_minor",), ("payouts_minor", "refunds_minor", "fees_minor")),
            without="no charges, against payouts + refunds + fees of {}",
            too_little="charges and payouts + refunds + fees are both under {}",
        ),
    ),
    settled=("charges_minor", "refunds_minor", "fees_minor"),
)
PAYOUT_BACKLOG = Gate(
    name="payout_backlog",
    description="Whether payouts wait for longer than they may, or too many are overdue.",
    guards="promises to providers of when they are paid",
    view="ops_payout_backlog",
    key=("city", "currency"),
    watches=(
        Watch("oldest_seconds", "the oldest open payout is {} old"),
        Watch("overdue", "{} payouts are overdue"),
        Watch("overdue_minor", "payouts of {} are overdue"),
        Watch("backlog", "{} payouts are open or failed"),
        Watch("backlog_minor", "payouts of {} are open or failed"),
    ),
)
QUARANTINE_SHARE = Gate(
    name="quarantine_share",
    description="Whether too much of what a producer sends is bad.",
    guards="releases of the producer, and decisions that rest on its events",
    view="ops_quarantine",
    key=("source",),
    watches=(
        Watch(
            "bad_share",
            "{} of the records are bad",
            enough=(("accepted", "quarantined"),),
            without="{} bad records, and no other",
            too_little="there are fewer than {} records",
        ),
    ),
    window_hours=1,
    minimum=100,
)
PROMO_OVERSPEND = Gate(
    name="promo_overspend",
    description="Whether a campaign has spent more than its budget. The window is what a budget is for.",
    guards="the campaign's further impressions",
    view="promo_spend",
    key=("campaign_id", "currency"),
    watches=(
        Watch("spend_ratio", "{} of the budget is spent", without="{} is spent, of a budget of nothing"),
    ),
)
EXPERIMENT_SRM = Gate(
    name="experiment_srm",
    description="Whether users are spread over an experiment's variants as they are meant to be.",
    guards="decisions that rest on the experiment",
    view="exp_metric_cuped",
    key=("exp_key",),
    watches=(Watch("srm_p", "shares like these come by chance with p = {}", Worse.BELOW),),
)


def checked(gates: Iterable[Gate], views: Mapping[str, View]) -> dict[str, Gate]:
    """The gates by name. Raises `DeclarationError` for the first one that is wrong."""
    found: dict[str, Gate] = {}
    for gate in gates:
        for problem in gate_problems(gate, views):
            raise DeclarationError(problem)
        if gate.name in found:
            raise DeclarationError(f"gate {gate.name}: there are two of that name: rename one")
        found[gate.name] = gate
    return found


def with_extensions(
    own: Mapping[str, Gate], extensions: Iterable[Extension], views: Mapping[str, View]
) -> dict[str, Gate]:
    """All gates by name. Raises `ExtensionError` for the first one of an extension that cannot be used."""
    found = dict(own)
    for extension in extensions:
        try:
            of_package = checked(extension.gates, views)
        except (DeclarationError, TypeError, AttributeError) as error:
            raise ExtensionError(f"{extension.package}: {error}") from None
        for name, gate in of_package.items():
            if name in found:
                raise ExtensionError(
                    f"{extension.package}: gate {name}: there is one of that name: rename it"
                )
            found[name] = gate
    return found


OWN = checked((RECON, PAYOUT_BACKLOG, QUARANTINE_SHARE, PROMO_OVERSPEND, EXPERIMENT_SRM), OWN_VIEWS)
"""The project's own, by name."""

GATES = with_extensions(OWN, extensions(), VIEWS)
"""All gates by name, those of extensions last."""
