"""Scenarios: each changes what it names, while it lasts, and nothing before."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime
from functools import cache
from typing import Any, NamedTuple

import msgspec
import pytest

from schemas.validation.validator import Validator
from streams.sources.market import Faults, Market, Record, choose_scenarios
from streams.sources.market.scenarios import SCENARIOS, Scenario

START = datetime(2026, 3, 1, 12, tzinfo=UTC)
FROM_S, UNTIL_S, END_S = 60.0, 90.0, 200.0
WINDOW = f"@{FROM_S:g}s-{UNTIL_S:g}s"


class Run(NamedTuple):
    market: Market
    records: list[Record]
    verdicts: dict[int, str]
    """Of the bad records, by index: the reason."""
    events: list[tuple[float, str, dict[str, Any]]]
    """Of the good ones: (seconds from the start to the sending, name, envelope)."""

    def since(self, index: int) -> float:
        return (self.records[index].at_us - self.market.start_us) / 1e6


@cache
def run(*scenarios: str) -> Run:
    faults = Faults(scenarios=choose_scenarios(scenarios))
    market = Market(3, START, rate=400.0, flat=True, faults=faults)
    records = market.advance(10**9, market.start_us + int(END_S * 1e6))
    judged = Validator().decode_batch([r.value for r in records], [r.at_us // 1_000 for r in records])
    verdicts = {index: verdict.reason.value for index, verdict in judged.bad}
    events = []
    for index, record in enumerate(records):
        if index not in verdicts:
            event = msgspec.json.decode(record.value or b"{}")
            events.append(((record.at_us - market.start_us) / 1e6, event["event"], event))
    return Run(market, records, verdicts, events)


def times(found: Run, name: str) -> list[float]:
    return [at for at, event, _ in found.events if event == name]


def during(at: float) -> bool:
    return FROM_S <= at < UNTIL_S


@pytest.mark.parametrize("name", SCENARIOS)
def test_until_it_begins_nothing_is_different_and_from_then_on_something_is(name: str) -> None:
    usual, unusual = run(), run(name + WINDOW)
    before = [record for record in usual.records if record.at_us < usual.market.start_us + FROM_S * 1e6]
    assert unusual.records[: len(before)] == before
    assert unusual.records != usual.records
    again = Market(3, START, rate=400.0, flat=True, faults=unusual.market.faults)
    assert again.advance(30_000) == unusual.records[:30_000]


def leaking(found: Run) -> list[tuple[float, bool]]:
    """(seconds, whether it is 1.5 times its charge) of each payout.initiated."""
    charges: dict[str, int] = {}
    payouts = []
    for at, name, event in found.events:
        payload = event["payload"]
        if name == "charge.succeeded":
            charges[payload["booking_id"]] = payload["amount_minor"]
        elif name == "payout.initiated":
            payouts.append((at, payload["amount_minor"] == charges[payload["booking_id"]] * 3 // 2))
    return payouts


def test_a_recon_leak_is_half_as_much_again_while_it_lasts() -> None:
    payouts = leaking(run(f"recon-leak{WINDOW}"))
    within = [leaks for at, leaks in payouts if FROM_S + 1 <= at < UNTIL_S]
    assert sum(within) / len(within) > 0.9  # not of those that are cancelled
    # A payout that failed is tried again with its amount.
    assert sum(leaks for at, leaks in payouts if not during(at)) <= 5
    assert not any(leaks for at, leaks in payouts if at < FROM_S or at > UNTIL_S + 30)


def test_payouts_that_stall_are_initiated_and_not_paid_while_it_lasts() -> None:
    stalled, usual = run(f"payout-stall{WINDOW}"), run()
    assert sum(map(during, times(stalled, "payout.initiated"))) > 50
    for name in ("payout.paid", "payout.failed"):
        assert not any(map(during, times(stalled, name)))
    assert sum(map(during, times(usual, "payout.paid"))) > 50
    assert len(times(stalled, "payout.paid")) == pytest.approx(len(times(usual, "payout.paid")), rel=0.1)


def test_a_schema_break_is_one_producers_field_of_the_wrong_type() -> None:
    broken = run(f"schema-break{WINDOW}")
    assert set(broken.verdicts.values()) == {"payload_field"}
    assert broken.market.bad == {"payload_field": len(broken.verdicts)}
    for index in broken.verdicts:
        assert during(broken.since(index))
        event = msgspec.json.decode(broken.records[index].value or b"")
        assert event["source"] == "ios/5.9.2"
        assert isinstance(event["payload"]["position"], str)
    # None of that producer's is as it was, and the others' are.
    positions = [e["source"] for at, _, e in broken.events if "position" in e["payload"] and during(at)]
    assert set(positions) == {"web/5.12.0", "android/5.10.1"}


def test_half_the_events_of_a_flood_come_late() -> None:
    flood = run(f"late-flood{WINDOW}")
    late = total = 0
    for at, _, event in flood.events:
        happened = (datetime.fromisoformat(event["occurred_at"]) - START).total_seconds()
        if at - happened > 1:
            assert during(happened)
            late += 1
        total += during(happened)
    assert late / total == pytest.approx(0.5, abs=0.05)
    assert flood.market.late == pytest.approx(late, rel=0.1)  # some are still held back
    assert flood.verdicts == {}


def test_a_third_of_the_charges_of_a_wave_are_disputed() -> None:
    wave = run(f"dispute-wave{WINDOW}")
    disputed = {e["payload"]["charge_id"] for _, name, e in wave.events if name == "dispute.opened"}
    charged = [(at, e["payload"]["charge_id"]) for at, name, e in wave.events if name == "charge.succeeded"]
    within = [charge in disputed for at, charge in charged if FROM_S + 1 <= at < UNTIL_S - 1]
    outside = [charge in disputed for at, charge in charged if not FROM_S - 1 <= at < UNTIL_S]
    assert sum(within) / len(within) == pytest.approx(SCENARIOS["dispute-wave"].share, abs=0.12)
    assert sum(outside) / len(outside) < 0.04


def test_a_bad_producer_sends_bad_records_of_all_reasons() -> None:
    found = run(f"bad-producer{WINDOW}")
    assert all(during(found.since(index)) for index in found.verdicts)
    assert Counter(found.verdicts.values()) == found.market.bad
    assert len(found.market.bad) >= 9  # some are rare
    good = Counter(e["source"] for at, _, e in found.events if during(at))
    assert len(found.verdicts) == good["messaging-service"]
    sources = set()
    for index in found.verdicts:
        try:
            sources.add(msgspec.json.decode(found.records[index].value or b"", type=dict).get("source"))
        except msgspec.DecodeError:
            continue
    assert sources <= {"messaging-service", ""}
    assert len(found.events) == len(run().events)


def test_several_last_side_by_side() -> None:
    both = run(f"recon-leak{WINDOW},bad-producer@20-50")
    assert any(leaks for _, leaks in leaking(both))
    assert all(20 <= both.since(index) < 50 for index in both.verdicts)
    assert both.verdicts


def test_scenarios_by_name_and_time() -> None:
    assert choose_scenarios([]) == ()
    assert choose_scenarios(["recon-leak, late-flood"]) == choose_scenarios(["recon-leak", "late-flood"])
    (timed,) = choose_scenarios(["late-flood@1.5s-20"])
    assert (timed.name, timed.from_s, timed.until_s) == ("late-flood", 1.5, 20.0)
    assert choose_scenarios(["late-flood"]) == (SCENARIOS["late-flood"],)
    assert set(SCENARIOS) == {
        *("recon-leak", "payout-stall", "schema-break", "late-flood", "dispute-wave", "bad-producer")
    }


@pytest.mark.parametrize("text", ["earthquake", "", "recon-leak,", "Recon-Leak", "@1s-2s"])
def test_a_wrong_name_lists_the_names(text: str) -> None:
    with pytest.raises(ValueError, match=r"recon-leak, payout-stall, .*, bad-producer"):
        choose_scenarios([text])


@pytest.mark.parametrize(
    "text", ["recon-leak@", "recon-leak@60", "recon-leak@90s-60s", "recon-leak@60-60", "recon-leak@a-b"]
)
def test_a_wrong_time_is_said(text: str) -> None:
    with pytest.raises(ValueError, match="recon-leak"):
        choose_scenarios([text])


def test_a_scenario_is_not_named_twice() -> None:
    with pytest.raises(ValueError, match="recon-leak is named twice"):
        choose_scenarios(["recon-leak", "recon-leak@1-2"])


def test_a_scenario_ends_after_it_begins() -> None:
    with pytest.raises(ValueError, match=r"^x must end"):
        Scenario(name="x", text="", from_s=5, until_s=float("nan"))
