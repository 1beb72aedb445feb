"""`is_open`, records of gates, and what their keeper publishes."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from agents.gates import evaluator
from agents.gates.alarms import AlarmCode
from agents.gates.evaluator import GateEvaluator, Publication
from schemas.times import format_time
from tables.gates.declared import RECON
from tables.gates.figures import Key, Reading, Row
from tables.gates.overrides import Decision, Override
from tables.gates.records import decode_gate, gate_key, is_open, split_key
from tables.gates.rule import GateState
from tests.support.recon_figures import WORDS, row, rule

NOW = datetime(2026, 3, 1, 12, 0, 0, tzinfo=UTC)
CODES = {
    GateState.ALARM: AlarmCode("QUALITY_CHECK_FAILED", "critical"),
    GateState.STALE: AlarmCode("LAG", "critical"),
}
LONDON: Key = ("london", "GBP")
GOOD, BAD = {LONDON: row(100_000, 100_000)}, {LONDON: row(100_000, 120_000)}
SECOND = 1_000_000
START = int(NOW.timestamp()) * SECOND


def record(**changes: Any) -> dict[str, Any]:
    valid_until = (NOW + timedelta(seconds=15)).isoformat()
    return {"gate": "recon", "state": "ok", "open": True, "valid_until": valid_until, **changes}


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (record(), True),
        (record(state="warn"), True),
        (json.dumps(record()), True),
        (json.dumps(record()).encode(), True),
        (record(valid_until="2026-03-01T12:00:00Z"), True),  # just not past it
        (record(valid_until="2026-03-01T11:59:59.999999Z"), False),
        (record(valid_until="2026-03-01T12:00:00+01:00"), False),
        (record(open=False), False),
        (record(open=1), False),
        (record(open="true"), False),
        (record(state="alarm"), False),  # contradicts itself
        (record(state="stale"), False),
        (record(state="other"), False),
        (record(state=["ok"]), False),
        (record(valid_until=None), False),
        (record(valid_until="2026-03-01T12:00:10"), False),  # without an offset
        (record(valid_until=1e12), False),
        ({}, False),
        (None, False),
        (b"", False),
        (b"\xff\xfe", False),
        ("null", False),
        ("[]", False),
        ("[" * 100_000, False),
    ],
)
def test_only_a_record_that_says_so_and_has_not_expired_opens(given: Any, expected: bool) -> None:
    assert is_open(given, NOW) is expected
    assert is_open(given, NOW.timestamp()) is expected


def test_a_time_without_a_zone_is_refused() -> None:
    with pytest.raises(ValueError, match="time zone"):
        is_open(record(), datetime(2026, 3, 1, 12, 0, 0))  # noqa: DTZ001


def test_keys() -> None:
    assert gate_key("london", "GBP") == b"london|GBP"
    assert gate_key(None, "GBP") == b"|GBP"


def reading(figures: dict[Key, Row] | None, stale: str | None = None) -> Reading:
    return Reading(figures, row(0, 0), START // 60 // SECOND - 1440, START // 60 // SECOND, stale)


def key_values(key: bytes) -> Key:
    found = split_key(key)
    assert found is not None
    return found[1]


class Clock:
    """Evaluates every half a second, and adds up what is published."""

    def __init__(self, keeper: GateEvaluator) -> None:
        self.keeper, self.now_us, self.gates, self.alarms = keeper, START, [], []  # type: ignore[var-annotated]
        self.overrides: dict[str, Override] = {}

    def turn(self, figures: dict[Key, Row] | None, times: int = 1, stale: str | None = None) -> Publication:
        for _ in range(times):
            last = self.keeper.evaluate(reading(figures, stale), self.now_us, self.overrides)
            self.gates += last.gates
            self.alarms += last.alarms
            self.now_us += SECOND // 2
        return last

    def states(self) -> list[str]:
        return [json.loads(value)["state"] if value else "ended" for _, value in self.gates]


def clock() -> Clock:
    return Clock(GateEvaluator(RECON, WORDS, rule(), CODES))


def test_a_gate_is_published_when_it_is_new_when_it_changes_and_every_five_seconds() -> None:
    it = clock()
    it.turn(GOOD, 10)
    assert len(it.gates) == 1
    it.turn(GOOD)
    assert len(it.gates) == 2
    assert it.turn(BAD, 3).gates[0][0] == b"london|GBP"
    assert it.states() == ["ok", "ok", "alarm"]


def test_a_record_says_all_there_is_to_say() -> None:
    it = clock()
    it.turn(BAD, 3)
    assert json.loads(it.gates[-1][1]) == {
        "gate": "recon", "city": "london", "currency": "GBP", "state": "alarm", "open": False,
        "previous": "ok", "since": "2026-03-01T12:00:01Z", "evaluated_at": "2026-03-01T12:00:01Z",
        "valid_until": "2026-03-01T12:00:16Z", "variance_minor": -20_000, "variance_ratio": 0.2,
        "charges_minor": 100_000, "window_from": "2026-02-28T12:00:00Z", "window_to": "2026-03-01T12:00:00Z",
        "reason": "variance is 20% of charges, above 5%", "warn_at": 0.02, "alarm_at": 0.05,
        "key": {"city": "london", "currency": "GBP"}, "measure": "variance_ratio", "value": 0.2,
        "override": None, "override_by": None, "override_reason": None, "override_at": None,
        "override_until": None, "override_even_stale": False,
    }  # fmt: skip


def test_an_alarm_has_one_id_from_its_raise_to_its_clear() -> None:
    it = clock()
    it.turn(BAD, 3)
    it.turn(GOOD, 10)
    it.turn(BAD, 3)
    raised, cleared, again = it.alarms
    assert (raised.state, cleared.state, again.state) == ("raised", "cleared", "raised")
    assert raised.alarm_id == cleared.alarm_id != again.alarm_id
    assert raised.subject == "recon/london|GBP"
    assert "variance is 20% of charges" in raised.detail


def test_a_gate_that_goes_stale_clears_one_alarm_and_raises_the_other() -> None:
    it = clock()
    it.turn(BAD, 3)
    it.turn(BAD, stale="events.raw-1: nobody reports")
    assert [(alarm.code, alarm.state) for alarm in it.alarms[1:]] == [
        ("QUALITY_CHECK_FAILED", "cleared"), ("LAG", "raised"),
    ]  # fmt: skip
    assert "events.raw-1" in it.alarms[-1].detail


def test_the_next_keeper_goes_on_where_the_records_end() -> None:
    it = clock()
    it.turn(BAD, 3)
    it.turn(GOOD)
    following = Clock(GateEvaluator(RECON, WORDS, rule(), CODES))
    for key, value in it.gates:
        following.keeper.restore(key_values(key), value)
    following.now_us = it.now_us
    following.turn(GOOD, 10)  # the count begins anew: ten more
    assert following.states()[-1] == "ok"
    assert [alarm.state for alarm in following.alarms] == ["cleared"]
    assert following.alarms[0].alarm_id == it.alarms[0].alarm_id


def test_the_next_keeper_knows_what_a_stale_gate_was() -> None:
    it = clock()
    it.turn(BAD, 3)
    it.turn(BAD, stale="why")
    following = Clock(GateEvaluator(RECON, WORDS, rule(), CODES))
    for key, value in it.gates:
        following.keeper.restore(key_values(key), value)
    following.turn({}, 10)  # held
    assert following.states() == ["stale", "alarm"]


@pytest.mark.parametrize("value", [b"", b"{}", b"\xff", b'{"gate":"recon"}'])
def test_a_gate_whose_record_cannot_be_read_begins_closed(value: bytes) -> None:
    it = clock()
    it.keeper.restore(LONDON, value)
    it.turn(GOOD, 9)
    assert set(it.states()) == {"stale"}
    it.turn(GOOD)
    assert it.states()[-1] == "ok"


def test_a_record_under_another_gates_key_is_not_taken_for_it() -> None:
    it = clock()
    it.turn(GOOD)
    it.keeper.restore(("paris", "GBP"), it.gates[0][1])
    it.turn(GOOD)
    assert json.loads(dict(it.gates)[b"paris|GBP"])["state"] == "stale"


def test_an_unread_feed_closes_all_gates_and_leaves_their_figures() -> None:
    it = clock()
    it.turn(BAD)
    it.turn(None, stale="the feed has not been read to its end")
    last = json.loads(it.gates[-1][1])
    assert (last["state"], last["charges_minor"], last["variance_minor"]) == ("stale", 100_000, -20_000)


def test_a_gate_without_events_goes_on_until_its_panes_are_gone() -> None:
    it = clock()
    it.turn(BAD, 3)
    it.turn({}, 100)
    assert it.states()[-1] == "alarm"
    assert it.keeper.end_gates({LONDON}, it.now_us) == Publication([], [])
    ended = it.keeper.end_gates(set(), it.now_us)
    assert ended.gates == [(b"london|GBP", None)]
    assert [alarm.state for alarm in ended.alarms] == ["cleared"]
    assert it.keeper.evaluate(reading({}), it.now_us).gates == []


def test_what_is_measured() -> None:
    it = clock()
    figures = {
        LONDON: row(100_000, 120_000),
        ("paris", "EUR"): row(1, 1),
        (None, "GBP"): row(1, 1),
    }
    it.turn(figures, 3)
    assert it.keeper.counts() == {GateState.OK: 2, GateState.WARN: 0, GateState.ALARM: 1, GateState.STALE: 0}
    assert it.keeper.worst() == {"GBP": GateState.ALARM, "EUR": GateState.OK}


def test_a_record_that_is_none() -> None:
    assert decode_gate(None) is None
    assert decode_gate(b"[]") is None


def override(decision: str, seconds: float = 3600, *, at: int = START, even_stale: bool = False) -> Override:
    return Override(
        subject="recon/london|GBP", decision=Decision(decision), by="olga", reason="we know",
        at=format_time(at), until=format_time(at + int(seconds * SECOND)), even_stale=even_stale,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("decision", "even_stale", "given", "stale", "opens"),
    [
        ("open", False, BAD, None, True),
        ("open", False, GOOD, None, True),
        ("open", False, GOOD, "nobody reports", False),
        ("open", True, GOOD, "nobody reports", True),
        ("closed", False, GOOD, None, False),
        ("closed", False, BAD, None, False),
        ("closed", True, GOOD, "nobody reports", False),
        ("none", False, GOOD, None, True),
        ("none", False, BAD, None, False),
    ],
)
def test_what_a_person_has_decided_counts(
    decision: str, even_stale: bool, given: dict[Key, Row], stale: str | None, opens: bool
) -> None:
    it = clock()
    it.overrides = {"recon/london|GBP": override(decision, even_stale=even_stale)}
    it.turn(given, 3, stale=stale)
    value = it.gates[-1][1]
    now = (it.now_us - SECOND // 2) / SECOND
    assert is_open(value, now) is opens
    assert json.loads(value)["open"] is opens
    assert is_open(value, now + 16) is False
    told = [alarm for alarm in it.alarms if alarm.alarm_id.startswith("override/")]
    assert [alarm.state for alarm in told] == ([] if decision == "none" else ["raised"])


def test_a_decision_ends_by_itself_and_lets_nothing_pass_after_that() -> None:
    it = clock()
    it.turn(BAD, 3)
    it.overrides = {"recon/london|GBP": override("open", 4)}
    it.turn(BAD)
    opened = it.gates[-1][1]
    assert json.loads(opened)["valid_until"] == "2026-03-01T12:00:04Z", "for those who know of no overrides"
    assert [is_open(opened, START / SECOND + after) for after in (1.5, 4, 4.1)] == [True, True, False]
    it.turn(BAD, 10)
    assert json.loads(it.gates[-1][1])["override"] is None
    assert [alarm.state for alarm in it.alarms if "override" in alarm.alarm_id] == ["raised", "cleared"]


def test_the_next_keeper_tells_of_a_decision_once() -> None:
    it = clock()
    it.overrides = {"recon/london|GBP": override("closed")}
    it.turn(GOOD)
    following = Clock(GateEvaluator(RECON, WORDS, rule(), CODES))
    following.overrides = it.overrides
    for key, value in it.gates:
        following.keeper.restore(key_values(key), value)
    following.turn(GOOD, 3)
    assert following.alarms == []
    following.overrides = {}
    following.turn(GOOD)
    assert [(alarm.alarm_id, alarm.state) for alarm in following.alarms] == [
        (it.alarms[0].alarm_id, "cleared")
    ]


def test_there_are_not_more_gates_than_may_be(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(evaluator, "MOST_GATES", 2)
    it = clock()
    it.turn({(f"city-{number}", "GBP"): row(1, 1) for number in range(5)})
    assert (len(it.gates), it.keeper.refused) == (2, 3)
