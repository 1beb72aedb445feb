"""What counts all records: where bad ones lie in time, and what they are counted under."""

from __future__ import annotations

from typing import Any

import pytest

from schemas.validation.fast_path import EVENT_TYPES
from schemas.validation.validator import Validator
from tables.fold.limits import Limits
from tables.fold.state import PartitionState
from tables.spec.problems import problems
from tables.spec.records import Outcome, Records
from tables.spec.windowed import Sum, Term, Windowed
from tables.views.kpi_funnel import KPI_FUNNEL
from tables.views.ops_quarantine import OPS_QUARANTINE
from tests.oracle.bad import at
from tests.oracle.tables import Feed, windowed_in, write
from tests.support.events import event

HOUR_MS, MINUTE_MS = 3_600_000, 60_000
START_MS = 1_772_359_200_000
LIMITS = Limits(pane_minutes=60, pane_hours=3, dedupe_seconds=3600, closed_hours=1)


def click(number: int, at_ms: int) -> bytes:
    payload = {"session_id": "s", "listing_id": "l", "position": 1}
    return event("search.click", number, payload, occurred_at=at(at_ms), source="web", city="ulm")


def spoilt(value: bytes) -> bytes:
    return value.replace(b'"version": 1', b'"version": 2')


def fold(state: PartitionState, *records: tuple[bytes | None, int]) -> None:
    values, stamps = [value for value, _ in records], [stamp for _, stamp in records]
    batch = Validator().decode_batch(values, stamps, state.readers, with_sources=state.wants_sources)
    first = state.next_offset
    state.fold(batch, stamps, first_offset=first, next_offset=first + len(records), now_ms=START_MS)


def counted(state: PartitionState) -> dict[tuple[Any, ...], list[int]]:
    feed = Feed()
    write(feed, state.changes(0))
    return windowed_in(feed).get("ops_quarantine", {})


def begin(*views: Windowed) -> PartitionState:
    return PartitionState("t", views or (OPS_QUARANTINE,), LIMITS)


UNTOLD = ("_unknown", "_unknown", "not_json", None)


def test_bad_records_alone_are_counted_by_kafkas_time_before_there_is_any_event() -> None:
    state = begin()
    fold(state, (b"{", START_MS), (b"{", START_MS), (b"{", START_MS + MINUTE_MS))
    minute = START_MS // MINUTE_MS
    assert counted(state) == {("m", minute, UNTOLD): [0, 2], ("m", minute + 1, UNTOLD): [0, 1]}


def test_one_without_a_timestamp_lies_at_the_watermark_that_there_was() -> None:
    state = begin()
    late = click(1, START_MS - HOUR_MS)
    fold(state, (late, START_MS), (b"{", -1), (click(2, START_MS), START_MS), (b"{", -1))
    found = {key[1]: sums for key, sums in counted(state).items() if key[2] == UNTOLD}
    assert found == {(START_MS - HOUR_MS) // MINUTE_MS: [0, 1], START_MS // MINUTE_MS: [0, 1]}


def test_one_without_a_timestamp_before_any_event_expires_with_the_first() -> None:
    state = begin()
    fold(state, (b"{", -1))
    assert counted(state) == {("m", 0, UNTOLD): [0, 1]}
    fold(state, (click(1, START_MS), START_MS))
    feed = Feed()
    write(feed, state.changes(0))
    assert {key[2][2] for key in windowed_in(feed)["ops_quarantine"]} == {None}


def test_one_older_than_all_panes_is_in_none_and_one_of_old_hours_is_in_an_hour() -> None:
    state = begin()
    fold(
        state,
        (click(1, START_MS), START_MS),
        (b"{", START_MS - 9 * HOUR_MS),
        (b"{", START_MS - 2 * HOUR_MS),
    )
    found = {key[:2] for key in counted(state) if key[2] == UNTOLD}
    assert found == {("h", (START_MS - 2 * HOUR_MS) // HOUR_MS)}


def test_a_duplicate_event_counts_once_and_a_bad_record_each_time() -> None:
    state = begin()
    one = click(1, START_MS)
    fold(state, (one, START_MS), (one, START_MS), (b"{", START_MS), (b"{", START_MS))
    by_reason = {key[2][2]: sums for key, sums in counted(state).items()}
    assert by_reason == {None: [1, 0], "not_json": [0, 2]}


def test_what_a_bad_record_tells_of_itself_is_what_it_is_counted_under() -> None:
    state = begin()
    fold(state, (spoilt(click(1, START_MS)), START_MS))
    ((_, _, group),) = counted(state)
    assert group == ("web", "search.click", "unknown_version", "ulm")


def test_without_such_a_view_no_source_is_decoded_and_nothing_is_counted() -> None:
    state = begin(KPI_FUNNEL)
    assert not state.wants_sources
    fold(state, (click(1, START_MS), START_MS), (b"{", START_MS))
    assert counted(state) == {}


def test_a_view_may_count_records_by_less_and_beside_events() -> None:
    view = Windowed(
        "by_city", "", ("city",),
        (Sum("clicks", "", (Term("search.click"),)), Records("bad", "", outcome=Outcome.QUARANTINED)),
    )  # fmt: skip
    assert problems(view, EVENT_TYPES) == []
    state = begin(view)
    good = click(1, START_MS)
    fold(state, (good, START_MS), (spoilt(good), START_MS))
    feed = Feed()
    write(feed, state.changes(0))
    assert list(windowed_in(feed)["by_city"].values()) == [[1, 1]]


@pytest.mark.parametrize("dimension", ["currency", "payload"])
def test_a_dimension_that_not_every_record_has_is_refused(dimension: str) -> None:
    (told,) = problems(Windowed("v", "", (dimension,), (Records("n", ""),)), EVENT_TYPES)
    assert f"dimension {dimension} is not known of every record: take one of source, event, reason" in told


def test_what_is_counted_is_part_of_the_definition() -> None:
    both = {
        Windowed("v", "", ("source",), (Records("n", "", outcome=outcome),)).definition_hash
        for outcome in Outcome
    }
    assert len(both) == 2


def test_a_view_that_begins_late_says_that_bad_records_from_before_may_be_missing() -> None:
    state, feed = begin(KPI_FUNNEL), Feed()
    fold(state, (b"{", START_MS))
    write(feed, state.changes(0))
    later = begin(KPI_FUNNEL, OPS_QUARANTINE)
    later.restore(feed)
    assert later.restored()
    fold(later, (b"{", START_MS))
    assert later.partial_until == {"ops_quarantine": START_MS * 1000}
