"""What is put to which target, of records that were there before and of those that come."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

from aiokafka import TopicPartition

from agents.notify.announcer import Mark, Source
from streams.roles.notify.bulletin import Bulletin
from streams.roles.notify.delivery import Delivery
from streams.roles.notify.positions import Position
from streams.roles.notify.targets import Target
from tables.gates.acks import Ack, encode_ack
from tables.gates.alarms import encode_alarm
from tests.support.alarms import alarm

HOUR = 3_600_000
NOW = 1_772_366_400_000
TP = {source: TopicPartition(source.value, 0) for source in Source}


def delivery(name: str, remind_ms: int = 0) -> Delivery:
    """One that posts nothing: what it is given waits."""
    target = Target(
        name=name, kind="slack", url=lambda: "", secret=lambda: None, severities=("critical",),
        subjects=("*",), scope=None, remind_ms=remind_ms,
    )  # fmt: skip
    return Delivery(target, 3600.0)


def waiting(one: Delivery) -> list[tuple[str, str]]:
    return [(pending.notice.change.value, pending.notice.alarm.alarm_id) for pending in one._pending]


def records(*alarms: tuple[str, str], first: int = 0, at_ms: int = NOW) -> list[Any]:
    made = []
    for offset, (alarm_id, state) in enumerate(alarms, first):
        key, value = encode_alarm(alarm(alarm_id, state, subject=f"of/{alarm_id}", at_ms=at_ms))
        made.append(SimpleNamespace(offset=offset, timestamp=at_ms, key=key, value=value))
    return made


BEFORE = records(("old", "raised"), ("old", "cleared"), ("a", "raised"), ("b", "raised"), ("b", "cleared"))


def begun(*deliveries: Delivery, known: dict[str, Position] | None = None, now_ms: int = NOW) -> Bulletin:
    bulletin = Bulletin(deliveries, known or {})
    bulletin.take(Source.ALARMS, TP[Source.ALARMS], BEFORE)
    bulletin.begin(now_ms)
    return bulletin


def test_a_new_target_is_told_of_what_is_open_and_of_what_comes() -> None:
    ops = delivery("ops")
    bulletin = begun(ops)
    assert waiting(ops) == [("raised", "a")]
    bulletin.take(Source.ALARMS, TP[Source.ALARMS], records(("a", "cleared"), ("c", "raised"), first=5))
    assert waiting(ops) == [("raised", "a"), ("cleared", "a"), ("raised", "c")]
    (position,) = bulletin.positions().values()
    assert position.ends[Source.ALARMS] == 7
    assert position.undone == {Mark(Source.ALARMS, offset) for offset in (2, 5, 6)}


def test_a_known_target_is_told_of_what_it_has_not_been_told() -> None:
    ops, slow = delivery("ops"), delivery("slow")
    ends = {Source.ALARMS: 5, Source.ACKS: 0}
    known = {
        "ops": Position(ends),
        "slow": Position(ends, frozenset({Mark(Source.ALARMS, 0), Mark(Source.ALARMS, 4)})),
    }
    begun(ops, slow, known=known)
    assert waiting(ops) == []
    assert waiting(slow) == [("raised", "old"), ("cleared", "b")]


def test_what_is_known_of_other_topics_counts_for_nothing() -> None:
    ops = delivery("ops")
    begun(ops, known={"ops": Position({Source.ALARMS: 6, Source.ACKS: 0})})
    assert waiting(ops) == [("raised", "a")], "they have been made anew since"


def test_reminders_come_on_time_and_end_when_somebody_takes_it_on() -> None:
    ops, quiet = delivery("ops", 4 * HOUR), delivery("quiet")
    bulletin = begun(ops, quiet, now_ms=NOW + 9 * HOUR)
    assert waiting(ops) == [("raised", "a")], "the reminders of before are not made up for"
    for hours in (9, 11, 12, 13, 16):
        bulletin.pass_time(NOW + hours * HOUR)
    assert waiting(ops)[1:] == [("reminded", "a")] * 2
    key, value = encode_ack(Ack(alarm_id="a", by="ada", at="2026-03-02T12:00:00Z", reason="on it"))
    ack = SimpleNamespace(offset=0, timestamp=NOW, key=key, value=value)
    bulletin.take(Source.ACKS, TP[Source.ACKS], [ack])
    bulletin.pass_time(NOW + 40 * HOUR)
    assert waiting(ops)[3:] == [("acknowledged", "a")]
    assert waiting(quiet) == [("raised", "a"), ("acknowledged", "a")]


def test_what_is_no_alarm_is_passed_over() -> None:
    ops = delivery("ops")
    bulletin = begun(ops)
    odd = [
        SimpleNamespace(offset=5 + n, timestamp=NOW, key=b"k", value=v) for n, v in enumerate((b"{", None))
    ]
    bulletin.take(Source.ALARMS, TP[Source.ALARMS], odd)
    assert waiting(ops) == [("raised", "a")]
    assert bulletin.positions()["ops"].ends[Source.ALARMS] == 7
