"""The peers' own judge gives our verdict on everything that the workloads contain, and on examples."""

from __future__ import annotations

from random import Random

import msgspec
import pytest

from schemas.catalogue import EVENTS
from schemas.spec import MISSING
from schemas.validation.reasons import Quarantined
from schemas.validation.validator import Validator
from streams.sources.market.bad import WEIGHTS, spoil
from tests.bench.peers.contestants.decoding import plain_decoder
from tests.bench.peers.contestants.judging import instant_us, judge_of
from tests.bench.workloads import WORKLOADS
from tests.support.paths import ROOT

SCHEMAS = ROOT / "schemas/json"
judge = judge_of(SCHEMAS)
NOW_MS = 1_773_000_000_000
ENVELOPE = {
    "event_id": "evt-1",
    "version": 1,
    "occurred_at": "2026-03-08T20:00:00Z",
    "source": "test",
    "city": "oslo",
}


@pytest.mark.parametrize("name", WORKLOADS)
def test_of_a_workload_exactly_the_bad_ones_are_refused(name: str) -> None:
    workload = WORKLOADS[name]
    for number, record in enumerate(workload.events(20_000), 1):
        is_bad = isinstance(judge(record.value, record.at_us // 1000), str)
        assert is_bad == (number % workload.bad_every == 0), record.value


@pytest.mark.parametrize("name", EVENTS)
def test_examples_are_taken_and_counter_examples_refused(name: str) -> None:
    spec = EVENTS[name]
    for example in spec.examples:
        assert not isinstance(
            judge(msgspec.json.encode({**ENVELOPE, "event": name, "payload": example}), NOW_MS), str
        )
        for patch, _ in spec.counter_examples:
            payload = {
                member: value for member, value in {**example, **patch}.items() if value is not MISSING
            }
            value = msgspec.json.encode({**ENVELOPE, "event": name, "payload": payload})
            assert isinstance(judge(value, NOW_MS), str), value


def test_every_reason_is_refused() -> None:
    draw = Random(7).random
    good = msgspec.json.encode(
        {**ENVELOPE, "event": "payout.paid", "payload": EVENTS["payout.paid"].examples[0]}
    )
    for reason in WEIGHTS:
        for _ in range(50):
            bad, _ = spoil(reason, good, draw, 65_536)
            assert isinstance(judge(bad, NOW_MS), str), (reason, bad)


@pytest.mark.parametrize(
    "at",
    [
        "2026-03-08T20:00:00Z",
        "2026-03-08t20:00:00.123456789z",
        "2026-03-08T23:59:59.999+05:30",
        "2026-03-08T20:00:60Z",
        "2026-03-08 20:00:00Z",
        "2026-02-29T20:00:00Z",
        "2024-02-29T20:00:00Z",
        "2026-03-08T20:00:00+0100",
        "2026-03-08T24:00:00Z",
        "2026-03-08T20:00:00+24:00",
        "2026-03-08T20:00:00",
        "2026-03-08T20:00:00.Z",
        "0001-01-01T00:00:00+00:01",
        "2026-03-08T20:00:00-00:00",
        "9999-12-31T23:59:59Z",
        "2026-03-08T20:04:59.999+00:00",
    ],
)
@pytest.mark.parametrize("ahead_ms", [-300_000, -300_001, 0])
def test_times_are_judged_as_we_judge_them(at: str, ahead_ms: int) -> None:
    payload = EVENTS["payout.paid"].examples[0]
    value = msgspec.json.encode({**ENVELOPE, "event": "payout.paid", "occurred_at": at, "payload": payload})
    at_us = instant_us(at)
    timestamp_ms = (NOW_MS if at_us is None else at_us // 1000) + ahead_ms
    ours = Validator().validate(value, timestamp_ms)
    for _ in range(2):  # the second time the minute is known
        theirs = judge(value, timestamp_ms)
        assert isinstance(theirs, str) == isinstance(ours, Quarantined)
        if isinstance(theirs, tuple) and not isinstance(ours, Quarantined):
            assert theirs[0] == ("payout.paid", "oslo", "EUR", int(ours.occurred_at.timestamp() // 60))


def test_bytes_that_are_not_utf8_are_refused_in_ignored_members_too() -> None:
    good = msgspec.json.encode(
        {**ENVELOPE, "event": "payout.paid", "payload": EVENTS["payout.paid"].examples[0]}
    )
    assert isinstance(judge(good[:-1] + b',"note":"\xff"}', NOW_MS), str)
    assert not isinstance(judge(good[:-1] + ',"note":"ø"}'.encode(), NOW_MS), str)


def test_the_limits_decode_every_example() -> None:
    decoder = plain_decoder(SCHEMAS)
    for name, spec in EVENTS.items():
        for example in spec.examples:
            event = decoder.decode(msgspec.json.encode({**ENVELOPE, "event": name, "payload": example}))
            assert event.event_id == "evt-1"
