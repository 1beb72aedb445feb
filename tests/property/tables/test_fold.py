"""Any batching, any checkpoints, restarts and interleaving give what plain loops over the events give."""

from __future__ import annotations

import random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tables.fold.limits import Limits
from tables.fold.state import PartitionState
from tables.views import VIEWS
from tests.oracle.tables import (
    Feed,
    Limited,
    Made,
    Plain,
    elsewhere_in,
    entities_in,
    make,
    windowed_in,
    write,
)
from tests.support.examples import examples
from tests.support.partition_strategy import LIMITS, START_US, fold, records


def restored(feed: Feed, shuffle: random.Random) -> PartitionState:
    state = PartitionState("events.raw", VIEWS.values(), LIMITS)
    keys = list(feed)
    shuffle.shuffle(keys)
    while keys:
        together = shuffle.randint(1, 9)
        state.restore({key: feed[key] for key in keys[:together]})
        del keys[:together]
    state.restored()
    return state


def expect(feed: Feed, plain: Plain) -> None:
    assert windowed_in(feed) == plain.windowed()
    assert entities_in(feed) == plain.entities
    assert elsewhere_in(feed) == plain.elsewhere()


@examples(150)
@given(records(), st.data())
def test_a_fold_equals_plain_loops_whatever_the_batches_checkpoints_and_restarts(
    made: list[Made], data: st.DataObject
) -> None:
    shuffle = data.draw(st.randoms(use_true_random=False))
    plain = Plain(Limited(*LIMITS[:4]))
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
        assert state.watermark == plain.watermark_us


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


def _fed(state: PartitionState) -> tuple[Any, ...]:
    feed = Feed()
    write(feed, state.changes(0))
    return windowed_in(feed), entities_in(feed), elsewhere_in(feed)


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
    plain = Plain(Limited(*LIMITS[:4]))
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
