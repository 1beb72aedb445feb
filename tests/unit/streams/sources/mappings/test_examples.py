"""Every example of a built-in mapping is what it says; and every rule of Stripe's has one."""

from __future__ import annotations

import json
from typing import Any

import pytest

from schemas.catalogue import EVENTS
from schemas.validation.validator import Validator
from streams.settings import Settings
from streams.sources.mappings.examples import EXAMPLES
from streams.sources.mappings.formats import FORMATS
from streams.sources.mappings.mapping import Example, NotForUs, Refused
from streams.sources.mappings.stripe.mapping import RULES
from streams.sources.mappings.verdicts import Accepted, verdicts

ALL = [
    pytest.param(name, example, id=f"{name}: {example.title}")
    for name, examples in EXAMPLES.items()
    for example in examples
]


def of(name: str, given: Any) -> Any:
    mapping = FORMATS[name](Settings.load({}))
    (verdict,) = verdicts(mapping, [json.dumps(given).encode()], Validator(), -1)
    return verdict


@pytest.mark.parametrize(("name", "example"), ALL)
def test_an_example_is_mapped_to_what_it_says(name: str, example: Example) -> None:
    verdict = of(name, example.given)
    if isinstance(example.expected, NotForUs):
        assert isinstance(verdict, NotForUs), verdict
        assert verdict.kind == example.expected.kind
        assert verdict.why
    elif isinstance(example.expected, Refused):
        assert isinstance(verdict, Refused), verdict
        assert verdict[:3] == example.expected[:3]
        assert verdict.detail
    else:
        assert isinstance(verdict, Accepted), verdict
        assert [json.loads(event.value) for event in verdict.events] == list(example.expected)


def test_every_format_has_examples_of_events() -> None:
    assert EXAMPLES.keys() == FORMATS.keys()
    for examples in EXAMPLES.values():
        assert any(not isinstance(one.expected, NotForUs | Refused) for one in examples)


def test_every_rule_of_stripe_names_events_that_there_are() -> None:
    for kind, rule in RULES.items():
        assert set(rule.events) <= set(EVENTS), kind


def test_nearly_every_rule_of_stripe_has_an_example() -> None:
    shown = {example.given["type"] for example in EXAMPLES["stripe"]}
    alike = {"payout.canceled", "transfer.paid", "transfer.failed", "transfer.canceled"}
    assert set(RULES) - shown == alike
