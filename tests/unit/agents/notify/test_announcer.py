"""What people are told of: once, again after it was cleared, and not of what comes and goes all the time."""

from __future__ import annotations

from agents.notify.announcer import FLAP_MS, MOST_RAISES, Announcer, Change, Mark, Notice, Source
from schemas.times import format_time
from tables.gates.acks import Ack
from tests.support.alarms import alarm

MINUTE = 60_000


class Told:
    """An announcer that is given records a minute apart, if not told otherwise."""

    def __init__(self) -> None:
        self.announcer = Announcer()
        self.offset = 0
        self.now = 10**12

    def alarm(self, alarm_id: str, state: str = "raised", *, after: int = MINUTE, **facts: str) -> str | None:
        self.now += after
        record = alarm(alarm_id, state, at_ms=self.now, **facts)
        assert not self.announcer.release(self.now)
        notice = self.announcer.take_alarm(self.offset, self.now, record)
        self.offset += 1
        return None if notice is None else change(notice)

    def ack(self, alarm_id: str) -> str | None:
        at = format_time(self.now * 1000)
        notice = self.announcer.take_ack(0, Ack(alarm_id=alarm_id, by="ada", at=at, reason="on it"))
        return None if notice is None else change(notice)


def change(notice: Notice) -> str:
    return notice.change + (" and flaps" if notice.flaps else "")


def test_an_open_alarm_is_told_once_and_so_is_its_end() -> None:
    told = Told()
    states = ["raised", "raised", "cleared", "cleared", "raised", "cleared"]
    assert [told.alarm("a", state) for state in states] == [
        "raised", None, "cleared", None, "raised", "cleared",
    ]  # fmt: skip


def test_the_end_of_one_whose_raise_is_no_longer_kept_is_told() -> None:
    told = Told()
    assert [told.alarm("a", "cleared"), told.alarm("a", "cleared")] == ["cleared", None]


def test_what_comes_and_goes_is_held_back_until_it_stays() -> None:
    told = Told()
    first = told.now + MINUTE
    seen = [told.alarm(f"gate/{n}", state) for n in range(5) for state in ("raised", "cleared")]
    assert seen == ["raised", "cleared"] * 2 + ["raised and flaps", "cleared"] + [None] * 4
    assert told.alarm("gate/5") is None
    assert told.announcer.held == 3
    assert told.announcer.held_back() == [Mark(Source.ALARMS, 10)]
    assert told.alarm("another", subject="events.raw-0") == "raised"

    assert told.announcer.release(first + FLAP_MS - 1) == []
    (late,) = told.announcer.release(first + FLAP_MS)
    assert (late.change, late.alarm.alarm_id, late.mark) == (Change.RAISED, "gate/5", (Source.ALARMS, 10))
    assert told.announcer.held_back() == []
    assert told.announcer.release(first + FLAP_MS) == []
    assert told.alarm("gate/5", "cleared") == "cleared"


def test_records_read_again_are_told_alike() -> None:
    """Also what was held back at first, and told by the clock."""
    records = [(n, n * MINUTE, alarm(f"g/{n // 2}", "raised" if n % 2 == 0 else "cleared")) for n in range(9)]
    live, again = Announcer(), Announcer()
    told_live, told_again = [], []
    for offset, at_ms, record in records:
        told_live += [*live.release(at_ms), live.take_alarm(offset, at_ms, record)]
        told_again += [*again.release(at_ms), again.take_alarm(offset, at_ms, record)]
    now = 8 * MINUTE + FLAP_MS
    told_live += live.release(now)
    end = (9, now + MINUTE, alarm("g/4", "cleared"))
    told_live += [*live.release(end[1]), live.take_alarm(*end)]
    told_again += [*again.release(end[1]), again.take_alarm(*end)]
    assert told_live == told_again
    assert (
        sum(notice is not None and notice.change is Change.RAISED for notice in told_live) == MOST_RAISES + 1
    )


def test_who_takes_an_alarm_on_is_told_once_and_ends_the_reminders() -> None:
    told = Told()
    told.alarm("a")
    assert [one.alarm_id for one, _ in told.announcer.unanswered()] == ["a"]
    assert [told.ack("a"), told.ack("a"), told.ack("unknown")] == ["acknowledged", None, None]
    assert list(told.announcer.unanswered()) == []
    told.alarm("a", "cleared")
    told.alarm("a")
    assert [one.alarm_id for one, _ in told.announcer.unanswered()] == ["a"], (
        "raised again, it is another one"
    )


def test_one_that_was_taken_on_before_it_was_raised_again_is_open() -> None:
    told = Told()
    told.alarm("a")
    late = Ack(alarm_id="a", by="ada", at=format_time((told.now - MINUTE) * 1000), reason="of the former one")
    assert told.announcer.take_ack(1, late) is None
