"""The oracle's judge, which shares no code with `schemas`, says of every record what the validation says."""

from __future__ import annotations

import pytest
from hypothesis import example, given

from schemas.times import micros
from schemas.validation.reasons import Quarantined
from schemas.validation.validator import Validator
from tests.oracle.bad import LIMIT, Case, bad_records
from tests.oracle.judge import Bad, judge
from tests.support.examples import examples
from tests.support.value_strategy import NOW_MS, values

VALIDATOR = Validator(LIMIT)


def agree(value: bytes | None) -> None:
    found, expected = VALIDATOR.validate(value, NOW_MS), judge(value, NOW_MS)
    if isinstance(found, Quarantined):
        assert expected == Bad(found.code, found.reason, found.field)
    else:
        assert not isinstance(expected, Bad)
        assert expected.occurred_us == micros(found.occurred_at)
        assert (expected.event_id, expected.event, expected.city) == (found.event_id, found.event, found.city)


@pytest.mark.parametrize("case", bad_records(NOW_MS), ids=str)
def test_bad_records_are_judged_as_they_are_said_to_be(case: Case) -> None:
    value, expected = case
    assert judge(value, NOW_MS) == expected
    agree(value)


@examples(400)
@given(values)
@example(b'{"a":"\\\\ud800"}')
@example(b'{"a":"\\ud83d\\ude00\\ude00"}')
@example(b"[" * 64 + b"]" * 64)
@example(b"[" * 65 + b"]" * 65)
def test_both_say_the_same(value: bytes | None) -> None:
    agree(value)
