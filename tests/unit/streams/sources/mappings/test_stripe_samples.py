"""The 88 sample webhooks of stripe-ruby-mock, where they are beside the checkout: what becomes of each."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from schemas.validation.validator import Validator
from streams.sources.mappings.mapping import NotForUs, Refused
from streams.sources.mappings.stripe.mapping import RULES, Stripe
from streams.sources.mappings.verdicts import Accepted, verdicts
from tests.support.paths import ROOT

FOLDERS = (ROOT.parent / "shared", ROOT.parents[1] / "shared")
SAMPLES = next((found for one in FOLDERS if (found := one / "data/stripe/webhooks").is_dir()), None)
FILES = sorted(SAMPLES.glob("*.json")) if SAMPLES else []

MAPPED = {
    "charge.captured": [("charge.succeeded", 100)],
    "charge.dispute.closed": [("dispute.resolved", 1000)],
    "charge.dispute.created": [("dispute.opened", 100)],
    "charge.dispute.funds_withdrawn": [("fee.assessed", 1500)],
    "charge.dispute.updated": [("dispute.responded", 1000)],
    "charge.failed": [("charge.failed", 2000)],
    "charge.refunded": [("refund.succeeded", 100)],
    "charge.succeeded": [("charge.succeeded", 2000)],
    "payout.created": [("payout.initiated", 1100)],
    "payout.paid": [("payout.paid", 1100)],
}
"""Sample → the events that it is, and their amounts."""
REFUSED = {
    "transfer.created": "data.object.metadata.provider_id",
    "transfer.failed": "data.object.metadata.provider_id",
    "transfer.paid": "data.object.metadata.provider_id",
}
"""Sample → the field that is missing."""
OF_A_RULE = {"charge.refund.updated"}
"""Not for us by a rule of its type: all others are of types that have none."""

pytestmark = pytest.mark.skipif(not FILES, reason="the samples are not there")


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_what_becomes_of_a_sample(file: Path) -> None:
    (verdict,) = verdicts(Stripe(), [file.read_bytes()], Validator(), -1)
    kind = json.loads(file.read_bytes())["type"]
    if file.stem in MAPPED:
        assert isinstance(verdict, Accepted), verdict
        found = [json.loads(event.value) for event in verdict.events]
        assert [(one["event"], one["payload"]["amount_minor"]) for one in found] == MAPPED[file.stem]
        assert {one["payload"]["currency"] for one in found} == {"USD"}
        assert {one["event"] for one in found} <= set(RULES[kind].events)
    elif file.stem in REFUSED:
        assert isinstance(verdict, Refused), verdict
        assert verdict.field == REFUSED[file.stem]
    else:
        assert isinstance(verdict, NotForUs), verdict
        assert verdict.kind == kind
        assert (kind in RULES) == (file.stem in OF_A_RULE)


def test_there_are_as_many_as_are_said_to_be() -> None:
    assert len(FILES) == 88, os.fspath(SAMPLES or "")
    assert MAPPED.keys() | REFUSED.keys() | OF_A_RULE <= {file.stem for file in FILES}
