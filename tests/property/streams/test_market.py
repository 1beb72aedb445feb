"""Whatever the seed: the simulated lifecycles hang together, and their money adds up."""

from __future__ import annotations

from collections import defaultdict
from datetime import UTC, datetime
from typing import Any

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from streams.sources.market import Faults, Market, choose_cities
from tests.support.examples import examples

START = datetime(2026, 3, 1, 12, tzinfo=UTC)
SECONDS = 600
LONG_OVER_S = 300  # by then every payment has come to its end

BOOKING_AFTER: dict[str, set[str | None]] = {
    "booking.requested": {None},
    "booking.accepted": {"booking.requested"},
    "booking.declined": {"booking.requested"},
    "booking.expired": {"booking.requested"},
    "booking.confirmed": {"booking.accepted"},
    "booking.cancelled": {"booking.accepted", "booking.confirmed"},
}
PAYOUT_AFTER: dict[str, set[str | None]] = {
    "payout.initiated": {None},
    "payout.paid": {"payout.initiated"},
    "payout.failed": {"payout.initiated"},
    "payout.canceled": {"payout.initiated"},
}
DISPUTE_AFTER: dict[str, set[str | None]] = {
    "dispute.opened": {None},
    "dispute.responded": {"dispute.opened"},
    "dispute.resolved": {"dispute.opened", "dispute.responded"},
}
VISIT_AFTER: dict[str, set[str | None]] = {
    "search.impression": {None, "search.impression", "search.click", "profile.view"},
    "search.click": {"search.impression"},
    "profile.view": {"search.click"},
    "checkout.start": {"profile.view"},
}


def opened_by(first: str, *following: str) -> dict[str, set[str | None]]:
    """One event opens it, and one of the others may end it."""
    return {first: {None}, **{name: {first} for name in following}}


IDV_AFTER = opened_by("idv.started", "idv.passed", "idv.failed")
BG_AFTER = opened_by("bg.started", "bg.passed", "bg.failed")
QUOTE_AFTER = opened_by("quote.requested", "quote.accepted", "quote.declined", "quote.expired")
MESSAGE_AFTER: dict[str, set[str | None]] = {
    **opened_by("message.sent", "message.delivered", "message.bounced"),
    "message.complained": {"message.delivered"},
    "message.opted_out": {"message.delivered"},
}
CHAINS = (
    ("check_id", IDV_AFTER),
    ("check_id", BG_AFTER),
    ("quote_id", QUOTE_AFTER),
    ("message_id", MESSAGE_AFTER),
    ("booking_id", BOOKING_AFTER),
    ("payout_id", PAYOUT_AFTER),
    ("dispute_id", DISPUTE_AFTER),
    ("session_id", VISIT_AFTER),
)

Events = list[tuple[float, str, dict[str, Any]]]
"""(seconds since the start, name, payload plus the envelope's city), in the order of sending."""


def simulated(seed: int, cities: str, seconds: int = SECONDS, **faults: Any) -> Events:
    market = Market(seed, START, choose_cities(cities), rate=20.0, flat=True, faults=Faults(**faults))
    found: Events = []
    for record in market.advance(10**9, market.start_us + seconds * 1_000_000):
        event = msgspec.json.decode(record.value or b"{}")
        since = (record.at_us - market.start_us) / 1e6
        found.append((since, event["event"], {**event["payload"], "city": event["city"]}))
    return found


seeds = st.integers(-(2**63), 2**63)
cities = st.sampled_from(["1", "12", "lima,tokyo,paris"])
few = examples(12, chaos=240)  # each is a market of its own


def each_step_follows_one_that_it_can_follow(events: Events) -> None:
    last: dict[str, str] = {}
    place: dict[str, Any] = {}
    for _, name, payload in events:
        for id_field, after in CHAINS:
            if name in after:
                entity = payload[id_field]
                assert last.get(entity) in after[name], (name, last.get(entity))
                assert place.setdefault(entity, payload["city"]) == payload["city"]
                last[entity] = name


def what_refers_to_something_refers_to_what_was_there_before(events: Events) -> None:
    seen: dict[str, dict[str, Any]] = {}
    checkouts = set()
    for _, name, payload in events:
        match name:
            case "search.click":
                shown = seen["shown", payload["session_id"]]  # type: ignore[index]
                assert payload == shown
            case "search.impression":
                seen["shown", payload["session_id"]] = payload  # type: ignore[index]
            case "checkout.start":
                checkouts.add((payload["user_id"], payload["city"]))
            case "booking.requested":
                assert (payload["user_id"], payload["city"]) in checkouts
                seen[payload["booking_id"]] = payload
            case "booking.confirmed" | "booking.cancelled":
                requested = seen[payload["booking_id"]]
                assert payload["amount_minor"] == requested["amount_minor"]
                assert payload["currency"] == requested["currency"]
            case "charge.succeeded":
                assert payload["amount_minor"] == seen[payload["booking_id"]]["amount_minor"]
                seen[payload["charge_id"]] = payload
            case "fee.assessed" | "payout.initiated":
                assert payload["currency"] == seen[payload["booking_id"]]["currency"]
            case "refund.succeeded" | "dispute.opened":
                assert payload["amount_minor"] <= seen[payload["charge_id"]]["amount_minor"]


def balances(events: Events) -> dict[str, tuple[float, int, int, int]]:
    """Of every charged booking: when it was charged, the charge, its payouts, its fees and refunds."""
    charged: dict[str, tuple[float, int]] = {}
    of_charge: dict[str, str] = {}
    of_payout: dict[str, str] = {}
    paid: defaultdict[str, int] = defaultdict(int)
    other: defaultdict[str, int] = defaultdict(int)
    for at, name, payload in events:
        match name:
            case "charge.succeeded":
                charged[payload["booking_id"]] = (at, payload["amount_minor"])
                of_charge[payload["charge_id"]] = payload["booking_id"]
            case "fee.assessed":
                other[payload["booking_id"]] += payload["amount_minor"]
            case "refund.succeeded":
                other[of_charge[payload["charge_id"]]] += payload["amount_minor"]
            case "payout.initiated":
                of_payout[payload["payout_id"]] = payload["booking_id"]
            case "payout.paid":
                paid[of_payout[payload["payout_id"]]] += payload["amount_minor"]
    return {booking: (*charge, paid[booking], other[booking]) for booking, charge in charged.items()}


def charges_are_payouts_and_fees_and_refunds(events: Events) -> None:
    for at, charge, payouts, other in balances(events).values():
        assert payouts + other <= charge
        if at < SECONDS - LONG_OVER_S:
            assert payouts + other == charge


@few
@given(seeds, cities)
def test_lifecycles_hang_together_and_their_money_adds_up(seed: int, where: str) -> None:
    events = simulated(seed, where)
    each_step_follows_one_that_it_can_follow(events)
    what_refers_to_something_refers_to_what_was_there_before(events)
    charges_are_payouts_and_fees_and_refunds(events)


@few
@given(seeds)
def test_a_leak_adds_what_is_above_the_due_and_nothing_else(seed: int) -> None:
    clean = balances(simulated(seed, "12", LONG_OVER_S))
    leaking = balances(simulated(seed, "12", LONG_OVER_S, recon_leak=0.5))
    assert leaking.keys() == clean.keys()
    for booking, (at, charge, payouts, other) in leaking.items():
        assert (at, charge, other) == (clean[booking][0], charge, clean[booking][3])
        assert payouts in {clean[booking][2], charge * 3 // 2}
    assert any(payouts > charge for _, charge, payouts, _ in leaking.values())
