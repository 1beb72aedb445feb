"""Deadlines at their edges: which side of `as_of`, of an hour and of a day after it counts as what."""

from __future__ import annotations

from typing import Any

import pytest

from tables.query.params import parse_view_query
from tables.query.views import answer_view
from tables.spec.view import View
from tables.views import VIEWS
from tests.support.feed_records import MICROS, checkpoint, entity, reader, situation

BOOKINGS, DISPUTES = VIEWS["ops_acceptance_windows"], VIEWS["ops_dispute_queue"]
NOW_S = 1_000_000
HOUR_S, DAY_S = 3_600, 86_400


def row(view: View, *states: list[Any]) -> dict[str, Any]:
    known = [entity(view, f"x{number}", state) for number, state in enumerate(states)]
    state = reader(*known, checkpoint(1, float(NOW_S)))
    (found,) = answer_view(state, view, parse_view_query(view, ()), situation(wall_s=NOW_S))["rows"]
    assert isinstance(found, dict)
    return found


def booking(rank: int, accept_us: int | None = None) -> list[Any]:
    return [True, (NOW_S - 60) * MICROS, rank, "e", "oslo", accept_us, "p1"]


@pytest.mark.parametrize(
    ("after_us", "open_", "expiring", "breached"),
    [
        (-1, 0, 0, 1),
        (0, 1, 1, 0),
        (HOUR_S * MICROS - 1, 1, 1, 0),
        (HOUR_S * MICROS, 1, 0, 0),
    ],
)
def test_a_booking_may_be_accepted_until_its_time_is_past(
    after_us: int, open_: int, expiring: int, breached: int
) -> None:
    found = row(BOOKINGS, booking(0, NOW_S * MICROS + after_us))
    assert (found["open"], found["expiring_1h"], found["breached"]) == (open_, expiring, breached)
    assert found["acceptance_rate"] == (0.0 if breached else None)


def test_a_breached_booking_counts_against_the_rate_until_it_is_answered() -> None:
    late = booking(0, NOW_S * MICROS - 1)
    answered = [booking(3), booking(2), booking(1)]
    assert row(BOOKINGS, late, *answered)["acceptance_rate"] == 1 / 4
    assert row(BOOKINGS, *answered)["acceptance_rate"] == 1 / 3


@pytest.mark.parametrize(
    ("after_us", "due", "overdue"),
    [(-1, 0, 1), (0, 1, 0), (DAY_S * MICROS - 1, 1, 0), (DAY_S * MICROS, 0, 0)],
)
def test_a_dispute_is_due_within_a_day_and_overdue_after_its_time(
    after_us: int, due: int, overdue: int
) -> None:
    kept = ["EUR", 7, NOW_S * MICROS + after_us, "c1"]
    opened = [True, (NOW_S - 60) * MICROS, 0, "e", "oslo", *kept]
    found = row(DISPUTES, opened)
    assert (found["open"], found["open_minor"], found["oldest_seconds"]) == (1, 7, 60)
    assert (found["due_24h"], found["overdue"]) == (due, overdue)
