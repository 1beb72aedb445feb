"""The examples and counter-examples of every declaration, and the catalogue as a whole."""

from __future__ import annotations

from typing import Any

import pytest

from schemas.catalogue import EVENTS, by_name
from schemas.spec import EventSpec
from schemas.times import parse_instant
from schemas.validation.fast_path import EVENT_TYPES, Event
from schemas.validation.reasons import Code, Quarantined, Reason
from schemas.validation.validator import Validator
from tests.support.events import event

NOW_MS = 1_800_000_000_000

CONTRACT = {
    "bookings": "requested accepted declined expired confirmed cancelled",
    "payments": "charge.succeeded charge.failed refund.succeeded fee.assessed payout.initiated payout.paid "
    "payout.canceled payout.failed dispute.opened dispute.responded dispute.resolved",
    "search": "search.impression search.click profile.view checkout.start",
    "trust": "idv.started idv.passed idv.failed bg.started bg.passed bg.failed risk.scored",
    "promotions": "promo.impression promo.click promo.spend promo.budget",
    "comms": "message.sent message.delivered message.bounced message.complained message.opted_out "
    "digest.suppressed",
    "studios": "studio.verification_requested studio.verified studio.rejected amenity.used quote.requested "
    "quote.accepted quote.declined quote.expired",
    "experiments": "experiment.exposure",
}


def record(spec: EventSpec, payload: Any) -> bytes:
    return event(spec.name, 1, payload, version=spec.version, city="new-delhi")


EXAMPLES = [(spec, example) for spec in EVENTS.values() for example in spec.examples]
COUNTER_EXAMPLES = [
    (spec, patch, field) for spec in EVENTS.values() for patch, field in spec.counter_examples
]


@pytest.mark.parametrize(("spec", "example"), EXAMPLES, ids=lambda value: getattr(value, "name", ""))
def test_examples_are_accepted_with_their_values(spec: EventSpec, example: dict[str, Any]) -> None:
    accepted = Validator().validate(record(spec, example), NOW_MS)
    assert isinstance(accepted, Event)
    assert type(accepted) is EVENT_TYPES[spec.name]
    assert accepted.event == spec.name
    declared = spec.payload.model_validate(example)
    for name in spec.payload.model_fields:
        kept = getattr(accepted.payload, name)
        is_instant = name in EVENT_TYPES[spec.name].instants and kept is not None
        assert (parse_instant(kept) if is_instant else kept) == getattr(declared, name)


@pytest.mark.parametrize(
    ("spec", "patch", "field"), COUNTER_EXAMPLES, ids=[f"{s.name}-{f}" for s, _, f in COUNTER_EXAMPLES]
)
def test_counter_examples_name_the_field(spec: EventSpec, patch: dict[str, Any], field: str) -> None:
    verdict = Validator().validate(record(spec, spec.patched(patch)), NOW_MS)
    assert isinstance(verdict, Quarantined)
    assert verdict[:3] == (Code.EVENT_SCHEMA_INVALID, Reason.PAYLOAD_FIELD, field)


@pytest.mark.parametrize("spec", EVENTS.values(), ids=EVENTS)
def test_every_event_has_both_kinds_of_examples_and_says_what_happened(spec: EventSpec) -> None:
    assert spec.examples
    assert spec.counter_examples
    assert spec.description.endswith(".")


def test_the_catalogue_is_the_contracts() -> None:
    expected = {
        (domain, name if "." in name else f"booking.{name}")
        for domain, names in CONTRACT.items()
        for name in names.split()
    }
    assert len(expected) == 47
    assert expected <= {(spec.domain, spec.name) for spec in EVENTS.values()}


def test_a_name_is_declared_once() -> None:
    spec = next(iter(EVENTS.values()))
    with pytest.raises(ValueError, match=f"{spec.name} is declared twice"):
        by_name((spec,), (spec,))
