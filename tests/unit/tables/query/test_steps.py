"""Steps by a zone's clock: days of 23 and 25 hours, zones that are not whole hours from UTC, dates."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import pytest

from schemas.times import format_time, micros
from tables.query.params import ParameterError, parse_view_query
from tables.query.steps import Steps, find_zone
from tables.query.views import answer_view
from tables.read.state import ReaderState
from tables.views import VIEWS
from tests.support.feed_records import MICROS, checkpoint, partial, reader, situation

GMV, PAYOUTS = VIEWS["kpi_gmv"], VIEWS["ops_payout_backlog"]
LONDON = ("london", "GBP")


def minute(text: str) -> int:
    return micros(datetime.fromisoformat(text)) // MICROS // 60


def hourly(first: str, hours: int) -> ReaderState:
    """One booking in each hour from `first` on; of the hours all but the last two are kept whole."""
    start = minute(first) // 60
    row = [(LONDON, (1, 100, 0, 0, 0))]
    whole = [partial(GMV, "h", start + n, row) for n in range(hours - 2)]
    minutes = [partial(GMV, "m", (start + n) * 60, row) for n in range(hours - 2, hours)]
    return reader(*whole, *minutes, checkpoint(1, (start + hours) * 3600.0))


def series(state: ReaderState, *params: tuple[str, str]) -> list[tuple[str, int]]:
    answer = answer_view(state, GMV, parse_view_query(GMV, params), situation(wall_s=2e9))
    return [(row["t"], row["bookings"]) for row in answer["rows"]]


def days(first: str, last: str, zone: str, step: str = "1d") -> tuple[tuple[str, str], ...]:
    return ("from", first), ("to", last), ("tz", zone), ("step", step)


def test_days_are_those_of_the_zone_also_where_they_have_23_or_25_hours() -> None:
    spring = hourly("2026-03-27T00:00:00Z", 120)
    assert series(spring, *days("2026-03-28", "2026-03-31", "Europe/Lisbon")) == [
        ("2026-03-28T00:00:00+00:00", 24),
        ("2026-03-29T00:00:00+00:00", 23),
        ("2026-03-30T00:00:00+01:00", 24),
    ]
    autumn = hourly("2026-10-23T00:00:00Z", 120)
    assert series(autumn, *days("2026-10-24", "2026-10-27", "Europe/Lisbon")) == [
        ("2026-10-24T00:00:00+01:00", 24),
        ("2026-10-25T00:00:00+01:00", 25),
        ("2026-10-26T00:00:00+00:00", 24),
    ]


def test_hours_that_the_clock_shows_twice_are_two_steps() -> None:
    autumn = hourly("2026-10-24T00:00:00Z", 48)
    found = series(autumn, *days("2026-10-25", "2026-10-26", "Europe/Berlin", "1h"))
    assert len(found) == 25
    assert [t for t, _ in found[2:4]] == ["2026-10-25T02:00:00+02:00", "2026-10-25T02:00:00+01:00"]


@pytest.mark.parametrize(
    ("first", "zone", "expected"),
    [
        ("2026-03-29", "Europe/Berlin", [5, 6, 6, 6]),
        ("2026-10-25", "Europe/Berlin", [7, 6, 6, 6]),
        ("2026-06-01", "Europe/Berlin", [6, 6, 6, 6]),
    ],
)
def test_longer_steps_begin_where_the_clock_shows_a_multiple(
    first: str, zone: str, expected: list[int]
) -> None:
    state = hourly(f"{first}T00:00:00Z", 48)
    start = minute(f"{first}T00:00:00Z") // 60 - 24
    state = hourly(format_time(start * 3600 * MICROS), 72)
    until = format_time((start + 24 + 24) * 3600 * MICROS)[:10]
    found = series(state, *days(first, until, zone, "6h"))
    assert [bookings for _, bookings in found] == expected
    assert [t[11:13] for t, _ in found] == ["00", "06", "12", "18"]


def test_a_midnight_that_is_skipped_or_comes_twice_begins_one_day() -> None:
    cairo = Steps(1440, find_zone("Africa/Cairo"))  # 2024-04-26: from 23:59 to 01:00
    assert cairo.text(cairo.start(minute("2024-04-26T10:00:00Z"))) == "2024-04-26T01:00:00+03:00"
    havana = Steps(1440, find_zone("America/Havana"))  # 2025-11-02: 01:00 is 00:00 again
    for at in ("2025-11-02T04:30:00Z", "2025-11-02T05:30:00Z", "2025-11-02T20:00:00Z"):
        assert havana.text(havana.start(minute(at))) == "2025-11-02T00:00:00-04:00"


def test_a_zone_of_half_hours_needs_minutes() -> None:
    state = hourly("2026-06-01T00:00:00Z", 48)
    recent = ("from", "2026-06-02T22:00:00Z"), ("to", "2026-06-03T00:00:00Z")
    assert series(state, *recent, ("tz", "Asia/Kolkata"), ("step", "1h")) == [
        ("2026-06-03T03:30:00+05:30", 1),
        ("2026-06-03T04:00:00+05:30", 1),
    ]
    with pytest.raises(
        ParameterError, match="Asia/Kolkata is not whole hours from UTC at 2026-05-31T18:00:00Z"
    ) as caught:
        series(state, *days("2026-06-01", "2026-06-03", "Asia/Kolkata"))
    assert caught.value.parameter == "tz"


@pytest.mark.parametrize(
    ("first", "last", "cut"),
    [
        ("2026-05-31", "2026-06-03", "2026-05-30T18:00:00Z"),
        ("2026-04-01", "2026-06-03", "2026-04-29T18:00:00Z"),  # the first midnight of which hours are kept
        ("2020-01-01", "2020-02-01", None),
    ],
)
def test_whether_hours_would_be_cut_depends_on_the_watermark_alone(
    first: str, last: str, cut: str | None
) -> None:
    empty = reader(checkpoint(1, minute("2026-06-03T00:00:00Z") * 60.0))
    asked = days(first, last, "Asia/Kolkata")
    if cut is None:
        assert series(empty, *asked) == []
    else:
        with pytest.raises(ParameterError, match=f"Asia/Kolkata is not whole hours from UTC at {cut}"):
            series(empty, *asked)


def test_hours_that_a_worker_keeps_for_longer_are_not_cut_either() -> None:
    long_ago = minute("2025-06-01T18:00:00Z") // 60
    state = reader(
        partial(GMV, "h", long_ago, [(LONDON, (1, 100, 0, 0, 0))]),
        checkpoint(1, minute("2026-06-03T00:00:00Z") * 60.0),
    )
    with pytest.raises(ParameterError, match="Asia/Kolkata is not whole hours from UTC at 2025-06-01T18:00"):
        series(state, *days("2025-06-01", "2025-06-03", "Asia/Kolkata"))


def test_partitions_far_apart_have_their_own_hours() -> None:
    state = reader(checkpoint(1, minute("2020-02-01T00:00:00Z") * 60.0))
    state.apply(1, [checkpoint(1, minute("2026-06-03T00:00:00Z") * 60.0)], monotonic=0.0)
    assert series(state, *days("2020-02-03", "2026-04-01", "Asia/Kolkata")) == []
    with pytest.raises(ParameterError, match="at 2020-01-30T18:00"):
        series(state, *days("2020-01-31", "2026-04-01", "Asia/Kolkata"))


@pytest.mark.parametrize("at", ["0001-01-01T00:00:00Z", "9999-12-31T23:59:00Z", "1883-11-18T12:00:00Z"])
@pytest.mark.parametrize("zone", ["Pacific/Kiritimati", "America/New_York", "Pacific/Pago_Pago"])
@pytest.mark.parametrize("step", [1, 60, 1440, 10080])
def test_the_first_and_last_times_have_steps(at: str, zone: str, step: int) -> None:
    steps = Steps(step, find_zone(zone))
    start = steps.start(minute(at))
    assert minute(at) - 2 * step < start <= minute(at)
    assert steps.text(minute(at))


@pytest.mark.parametrize(
    ("params", "named", "says"),
    [
        ([("tz", "europe/lisbon")], "tz", "did you mean Europe/Lisbon"),
        ([("tz", "Europe")], "tz", "name of a time zone"),
        ([("tz", "../../etc/passwd")], "tz", "name of a time zone"),
        ([("tz", "")], "tz", "name of a time zone"),
        ([("tz", "UTC"), ("from", "2026-02-30")], "from", "no date"),
        ([("from", "2026-02-28")], "from", "RFC 3339"),
    ],
)
def test_wrong_zones_and_dates_are_named(params: Any, named: str, says: str) -> None:
    with pytest.raises(ParameterError, match=says) as caught:
        parse_view_query(GMV, params)
    assert caught.value.parameter == named


def test_entities_have_no_steps_in_any_zone() -> None:
    with pytest.raises(ParameterError, match="has no steps"):
        parse_view_query(PAYOUTS, [("tz", "UTC")])
