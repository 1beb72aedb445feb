"""Whatever was folded where, and however it was rolled up, a query adds up what a plain loop adds up."""

from __future__ import annotations

from collections import defaultdict
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from schemas.times import format_time
from tables.query.params import parse_time, parse_view_query
from tables.query.views import answer_view
from tables.read.state import ReaderState
from tables.views import VIEWS
from tests.support.examples import examples
from tests.support.feed_records import MICROS, checkpoint, partial, situation

GMV = VIEWS["kpi_gmv"]
HOURS = 6
LAST = HOURS * 60
GROUPS = [(city, currency) for city in ("london", "paris", None) for currency in ("GBP", "EUR")]

Fact = tuple[int, int, tuple[Any, Any], int]

facts = st.lists(
    st.tuples(
        st.integers(0, 2), st.integers(0, LAST - 1), st.sampled_from(GROUPS), st.integers(0, 2**53 - 1)
    ),
    max_size=60,
)


def feed(found: list[Fact], rolled_hours: dict[int, int]) -> ReaderState:
    """Partition n keeps its first `rolled_hours[n]` hours as hours, as its watermark asks for."""
    state = ReaderState(VIEWS, 60, 840)
    for source in range(3):
        panes: dict[tuple[str, int], dict[Any, list[int]]] = defaultdict(dict)
        for where, minute, group, amount in found:
            if where != source:
                continue
            whole = minute < rolled_hours[source] * 60
            sums = panes["h" if whole else "m", minute // 60 if whole else minute].setdefault(group, [0] * 5)
            sums[0] += 1
            sums[1] += amount
        records = [partial(GMV, unit, number, groups.items()) for (unit, number), groups in panes.items()]
        watermark = (rolled_hours[source] + 1) * 3600.0
        state.apply(source, [*records, checkpoint(1, watermark)], monotonic=0.0)
    return state


def expected(
    found: list[Fact], first: int, end: int, step: int | None, keep: tuple[str, ...]
) -> dict[Any, Any]:
    table: dict[Any, list[int]] = defaultdict(lambda: [0, 0])
    for _, minute, group, amount in found:
        if first <= minute < end:
            at = None if step is None else format_time(max(minute // step * step, first) * 60 * MICROS)
            named = dict(zip(("city", "currency"), group, strict=True))
            row = table[at, tuple(named[name] for name in keep)]
            row[0] += 1
            row[1] += amount
    return {key: tuple(row) for key, row in table.items()}


@examples(150)
@given(
    found=facts,
    rolled=st.tuples(*[st.integers(0, HOURS)] * 3),
    window=st.tuples(st.integers(0, LAST), st.integers(1, LAST)),
    step=st.sampled_from([None, 1, 7, 60, 120]),
    keep=st.sampled_from([("city", "currency"), ("currency",)]),
)
def test_a_query_adds_up_what_a_loop_adds_up(
    found: list[Fact],
    rolled: tuple[int, ...],
    window: tuple[int, int],
    step: int | None,
    keep: tuple[str, ...],
) -> None:
    state = feed(found, dict(enumerate(rolled)))
    first, end = window[0], window[0] + window[1]
    rolled_until = max(rolled) * 60
    if first < rolled_until and step is not None and step % 60:
        first, end = rolled_until, rolled_until + window[1]
    params = [("from", format_time(first * 60 * MICROS)), ("to", format_time(end * 60 * MICROS))]
    params.append(("group_by", ",".join(keep)))
    if step is not None:
        params.append(("step", f"{step}m"))
    for _ in range(2):  # the second time from what was merged before
        answer = answer_view(state, GMV, parse_view_query(GMV, params), situation(wall_s=LAST * 60.0))
        first, end = (parse_time(name, answer[name]) // (60 * MICROS) for name in ("from", "to"))
        assert first <= window[0] or step is not None
        rows = {
            (row.get("t"), tuple(row[name] for name in keep)): (row["bookings"], row["gmv_minor"])
            for row in answer["rows"]
        }
        assert rows == expected(found, first, end, step, keep)
        assert len(rows) == len(answer["rows"])
