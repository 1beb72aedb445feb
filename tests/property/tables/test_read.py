"""From the fold through the feed into the reader: an answer is what plain loops over the events give."""

from __future__ import annotations

from collections import defaultdict
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from schemas.times import format_time
from tables.fold.state import PartitionState
from tables.query.params import parse_time, parse_view_query
from tables.query.views import answer_view
from tables.read.state import ReaderState
from tables.views import VIEWS
from tests.oracle.tables import HOUR_US, MINUTE_US, Limited, Made, Plain
from tests.support.examples import examples
from tests.support.feed_records import situation
from tests.support.partition_strategy import LIMITS, START_US, fold, records

SUMS = ("bookings", "gmv_minor", "cancellations", "cancelled_minor", "platform_fees_minor")
SPAN = [("from", format_time(START_US - HOUR_US)), ("to", format_time(START_US + 9 * HOUR_US))]


def ask(reader: ReaderState, name: str, *params: tuple[str, str]) -> dict[str, Any]:
    view = VIEWS[name]
    return answer_view(reader, view, parse_view_query(view, params), situation(START_US / 1e6, partitions=3))


def expected_gmv(sources: list[Plain], first: int, end: int) -> dict[Any, tuple[int, ...]]:
    """(city, currency) → sums over the epoch minutes [first, end)."""
    table: dict[Any, list[int]] = defaultdict(lambda: [0] * len(SUMS))
    for plain in sources:
        for (unit, number, group), sums in plain.windowed().get("kpi_gmv", {}).items():
            minute = number if unit == "m" else number * 60
            if first <= minute < end:
                table[group] = [old + new for old, new in zip(table[group], sums, strict=True)]
    return {group: tuple(sums) for group, sums in table.items()}


def expected_backlog(sources: list[Plain]) -> dict[Any, tuple[int, int, int]]:
    """(city, currency) → open, backlog_minor and failed, of the newest states over all partitions."""
    newest: dict[str, list[Any]] = {}
    for plain in sources:
        for (view, payout_id), state in plain.entities.items():
            if view != "ops_payout_backlog":
                continue
            if payout_id not in newest or state[1:4] > newest[payout_id][1:4]:
                newest[payout_id] = state
    table: dict[Any, list[int]] = defaultdict(lambda: [0, 0, 0])
    for _, _, rank, _, city, currency, amount, _, _ in newest.values():
        row = table[city, currency]
        row[0] += rank == 0
        row[1] += amount if rank in (0, 1) else 0
        row[2] += rank == 1
    return {group: (row[0], row[1], row[2]) for group, row in table.items()}


@examples(60, chaos=5_000)  # each folds three partitions
@given(st.tuples(records(25), records(25), records(25)), st.data())
def test_an_answer_is_what_was_folded_up_to_the_checkpoints(
    made: tuple[list[Made], ...], data: st.DataObject
) -> None:
    reader = ReaderState(VIEWS, LIMITS.pane_minutes, LIMITS.pane_hours)
    sources = []
    for number, all_of_it in enumerate(made):
        state, plain = PartitionState("events.raw", VIEWS.values(), LIMITS), Plain(Limited(*LIMITS[:4]))
        sources.append(plain)
        rest = list(all_of_it)
        while rest:
            size = data.draw(st.integers(1, len(rest)))
            batch, rest = rest[:size], rest[size:]
            fold(state, batch, {"accepted": {}, "duplicate": {}, "late_dropped": {}})
            for one in batch:
                plain.take(one)
            feed = [(key, value, 0) for key, value in state.changes(0)]
            cut = data.draw(st.integers(0, len(feed)))  # a fetch may end anywhere
            reader.apply(number, feed[:cut], monotonic=0.0)
            reader.apply(number, feed[cut:], monotonic=0.0)
            if data.draw(st.booleans()):
                ask(reader, "kpi_gmv", *SPAN)  # something is merged now, and kept
    answer = ask(reader, "kpi_gmv", *SPAN)
    first, end = (parse_time(name, answer[name]) // MINUTE_US for name in ("from", "to"))
    rows = {(r["city"], r["currency"]): tuple(r[name] for name in SUMS) for r in answer["rows"]}
    assert rows == expected_gmv(sources, first, end)
    rows = {
        (r["city"], r["currency"]): (r["open"], r["backlog_minor"], r["failed"])
        for r in ask(reader, "ops_payout_backlog")["rows"]
    }
    assert rows == expected_backlog(sources)
