"""The quick look at a bad record and the complete one find the same."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from schemas.catalogue import EVENTS
from schemas.validation import slow_path
from schemas.validation.validator import Validator
from tests.support.examples import examples

NOW_MS = 1_772_359_200_000
VALIDATOR = Validator()
ENVELOPE: dict[str, Any] = {
    "event_id": "e", "event": "payout.initiated", "version": 1, "occurred_at": "2026-03-01T10:00:00Z",
    "source": "s", "city": "oslo",
}  # fmt: skip
PAYLOAD = EVENTS["payout.initiated"].examples[0]
odd = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(2**70), 2**70),
    st.sampled_from([2**53, 2**63 - 1, 2**63, 2**64 - 1, 2**64, 0, -1, 0.0, -0.5, 1e300]),
    st.text(max_size=5),
    st.sampled_from(["EUR", "payout.paid", "payout.initiated", "nothing", "2026-03-01T10:00:00Z", '"', "\\"]),
    st.lists(st.integers(0, 3), max_size=2),
    st.dictionaries(
        st.sampled_from(["a", "A", "", "_kafka", "_KAFKA"]), st.none() | st.integers(), max_size=3
    ),
)
names = st.sampled_from(
    [
        *ENVELOPE,
        "payload",
        *EVENTS["payout.initiated"].payload.model_fields,
        "Event",
        "Currency",
        "x",
        "X",
        "_Kafka",
    ]
)
changes = st.dictionaries(names, odd, max_size=3)


def judged(value: bytes) -> Any:
    return VALIDATOR.validate_one(value, NOW_MS)


@examples(600)
@given(changes, changes, st.booleans(), st.sampled_from([(",", ":"), (", ", ": ")]))
@example({}, {"amount_minor": 2**63}, True, (",", ":"))
@example({"event": None}, {}, True, (",", ":"))
@example({"x": {"a": 1, "A": 2}}, {}, True, (",", ":"))
def test_both_give_one_verdict(
    outside: dict[str, Any], inside: dict[str, Any], has_payload: bool, separators: tuple[str, str]
) -> None:
    payload = {"payload": {**PAYLOAD, **inside}} if has_payload else {}
    value = json.dumps({**ENVELOPE, **payload, **outside}, separators=separators).encode()
    quick = judged(value)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(slow_path, "_plain_members", lambda _: None)
        assert judged(value) == quick


@pytest.mark.parametrize("twice", [b'"city":"ulm"', b'"city":null', b'"City":"ulm"', b'"x":1,"x":2'])
def test_a_member_that_is_there_twice_is_left_to_the_complete_look(twice: bytes) -> None:
    value = json.dumps({**ENVELOPE, "payload": PAYLOAD}, separators=(",", ":")).encode()
    assert slow_path._plain_members(value) is not None
    assert slow_path._plain_members(value[:-1] + b"," + twice + b"}") is None
