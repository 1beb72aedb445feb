"""Events of other versions, in the batches in which they come."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.avro_schema import wire_schema
from schemas.catalogue import EVENTS
from schemas.validation.fast_path import EVENT_TYPES
from schemas.validation.reasons import Quarantined, Reason
from schemas.validation.validator import Validator
from tests.support.adapters import EVENT, adapt_in, sent
from tests.support.wire import encoded, known

NOW_MS = 1_800_000_000_000
READERS = {EVENT_TYPES[EVENT]: lambda event: event.payload.amount_minor}


@pytest.fixture(scope="module", autouse=True)
def adapters() -> Any:
    with pytest.MonkeyPatch.context() as patch:
        adapt_in(patch)
        yield


def test_versions_side_by_side_are_one_event() -> None:
    values: list[bytes | None] = [
        sent(1, 100),
        sent(2, 200),
        b"{}",
        sent(3, 300),
        sent(1, -1),
        sent(2, -1),
    ]
    decoded = Validator().decode_batch(values, [NOW_MS] * 6, READERS, with_sources=True)
    assert decoded.kept == [100, 200, None, 300, None, None]
    assert decoded.sources[1] == decoded.sources[3] == "payouts"
    assert [index for index, _ in decoded.bad] == [2, 4, 5]
    assert [decoded.bad[1][1].field, decoded.bad[2][1].field] == ["amount_minor"] * 2
    assert decoded.bad[2][1].detail.startswith("as adapted from version 2: amount_minor: ")
    assert {index: event.version for index, event in decoded.adapted.items()} == {1: 2, 3: 3}
    assert values[1] == sent(2, 200), "the record as it came is the caller's"
    for index in (1, 3):
        text = json.loads(decoded.texts[index] or b"")
        assert text == json.loads(sent(1, decoded.kept[index]))
        assert json.loads(decoded.adapted[index].payload) == json.loads(values[index] or b"")["payload"]


@pytest.mark.parametrize(
    ("value", "reason", "said"),
    [
        (sent(2, 1, version=4), Reason.UNKNOWN_VERSION, "payout.paid is known in version 1 only"),
        (sent(1, 1, version=2), Reason.UNKNOWN_VERSION, "the adapter from version 2 to 1 failed: KeyError"),
        (
            sent(3, 1).replace(b"[1]", b"[1, 2]"),
            Reason.UNKNOWN_VERSION,
            "from version 3 to 2 failed: ValueError",
        ),
        (sent(2, 1, event_id=""), Reason.ENVELOPE_FIELD, "event_id"),
        (sent(2, 1, event="payout.no"), Reason.UNKNOWN_EVENT, "not in the catalogue"),
        (
            sent(2, 1, occurred_at="2100-01-01T00:00:00Z"),
            Reason.IN_FUTURE,
            "as adapted from version 2: occurred",
        ),
        (
            sent(2, 1).replace(b'"amount": 1', b'"amount": 1, "currency": "USD"'),
            Reason.UNKNOWN_VERSION,
            "a member is there twice",
        ),
    ],
)
def test_what_cannot_be_adapted_is_refused_in_words(value: bytes, reason: Reason, said: str) -> None:
    verdict = Validator().validate(value, NOW_MS)
    assert isinstance(verdict, Quarantined)
    assert verdict == Validator().validate_one(value, NOW_MS)
    assert verdict.reason == reason
    assert said in verdict.detail


def test_a_record_has_to_be_small_enough_as_it_was_sent() -> None:
    value = sent(2, 1, more="x" * 100)
    assert isinstance(Validator(len(value) - 1).validate(value, NOW_MS), Quarantined)
    assert not isinstance(Validator(len(value)).validate(value, NOW_MS), Quarantined)


AMOUNTS = st.one_of(st.integers(-3, 10), st.floats(), st.none(), st.text(max_size=3), st.just(10**30))


LIKE = st.sampled_from([1, 2, 3])


@given(st.lists(st.tuples(LIKE, AMOUNTS, st.sampled_from([1, 2, 3, 4])), max_size=12))
def test_a_batch_is_judged_like_its_records_one_by_one(made: list[tuple[int, Any, int]]) -> None:
    values: list[bytes | None] = [
        sent(like, amount, version=version, event_id=f"e{index}")
        for index, (like, amount, version) in enumerate(made)
    ]
    decoded = Validator().decode_batch(values, [NOW_MS] * len(values))
    bad = dict(decoded.bad)
    for index, value in enumerate(values):
        one = Validator().validate_one(value, NOW_MS)
        assert bad.get(index, decoded.kept[index]) == one
        assert (index in decoded.adapted) == (index not in bad and made[index][2] != 1)
        assert index in bad or Validator().validate(decoded.texts[index], NOW_MS) == one


def test_avro_of_another_version_is_adapted_like_its_json() -> None:
    fields = {"payout_id": "string", "provider_id": "string", "currency": "string", "amount": "long"}
    schema = wire_schema(EVENTS[EVENT])
    (payload,) = (field for field in schema["fields"] if field["name"] == "payload")
    payload["type"] |= {"fields": [{"name": name, "type": kind} for name, kind in fields.items()]}
    event = {"trace_id": None, **json.loads(sent(2, 200))}
    value = encoded(7, schema, event)
    decoded = Validator(schemas=known({7: schema})).decode_batch([value], [NOW_MS], READERS)
    assert (decoded.kept, decoded.bad) == ([200], [])
    assert json.loads(decoded.texts[0] or b"") == {"trace_id": None, **json.loads(sent(1, 200))}
    assert json.loads(decoded.adapted[0].payload) == event["payload"]
