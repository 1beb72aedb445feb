"""What a source partition may hold, for property tests of the fold."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st

from schemas.validation.fast_path import EVENT_TYPES
from tables.fold.limits import Limits
from tables.fold.state import PartitionState
from tables.spec.fields import payload_fields
from tests.oracle.tables import HOUR_US, LIVES, Made, make
from tests.support.decoded import decoded

LIMITS = Limits(pane_minutes=60, pane_hours=3, dedupe_seconds=60, closed_hours=1)
START_US = 1_790_000_000_000_000 // HOUR_US * HOUR_US
BACK_MS = [0, 0, 0, 60_000, 250_000, 2 * 365 * 86_400_000]
"""How far Kafka timestamps lie behind the newest: within the slack of tables/fold/dedupe/duplicates.py, or
years."""
NAMES = sorted(EVENT_TYPES)
lives = st.sampled_from([life.events for life in LIVES.values()])
VALUES: dict[str, st.SearchStrategy[Any]] = {
    "amount_minor": st.integers(0, 3) | st.just(2**53 - 1),
    "currency": st.sampled_from(["EUR", "USD"]),
    **dict.fromkeys(
        ["payout_id", "dispute_id", "booking_id", "subject_id", "campaign_id"],
        st.sampled_from(["p", "p:2", "π"]),
    ),
    "kind": st.sampled_from(["platform", "processing"]),
    "outcome": st.sampled_from(["won", "lost", "withdrawn"]),
    "subject_kind": st.sampled_from(["user", "provider", "booking"]),
    "bucket": st.sampled_from(["clear", "watch", "action", "critical"]),
    "score": st.sampled_from([0.0, 12.5, 100.0]),
    "valid": st.booleans(),
    "channel": st.sampled_from(["email", "sms", "push"]),
    "quantity": st.integers(1, 3) | st.just(2**63 - 1),
}
"""Of the payload fields that views look at."""
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
    life = draw(lives)
    names, instants, ids = draw(
        st.sampled_from([(NAMES, anywhere, 25), (life, edges, 10**6), (life, anywhere, 25)])
    )
    for _ in range(draw(st.sampled_from([0, 2, most // 3, most]))):
        clock_ms += draw(st.sampled_from([0, 1000, 30_000, 60_000, 200_000]))
        name = draw(st.sampled_from(names))
        members = payload_fields(EVENT_TYPES[name])
        payload = {field: draw(values) for field, values in VALUES.items() if field in members}
        if name == "digest.suppressed":
            payload["reason"] = draw(VALUES["campaign_id"])
        record = make(
            name,
            f"e{draw(st.integers(0, ids))}",
            START_US + draw(instants),
            clock_ms - draw(st.sampled_from(BACK_MS)),
            draw(st.sampled_from([None, "ulm", "bonn"])),
            **payload,
        )
        if draw(st.integers(0, 9)) == 0:
            stamp_ms = draw(st.sampled_from([record.kafka_ms, record.kafka_ms, -1, START_US // 1000 - 10**7]))
            record = record._replace(event=None, kafka_ms=stamp_ms)
        made.append(record)
    return made


def fold(state: PartitionState, batch: list[Made], counts: dict[str, dict[str, int]]) -> None:
    counted = state.fold(
        decoded(state, batch),
        [made.kafka_ms for made in batch],
        first_offset=state.next_offset,
        next_offset=state.next_offset + len(batch),
        now_ms=START_US // 1000 + 10_000_000,
    )
    for outcome, by_event in counted.items():
        for event, count in by_event.items():
            counts[outcome][event] = counts[outcome].get(event, 0) + count
