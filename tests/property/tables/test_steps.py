"""Local days and hours are those that a calendar shows, whatever the zone does with its clock."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from hypothesis import example, given
from hypothesis import strategies as st

from tables.query.steps import Steps, find_zone
from tests.support.examples import examples

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
ZONES = ["Europe/Lisbon", "America/Havana", "Africa/Cairo", "Asia/Kolkata", "America/St_Johns", "UTC"]
minutes = st.integers(0, 366 * 1440).map(lambda since: 29_000_000 + since)  # from February 2025 on


def shown(zone: str, minute: int) -> datetime:
    return (EPOCH + timedelta(minutes=minute)).astimezone(find_zone(zone))


@examples(200)
@given(st.sampled_from(ZONES), minutes)
@example("America/Havana", 29_367_210)  # 2025-11-02, half past midnight, the second time
def test_a_day_begins_at_its_first_minute(zone: str, minute: int) -> None:
    date = shown(zone, minute).date()
    first = next(at for at in range(minute - 26 * 60, minute + 1) if shown(zone, at).date() == date)
    assert Steps(1440, find_zone(zone)).start(minute) == first


@examples(200)
@given(st.sampled_from(ZONES), minutes)
def test_an_hour_begins_at_its_full_minute_and_lasts_an_hour(zone: str, minute: int) -> None:
    first = next(at for at in range(minute, minute - 60, -1) if shown(zone, at).minute == 0)
    assert Steps(60, find_zone(zone)).start(minute) == first
