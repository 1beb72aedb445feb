"""Alarms from their records."""

from __future__ import annotations

from typing import Literal

import msgspec
import pytest

from tables.gates import alarm_log
from tables.gates.acks import Ack
from tables.gates.alarm_log import AlarmLog, AlarmSeen
from tables.gates.alarms import Alarm, decode_alarm, encode_alarm

FIRST, SECOND = "2026-03-01T12:01:00.5Z", "2026-03-01T12:05:00Z"
"""Later than the alarm of the first minute, which has no fraction."""


def alarm(number: int, state: Literal["raised", "cleared"] = "raised", at: str | None = None) -> Alarm:
    return Alarm(
        alarm_id=f"a{number}", code="QUALITY_CHECK_FAILED", severity="critical", subject="recon/london|GBP",
        state=state, at=at or f"2026-03-01T12:{number:02d}:00Z", detail="why",
    )  # fmt: skip


def shown(log: AlarmLog) -> list[tuple[str, bool]]:
    return [(seen.raised.alarm_id, seen.cleared is None) for seen in log.newest_first(lambda _: True)]


def test_open_ones_come_first_then_the_newest() -> None:
    log = AlarmLog()
    for one in (alarm(1), alarm(2), alarm(3), alarm(4), alarm(3, "cleared"), alarm(4, "cleared")):
        log.take(one)
    assert shown(log) == [("a2", True), ("a1", True), ("a4", False), ("a3", False)]


def test_what_is_repeated_keeps_its_first_time_and_may_be_raised_again() -> None:
    log = AlarmLog()
    again = alarm(1, at="2026-03-01T13:00:00Z")
    for one in (alarm(1), again):
        log.take(one)
    assert list(log.newest_first(lambda _: True)) == [AlarmSeen(alarm(1), None)]
    cleared = alarm(1, "cleared", "2026-03-01T14:00:00Z")
    for one in (cleared, cleared):
        log.take(one)
    assert list(log.newest_first(lambda _: True)) == [AlarmSeen(alarm(1), cleared)]
    log.take(again)
    assert shown(log) == [("a1", True), ("a1", False)]


def test_a_clearing_whose_raising_is_no_longer_kept_is_shown() -> None:
    log = AlarmLog()
    log.take(alarm(1, "cleared"))
    assert shown(log) == [("a1", False)]


def test_the_oldest_cleared_ones_go_and_no_open_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(alarm_log, "MOST_CLEARED", 2)
    log = AlarmLog()
    for number in range(5):
        log.take(alarm(number))
    for number in range(3):
        log.take(alarm(number, "cleared"))
    assert shown(log) == [("a4", True), ("a3", True), ("a2", False), ("a1", False)]


@pytest.mark.parametrize(
    "value", [None, b"", b"{}", b"[]", b"\xff", msgspec.json.encode(alarm(1)).replace(b"2026-", b"soon-")]
)
def test_what_is_no_alarm_is_none(value: bytes | None) -> None:
    assert decode_alarm(value) is None


def test_an_alarm_comes_back_as_it_was_written() -> None:
    _, value = encode_alarm(alarm(1))
    assert decode_alarm(value) == alarm(1)


def test_who_has_taken_an_alarm_on_counts_for_what_was_open_then() -> None:
    log = AlarmLog()
    first, second = (Ack(alarm_id="a1", by="ada", at=at, reason="x") for at in (FIRST, SECOND))
    log.take(alarm(1))
    log.take_ack("a1", first)
    found = log.open("a1")
    assert found == AlarmSeen(alarm(1), None, first)
    log.take(alarm(1, "cleared", "2026-03-01T12:03:00Z"))
    assert log.open("a1") is None
    assert [one.ack for one in log.newest_first(lambda _: True)] == [first]
    log.take(alarm(1, at="2026-03-01T12:04:00Z"))
    assert [one.ack for one in log.newest_first(lambda _: True)] == [None, first], "it is another one"
    log.take_ack("a1", second)
    assert [one.ack for one in log.newest_first(lambda _: True)] == [second, None]
    log.take_ack("a1", None)
    assert [one.ack for one in log.newest_first(lambda _: True)] == [None, None]
