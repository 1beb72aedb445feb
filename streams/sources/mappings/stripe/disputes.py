"""Disputes, inquiries included."""

from __future__ import annotations

from typing import Any

from streams.sources.mappings.mapping import Why, refused
from streams.sources.mappings.stripe.rule import Rule
from streams.sources.mappings.stripe.webhook import Envelope, Webhook, moment, named, reference

OUTCOMES = {
    "won": "won",
    "lost": "lost",
    "warning_closed": "withdrawn",
    "charge_refunded": "withdrawn",
    "prevented": "withdrawn",
}
"""Status of a closed dispute → outcome."""
UNDER_REVIEW = ("under_review", "warning_under_review")
TO_BE_ANSWERED = "needs_response"


def _dispute(hook: Webhook, event: str, **more: Any) -> list[Envelope]:
    charge_id = named(hook.object.get("charge"), "data.object.charge")
    payload = {
        "dispute_id": reference(hook.object.get("id")) or charge_id,
        "charge_id": charge_id,
        **hook.money(hook.object.get("amount"), "data.object.amount"),
        **more,
    }
    # Not of the dispute's id: one may be answered, or opened, a second time.
    return [hook.envelope(event, hook.id, payload)]


def _opened(hook: Webhook) -> list[Envelope]:
    details = hook.object.get("evidence_details")
    if isinstance(details, dict):
        field, due = "data.object.evidence_details.due_by", details.get("due_by")
    else:
        field, due = "data.object.evidence_due_by", hook.object.get("evidence_due_by")
    return _dispute(
        hook, "dispute.opened", respond_by=moment(due, field), reason=hook.object.get("reason")
    )  # fmt: skip


def _updated(hook: Webhook) -> list[Envelope]:
    status = hook.object.get("status")
    if status in UNDER_REVIEW:
        return _dispute(hook, "dispute.responded")
    if status == TO_BE_ANSWERED and (hook.former_status or "").startswith("warning_"):
        return _opened(hook)
    raise hook.not_for_us("the dispute was neither answered nor opened by this")


def _closed(hook: Webhook) -> list[Envelope]:
    status = hook.object.get("status")
    outcome = OUTCOMES.get(status) if isinstance(status, str) else None
    if outcome is None:
        known = ", ".join(OUTCOMES)
        raise refused(Why.FIELD, f"data.object.status: must be one of {known}", "data.object.status")
    return _dispute(hook, "dispute.resolved", outcome=outcome)


RULES = {
    "charge.dispute.created": Rule(
        ("dispute.opened",),
        "To be answered by `evidence_details.due_by` (older versions: `evidence_due_by`); refused without "
        "it. An inquiry (`warning_needs_response`) is to be answered, too.",
        _opened,
    ),
    "charge.dispute.updated": Rule(
        ("dispute.responded", "dispute.opened"),
        "Responded while it is under review; opened again if an inquiry becomes a dispute, by "
        "`previous_attributes`; anything else is not for us.",
        _updated,
    ),
    "charge.dispute.closed": Rule(
        ("dispute.resolved",),
        "`won`, `lost`, or `withdrawn` for "
        + ", ".join(f"`{status}`" for status, outcome in OUTCOMES.items() if outcome == "withdrawn")
        + "; any other status is refused.",
        _closed,
    ),
}
"""Type → rule."""
