"""What a source partition may hold, for property tests of the fold."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st

from tables.fold.state import Limits, PartitionState
from tests.oracle.tables import (
    HOUR_US,
    Made,
    make,
)
from tests.support.decoded import decoded_for

LIMITS = Limits(pane_minutes=60, pane_hours=3, dedupe_seconds=60, closed_hours=1)
START_US = 1_790_000_000_000_000 // HOUR_US * HOUR_US
BACK_MS = [0, 0, 0, 60_000, 250_000, 2 * 365 * 86_400_000]
"""How far Kafka timestamps lie behind the newest: within the slack of tables/fold/dedupe/duplicates.py, or
years."""
NAMES = [
    "charge.succeeded",
    "payout.initiated",
    "payout.paid",
    "payout.failed",
    "payout.canceled",
    "refund.succeeded",
    "fee.assessed",
    "booking.confirmed",
    "booking.cancelled",
    "booking.accepted",
    "search.impression",
    "checkout.start",
]
PAYOUTS = [name for name in NAMES if name.startswith("payout.")]
anywhere = st.one_of(
    st.integers(0, 8 * HOUR_US),
    st.integers(0, 16).map(lambda half: half * HOUR_US // 2),  # on the edge of a pane
    st.integers(0, 8 * 60).map(lambda minute: minute * 60_000_000 - 1),
)
edges = st.sampled_from([0, 1, HOUR_US, HOUR_US + 1, HOUR_US + 2, 2 * HOUR_US])


@st.composite
def records(draw: st.DrawFn, most: int = 30) -> list[Made]:
    """What a source partition holds: disordered, repeated, late, with quarantined records between."""
    made = []
    clock_ms = START_US // 1000
    names, instants, ids = draw(
        st.sampled_from([(NAMES, anywhere, 25), (PAYOUTS, edges, 10**6), (PAYOUTS, anywhere, 25)])
    )
    for _ in range(draw(st.sampled_from([0, 2, most // 3, most]))):
        clock_ms += draw(st.sampled_from([0, 1000, 30_000, 60_000, 200_000]))
        name = draw(st.sampled_from(names))
        payload: dict[str, Any] = {}
        if name not in ("booking.accepted", "search.impression", "checkout.start"):
            amounts = st.integers(0, 3) | st.just(2**53 - 1)
            payload = {"amount_minor": draw(amounts), "currency": draw(st.sampled_from(["EUR", "USD"]))}
        if name.startswith("payout."):
            payload["payout_id"] = draw(st.sampled_from(["p", "p:2", "π"]))
        if name == "fee.assessed":
            payload["kind"] = draw(st.sampled_from(["platform", "processing"]))
        record = make(
            name,
            f"e{draw(st.integers(0, ids))}",
            START_US + draw(instants),
            clock_ms - draw(st.sampled_from(BACK_MS)),
            draw(st.sampled_from([None, "ulm", "bonn"])),
            **payload,
        )
        made.append(record._replace(event=None) if draw(st.integers(0, 9)) == 0 else record)
    return made


def fold(state: PartitionState, batch: list[Made], counts: dict[str, dict[str, int]]) -> None:
    counted = state.fold(
        decoded_for(state, [made.event for made in batch], [made.occurred_us for made in batch]),
        [made.kafka_ms for made in batch],
        first_offset=state.next_offset,
        next_offset=state.next_offset + len(batch),
        now_ms=START_US // 1000 + 10_000_000,
    )
    for outcome, by_event in counted.items():
        for event, count in by_event.items():
            counts[outcome][event] = counts[outcome].get(event, 0) + count
