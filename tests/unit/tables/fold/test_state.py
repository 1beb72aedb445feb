"""What a source partition's state writes, when it writes it, and how it begins again from what it wrote."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import pytest

from tables import codec
from tables.codec import Checkpoint, decode_checkpoint, decode_partial
from tables.fold.counts import FoldCounts
from tables.fold.limits import Limits
from tables.fold.state import PartitionState
from tables.keys import WindowedKey, heartbeat_key, parse_key
from tables.spec.view import View
from tables.views import VIEWS
from tables.views.kpi_funnel import KPI_FUNNEL
from tables.views.ops_payout_backlog import OPS_PAYOUT_BACKLOG
from tables.views.ops_quarantine import OPS_QUARANTINE
from tables.views.ops_recon_variance import OPS_RECON_VARIANCE
from tests.oracle.tables import HOUR_US, Feed, Made, entities_in, make, windowed_in, write
from tests.support.decoded import decoded_for

HOUR = 497_000
"""An hour since the epoch."""
LIMITS = Limits(pane_minutes=60, pane_hours=3, dedupe_seconds=60, closed_hours=1)
ALL = tuple(view for view in VIEWS.values() if view is not OPS_QUARANTINE)
"""What is of all records has tests of its own: test_records.py."""


def begin(feed: Feed | None = None, views: Sequence[View] = ALL, topic: str = "t") -> PartitionState:
    state = PartitionState(topic, views, LIMITS)
    for key, value in (feed or {}).items():
        state.restore({key: value})
    state.restored()
    return state


def fold(state: PartitionState, *made: Made | None) -> FoldCounts:
    events = [record and record.event for record in made]
    return state.fold(
        decoded_for(state, events, [record.occurred_us if record else 0 for record in made]),
        [record.kafka_ms if record else 77 for record in made],
        first_offset=state.next_offset,
        next_offset=state.next_offset + len(made),
        now_ms=2 * 10**12,
    )


def click(event_id: str, minute: float, kafka_ms: int = 5) -> Made:
    """A click, so many minutes after HOUR."""
    return make("search.click", event_id, HOUR * HOUR_US + round(minute * 60e6), kafka_ms, "ulm")


def charge(event_id: str, amount_minor: int) -> Made:
    return make("charge.succeeded", event_id, HOUR * HOUR_US, 5, amount_minor=amount_minor)


def payout(event_id: str) -> Made:
    return make("payout.initiated", event_id, HOUR * HOUR_US, 5, payout_id="p")


def keys(feed: Feed) -> set[str]:
    """Panes of a feed, such as `kpi_funnel:m5` (minutes since HOUR) or `kpi_funnel:h0` (hours since HOUR)."""
    found = set()
    for key in map(parse_key, feed):
        if isinstance(key, WindowedKey):
            found.add(f"{key.view}:{key.unit}{key.number - (HOUR * 60 if key.unit == 'm' else HOUR)}")
    return found


def last_checkpoint(records: list[tuple[bytes, bytes | None]]) -> Checkpoint:
    key, value = records[-1]
    assert key == b"c:t"
    assert value is not None
    return decode_checkpoint(value)


def test_nothing_read_is_nothing_to_write() -> None:
    state = begin()
    assert not state.dirty
    assert fold(state) == {"accepted": {}, "duplicate": {}, "late_dropped": {}}
    assert not state.dirty


def test_quarantined_records_move_the_offset_alone() -> None:
    state = begin()
    assert fold(state, None, None)["accepted"] == {}
    dirty_before, records = state.dirty, state.changes(123)
    assert (dirty_before, state.dirty) == (True, False)
    assert last_checkpoint(records) == Checkpoint(
        next=2, watermark=None, kafka_ms=77, at=123, views={v.name: (v.definition_hash, 0) for v in ALL}
    )
    assert {key[:2] for key, _ in records[:-1]} == {b"v:"}, "what it computes, which is written once"
    fold(state, None)
    assert len(state.changes(124)) == 1


def test_the_time_of_folding_goes_on_after_a_restart_where_it_stopped() -> None:
    feed, spent = Feed(), []
    for restarted_at in (0, 10**12, 10**9):
        state = begin(feed)
        for seconds in (0, 20, 50):
            made = click(f"{restarted_at}-{seconds}", 0)
            state.fold(
                decoded_for(state, [made.event], [made.occurred_us]), [made.kafka_ms],
                first_offset=state.next_offset, next_offset=state.next_offset + 1,
                now_ms=restarted_at + seconds * 1000,
            )  # fmt: skip
        records = state.changes(0)
        spent.append(last_checkpoint(records).dedupe_elapsed_ms)
        write(feed, records)
    assert spent == [50_000, 100_000, 150_000]


def test_only_what_changed_is_written_with_absolute_sums() -> None:
    state, feed = begin(), Feed()
    fold(state, click("a", 0), click("b", 1))
    write(feed, state.changes(0))
    fold(state, click("c", 1))
    written = [(parse_key(key), value) for key, value in state.changes(0)]
    ((pane, value),) = [(key, value) for key, value in written if isinstance(key, WindowedKey)]
    assert pane.number == HOUR * 60 + 1
    assert value is not None
    assert decode_partial(value) == [(("ulm",), [0, 2, 0, 0, 0])]


def test_minutes_become_hours_by_whole_hours_and_hours_expire() -> None:
    state, feed = begin(), Feed()
    fold(state, click("a", 0), click("b", 59.99), click("c", 60))
    write(feed, state.changes(0))
    assert keys(feed) == {"kpi_funnel:m0", "kpi_funnel:m59", "kpi_funnel:m60"}
    fold(state, click("d", 119.99))
    write(feed, state.changes(0))
    assert "kpi_funnel:m0" in keys(feed)
    fold(state, click("e", 120), click("late", 7))
    write(feed, state.changes(0))
    assert keys(feed) == {"kpi_funnel:h0", "kpi_funnel:m60", "kpi_funnel:m119", "kpi_funnel:m120"}
    assert windowed_in(feed)["kpi_funnel"]["h", HOUR, ("ulm",)] == [0, 3, 0, 0, 0]
    fold(state, click("f", 4 * 60))
    write(feed, state.changes(0))
    assert keys(feed) == {"kpi_funnel:h1", "kpi_funnel:h2", "kpi_funnel:m240"}
    assert state.sizes()["panes"] == 3


def test_an_event_is_late_when_it_is_older_than_the_oldest_pane_may_be() -> None:
    state = begin()
    minutes = (0, 185, 5, 4.999999, 240, 60, 59.999999)
    clicks = [click(event_id, minute) for event_id, minute in zip("abcdefg", minutes, strict=True)]
    counts = fold(state, *clicks)
    assert counts["late_dropped"] == {"search.click": 2}
    assert counts["accepted"] == {"search.click": 5}
    assert fold(state, click("g", 200))["duplicate"] == {"search.click": 1}


def test_what_came_in_time_and_expires_before_the_checkpoint_is_gone() -> None:
    state, feed = begin(), Feed()
    fold(state, click("a", 0), click("b", 10 * 60))
    write(feed, state.changes(0))
    assert keys(feed) == {"kpi_funnel:m600"}
    assert state.sizes()["panes"] == 1


def test_an_entity_is_judged_by_the_watermark_as_it_was_not_by_that_of_its_batch() -> None:
    state, feed = begin(), Feed()
    at_us = HOUR * HOUR_US
    fold(
        state,
        make("payout.initiated", "a", at_us, 5, payout_id="p"),
        make("payout.paid", "b", at_us + 2, 5, payout_id="p"),
        make("payout.failed", "c", at_us + 1, 5, payout_id="p"),
        click("d", 61),
    )
    write(feed, state.changes(0))
    assert entities_in(feed) == {}


def test_sums_may_outgrow_64_bits() -> None:
    state, feed, most = begin(), Feed(), 2**53 - 1
    fold(state, *(charge(f"e{n}", most) for n in range(1500)))
    write(feed, state.changes(0))
    state = begin(feed)
    fold(state, charge("more", 1))
    write(feed, state.changes(0))
    sums = windowed_in(feed)["ops_recon_variance"]["m", HOUR * 60, (None, "EUR")]
    assert sums == [1500 * most + 1, 0, 0, 0]


def test_times_before_1970_have_panes_too() -> None:
    state, feed = begin(), Feed()
    fold(state, make("search.click", "a", -1, 5, "ulm"))
    write(feed, state.changes(0))
    assert windowed_in(feed)["kpi_funnel"] == {("m", -1, ("ulm",)): [0, 1, 0, 0, 0]}
    assert begin(feed).watermark == -1


def test_without_its_former_declaration_a_changed_view_begins_anew_and_its_old_records_are_deleted() -> None:
    feed = Feed()
    state = begin()
    fold(state, click("a", 0), charge("b", 5), payout("c"))
    write(feed, state.changes(0))
    for key in [key for key in feed if key.startswith(b"v:")]:
        del feed[key]
    old = {
        key
        for key in feed
        if KPI_FUNNEL.definition_hash.encode() in key or OPS_PAYOUT_BACKLOG.definition_hash.encode() in key
    }
    assert len(old) == 2
    funnel = replace(KPI_FUNNEL, measures=KPI_FUNNEL.measures[1:5])
    tracks = replace(OPS_PAYOUT_BACKLOG.tracks, keep=OPS_PAYOUT_BACKLOG.tracks.keep[:-1])
    views: list[View] = [funnel, replace(OPS_PAYOUT_BACKLOG, tracks=tracks), OPS_RECON_VARIANCE]
    state = begin(feed, views)
    assert state.dirty
    records = state.changes(0)
    assert {key for key, value in records if value is None} == old
    since = {name: offset for name, (_, offset) in last_checkpoint(records).views.items()}
    assert since == {"kpi_funnel": 3, "ops_payout_backlog": 3, "ops_recon_variance": 0}
    write(feed, records)
    state = begin(feed, views)
    assert not state.dirty
    fold(state, click("d", 0))
    assert last_checkpoint(state.changes(0)).views["kpi_funnel"] == (funnel.definition_hash, 3)


def test_a_first_start_may_begin_above_zero() -> None:
    state = begin()
    state.next_offset = 40
    fold(state, click("a", 0))
    checkpoint = last_checkpoint(state.changes(0))
    assert checkpoint.next == 41
    assert {since for _, since in checkpoint.views.values()} == {40}


def test_lost_records_stay_known_as_long_as_their_panes() -> None:
    state, feed = begin(), Feed()
    lost_until_us = HOUR * HOUR_US
    state.lose(9, lost_until_us)
    assert state.dirty
    write(feed, state.changes(0))
    again = begin(feed)
    assert again.lost == [[0, 9]]
    assert again.next_offset == 9
    assert again.partial_until == dict.fromkeys([view.name for view in ALL], lost_until_us)

    fold(again, click("a", 60 * LIMITS.pane_hours - 1))
    assert last_checkpoint(again.changes(0)).lost == [(0, 9)]
    fold(again, click("b", 60 * LIMITS.pane_hours + 1))
    checkpoint = last_checkpoint(again.changes(0))
    assert (checkpoint.lost, checkpoint.partial_until) == ([], {})


def test_a_view_that_begins_later_says_until_when_it_is_partial() -> None:
    feed, state = Feed(), begin(views=[KPI_FUNNEL])
    fold(state, click("a", 5))
    write(feed, state.changes(0))
    more = begin(feed, views=[KPI_FUNNEL, OPS_RECON_VARIANCE])
    fold(more, click("b", 6))
    watermark_us = HOUR * HOUR_US + 5 * 60_000_000
    assert last_checkpoint(more.changes(0)).partial_until == {OPS_RECON_VARIANCE.name: watermark_us}


def test_a_fold_that_fails_does_not_move_on() -> None:
    state = begin()
    fold(state, click("a", 0))
    broken = click("b", 1)._replace(event=object())
    with pytest.raises(AttributeError):
        fold(state, broken)
    assert state.next_offset == 1


def test_records_of_other_topics_and_workers_are_passed_over() -> None:
    feed = Feed()
    other = PartitionState("t2", ALL, LIMITS)
    fold(other, click("a", 0), make("payout.initiated", "c", 0, 5, payout_id="t:x"))
    write(feed, other.changes(0))
    feed[heartbeat_key("t:1")] = codec.encode_heartbeat(codec.Heartbeat("t:1", 0, []))
    state = begin(feed)
    assert not state.dirty
    assert state.next_offset == 0
    assert set(state.sizes().values()) == {0}


def test_sizes_count_what_is_held() -> None:
    state, feed = begin(), Feed()
    fold(state, click("a", 0), click("b", 1), charge("c", 1), payout("d"))
    write(feed, state.changes(0))
    sizes = {"panes": 3, "groups": 3, "entities": 1, "users": 0, "dedupe_ids": 4, "dedupe_chunks": 1}
    assert state.sizes() == sizes
    assert begin(feed).sizes() == sizes


def test_a_tombstone_undoes_what_was_restored_before() -> None:
    state, feed = begin(), Feed()
    fold(state, click("a", 0), payout("d"))
    write(feed, state.changes(0))
    state = PartitionState("t", ALL, LIMITS)
    for value_of in (feed.get, lambda _: None):
        for key in feed:
            if not key.startswith(b"c:"):
                state.restore({key: value_of(key)})
    state.restored()
    assert set(state.sizes().values()) == {0}
