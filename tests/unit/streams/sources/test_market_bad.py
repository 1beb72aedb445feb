"""Bad records of the simulator: each is quarantined for exactly the reason, and field, that were meant."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime
from functools import cache
from random import Random

import msgspec
import pytest

from schemas.catalogue import EVENTS
from schemas.validation.reasons import Quarantined, Reason
from schemas.validation.validator import Validator
from streams.sources.market import Market
from streams.sources.market.bad import WEIGHTS, draw_reason, spoil

START = datetime(2026, 3, 1, tzinfo=UTC)
NOW_MS = int(START.timestamp() * 1_000) + 3_600_000
SOME_EACH = 60


@cache
def one_of_each() -> dict[str, bytes]:
    """A good event of every name that the marketplace has."""
    found: dict[str, bytes] = {}
    for record in Market(1, START, rate=500.0).advance(60_000):
        assert record.value is not None
        found.setdefault(msgspec.json.decode(record.value)["event"], record.value)
    return found


def test_there_is_a_weight_for_every_reason() -> None:
    assert set(WEIGHTS) == set(Reason)


@pytest.mark.parametrize("reason", Reason)
@pytest.mark.parametrize("limit", [1_000, 65_536])
def test_the_verdict_is_the_one_that_was_meant(reason: Reason, limit: int) -> None:
    validator = Validator(limit)
    draw = Random(7).random
    events = one_of_each()
    assert set(events) == set(EVENTS)
    for good in events.values():
        for _ in range(SOME_EACH):
            value, field = spoil(reason, good, draw, limit)
            verdict = validator.validate(value, NOW_MS)
            assert isinstance(verdict, Quarantined), value
            assert (verdict.reason, verdict.field) == (reason, field)
            assert b"\n" not in (value or b"")


def test_a_record_in_the_future_is_so_for_every_clock() -> None:
    good = one_of_each()["booking.requested"]
    value, _ = spoil(Reason.IN_FUTURE, good, Random(1).random, 65_536)
    in_200_years_ms = NOW_MS + 200 * 366 * 86_400_000
    verdict = Validator().validate(value, in_200_years_ms)
    assert isinstance(verdict, Quarantined)
    assert verdict.reason is Reason.IN_FUTURE


def test_every_payload_has_something_to_get_wrong() -> None:
    assert all(EVENTS[name].counter_examples for name in one_of_each())


def test_reasons_come_by_weight() -> None:
    draw = Random(1).random
    drawn = Counter(draw_reason(draw) for _ in range(40_000))
    whole = sum(WEIGHTS.values())
    for reason, weight in WEIGHTS.items():
        assert drawn[reason] / 40_000 == pytest.approx(weight / whole, rel=0.2, abs=0.003)
