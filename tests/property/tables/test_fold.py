"""Any batching, any checkpoints, restarts and interleaving give what plain loops over the events give."""

from __future__ import annotations

import random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tables.fold.state import Limits, PartitionState
from tables.views import VIEWS
from tests.oracle.tables import (
    HOUR_US,
    Feed,
    Limited,
    Made,
    Plain,
    entities_in,
    make,
    windowed_in,
    write,
)
from tests.support.examples import examples

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
        [made.event for made in batch],
        [made.occurred_us / 1e6 if made.event else 0.0 for made in batch],
        [made.kafka_ms for made in batch],
        first_offset=state.next_offset,
        next_offset=state.next_offset + len(batch),
        now_ms=START_US // 1000 + 10_000_000,
    )
    for outcome, by_event in counted.items():
        for event, count in by_event.items():
            counts[outcome][event] = counts[outcome].get(event, 0) + count


def restored(feed: Feed, shuffle: random.Random) -> PartitionState:
    state = PartitionState("events.raw", VIEWS.values(), LIMITS)
    keys = list(feed)
    shuffle.shuffle(keys)
    for key in keys:
        state.restore(key, feed[key])
    state.restored()
    return state


def expect(feed: Feed, plain: Plain) -> None:
    assert windowed_in(feed) == plain.windowed()
    assert entities_in(feed) == plain.payouts


@examples(150)
@given(records(), st.data())
def test_a_fold_equals_plain_loops_whatever_the_batches_checkpoints_and_restarts(
    made: list[Made], data: st.DataObject
) -> None:
    shuffle = data.draw(st.randoms(use_true_random=False))
    plain = Plain(Limited(*LIMITS))
    counts: dict[str, dict[str, int]] = {"accepted": {}, "duplicate": {}, "late_dropped": {}}
    state, feed = PartitionState("events.raw", VIEWS.values(), LIMITS), Feed()
    done = 0
    while done < len(made):
        batch = made[done : done + data.draw(st.integers(1, 9))]
        done += len(batch)
        for record in batch:
            plain.take(record)
        fold(state, batch, counts)
        if data.draw(st.booleans()):
            written = state.changes(0)
            assert written[-1][0] == b"c:events.raw"
            assert len({key for key, _ in written}) == len(written)
            write(feed, written)
            expect(feed, plain)
            assert not state.dirty
            in_feed = windowed_in(feed)
            assert state.sizes()["groups"] == sum(map(len, in_feed.values()))
            if data.draw(st.booleans()):
                state = restored(feed, shuffle)
                assert state.next_offset == done
    write(feed, state.changes(0))
    expect(feed, plain)
    assert counts == plain.counts
    assert (state.watermark is None) == (plain.watermark_us is None)
    if plain.watermark_us is not None:
        assert state.watermark == plain.watermark_us / 1e6


@examples(50)
@given(records(20), records(20), st.data())
def test_partitions_may_interleave_in_any_way(
    left: list[Made], right: list[Made], data: st.DataObject
) -> None:
    feeds = []
    for interleaved in (False, True):
        states = [PartitionState("events.raw", VIEWS.values(), LIMITS) for _ in range(2)]
        turns = [0] * len(left) + [1] * len(right)
        if interleaved:
            turns = data.draw(st.permutations(turns))
        todo = [list(left), list(right)]
        for turn in turns:
            counts: dict[str, dict[str, int]] = {"accepted": {}, "duplicate": {}, "late_dropped": {}}
            fold(states[turn], [todo[turn].pop(0)], counts)
        feeds.append([_fed(state) for state in states])
    assert feeds[0] == feeds[1]


def _fed(state: PartitionState) -> tuple[Any, Any]:
    feed = Feed()
    write(feed, state.changes(0))
    return windowed_in(feed), entities_in(feed)


@examples(100)
@given(records(), st.data())
def test_order_and_repeats_do_not_matter_while_nothing_is_late_or_forgotten(
    made: list[Made], data: st.DataObject
) -> None:
    unbounded = Limits(pane_minutes=6000, pane_hours=1000, dedupe_seconds=86_400, closed_hours=1000)
    # One event of each id: which of two different ones with one id counts is a matter of order.
    first = list({record.event.event_id: record for record in reversed(made) if record.event}.values())
    again = data.draw(st.permutations(first + first))
    states = [PartitionState("events.raw", VIEWS.values(), unbounded) for _ in range(2)]
    for state, batch in zip(states, (first, again), strict=True):
        fold(state, batch, {"accepted": {}, "duplicate": {}, "late_dropped": {}})
    assert _fed(states[0]) == _fed(states[1])


@pytest.mark.parametrize("shuffled", [1, 2, 3])
def test_many_groups_are_cut_into_shards_and_found_again(shuffled: int) -> None:
    shuffle = random.Random(shuffled)
    plain = Plain(Limited(*LIMITS))
    made = [
        make("search.impression", f"e{n}", START_US + n % 90 * 60_000_000, START_US // 1000, f"c{n % 1300}")
        for n in range(4000)
    ]
    shuffle.shuffle(made)
    state, feed = PartitionState("events.raw", VIEWS.values(), LIMITS), Feed()
    for start in range(0, len(made), 1000):
        batch = made[start : start + 1000]
        for record in batch:
            plain.take(record)
        fold(state, batch, {"accepted": {}, "duplicate": {}, "late_dropped": {}})
        write(feed, state.changes(0))
        state = restored(feed, shuffle)
    expect(feed, plain)
