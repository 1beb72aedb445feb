from __future__ import annotations

from typing import Any

import pytest

from tables.query.params import ParameterError, parse_time, parse_view_query
from tables.query.views import answer_view
from tables.read.state import ReaderState
from tables.spec.entity_measures import Total
from tables.spec.fields import Kind
from tables.spec.measures import Ratio, Unit
from tables.spec.tracked import Kept, Selection, Stage, Tracked
from tables.spec.windowed import Sum, Term, Windowed
from tables.views import VIEWS
from tests.support.feed_records import MICROS, checkpoint, entity, partial, reader, situation

GMV, FUNNEL = VIEWS["kpi_gmv"], VIEWS["kpi_funnel"]
RECON, PAYOUTS = VIEWS["ops_recon_variance"], VIEWS["ops_payout_backlog"]
NOON = 1_772_366_400  # 2026-03-01T12:00:00Z
MINUTE = NOON // 60
LONDON, PARIS, NOWHERE = ("london", "GBP"), ("paris", "EUR"), (None, "GBP")


def sums(bookings: int, gmv: int = 0, fees: int = 0) -> tuple[int, ...]:
    return (bookings, gmv, 0, 0, fees)


def ask(
    state: ReaderState, view: Any, *params: tuple[str, str], scope: Any = None, **now: Any
) -> dict[str, Any]:
    given = {"wall_s": NOON, **now}
    return answer_view(state, view, parse_view_query(view, params), situation(**given), scope)


def bookings(answer: dict[str, Any]) -> list[tuple[Any, ...]]:
    return [(row.get("t", "")[11:16], row.get("city"), row["bookings"]) for row in answer["rows"]]


def three_minutes() -> ReaderState:
    """One booking more each minute: 1 at 11:57, 2 at 11:58, 3 at 11:59, 4 at 12:00."""
    panes = [partial(GMV, "m", MINUTE + n - 4, [(LONDON, sums(n))]) for n in (1, 2, 3, 4)]
    return reader(*panes, checkpoint(10, NOON + 30.0))


@pytest.mark.parametrize(
    ("window", "at", "first", "end", "total"),
    [
        ("2m", "12:00:00", "11:58:00", "12:00:00", 5),
        ("2m", "12:00:30", "11:59:00", "12:01:00", 7),
        ("90s", "12:00:00", "11:59:00", "12:00:00", 3),
        ("30s", "12:00:00.000001", "12:00:00", "12:01:00", 4),
    ],
)
def test_a_window_is_the_panes_that_start_inside(
    window: str, at: str, first: str, end: str, total: int
) -> None:
    answer = ask(three_minutes(), GMV, ("window", window), ("as_of", f"2026-03-01T{at}Z"))
    assert (answer["from"], answer["to"]) == (f"2026-03-01T{first}Z", f"2026-03-01T{end}Z")
    assert bookings(answer) == [("", "london", total)]
    assert answer["as_of"] == f"2026-03-01T{at}Z"


def test_from_and_to_are_half_open() -> None:
    window = (("from", "2026-03-01T11:57:00Z"), ("to", "2026-03-01T11:59:00Z"))
    assert bookings(ask(three_minutes(), GMV, *window)) == [("", "london", 3)]
    later = ask(three_minutes(), GMV, ("from", "2026-03-01T11:57:00.5Z"), wall_s=NOON + 1)
    assert bookings(later) == [("", "london", 9)]


def test_a_window_that_ends_with_the_newest_event_holds_it() -> None:
    state = reader(partial(GMV, "m", MINUTE, [(LONDON, sums(1))]), checkpoint(1, float(NOON)))
    for now in ({"clock": "event"}, {"clock": "wall"}):
        answer = ask(state, GMV, ("as_of", "watermark"), ("window", "1m"), **now)
        assert (answer["as_of"], answer["from"]) == ("2026-03-01T12:00:00Z", "2026-03-01T12:00:00Z")
        assert bookings(answer) == [("", "london", 1)]
    assert bookings(ask(state, GMV, ("window", "1m"), clock="event", wall_s=0)) == [("", "london", 1)]
    assert ask(state, GMV, ("window", "1m"))["rows"] == []


def test_the_watermark_is_the_slowest_partitions_and_events_now_the_newests() -> None:
    state = reader(checkpoint(1, NOON - 60.0))
    state.apply(1, [checkpoint(1, float(NOON))], monotonic=0.0)
    state.apply(2, [checkpoint(1, None)], monotonic=0.0)
    answer = ask(state, GMV, clock="event", wall_s=0)
    assert (answer["watermark"], answer["as_of"]) == ("2026-03-01T11:59:00Z", "2026-03-01T12:00:00Z")


def test_before_the_first_event_the_clock_is_now() -> None:
    answer = ask(reader(), GMV, ("as_of", "watermark"), clock="event")
    assert (answer["as_of"], answer["watermark"], answer["rows"]) == ("2026-03-01T12:00:00Z", None, [])


def test_a_row_per_step_that_has_data() -> None:
    answer = ask(three_minutes(), GMV, ("window", "1h"), ("step", "2m"), ("as_of", "2026-03-01T12:01:00Z"))
    assert bookings(answer) == [("11:56", "london", 1), ("11:58", "london", 5), ("12:00", "london", 4)]


def test_the_first_step_is_cut_by_the_window() -> None:
    answer = ask(three_minutes(), GMV, ("from", "2026-03-01T11:57:00Z"), ("step", "1d"))
    assert [(row["t"], row["bookings"]) for row in answer["rows"]] == [("2026-03-01T11:57:00Z", 6)]


def rolled() -> ReaderState:
    """Minutes are kept for an hour behind 12:30: 10:00 to 11:00 is an hour pane."""
    return reader(
        partial(GMV, "h", MINUTE // 60 - 2, [(LONDON, sums(100))]),
        partial(GMV, "m", MINUTE - 60, [(LONDON, sums(10))]),
        partial(GMV, "m", MINUTE - 59, [(LONDON, sums(1))]),
        checkpoint(1, NOON + 1800.0),
        pane_minutes=60,
    )


@pytest.mark.parametrize(
    ("first", "end", "widened", "total"),
    [
        ("10:20", "10:40", ("10:00", "11:00"), 100),
        ("10:59", "11:01", ("10:00", "11:01"), 110),
        ("11:00", "11:02", ("11:00", "11:02"), 11),
        ("08:30", "09:30", ("08:00", "10:00"), 0),
    ],
)
def test_among_hour_panes_a_window_widens(first: str, end: str, widened: tuple[str, str], total: int) -> None:
    answer = ask(rolled(), GMV, ("from", f"2026-03-01T{first}:00Z"), ("to", f"2026-03-01T{end}:00Z"))
    assert (answer["from"], answer["to"]) == tuple(f"2026-03-01T{at}:00Z" for at in widened)
    assert sum(row["bookings"] for row in answer["rows"]) == total


def test_a_step_finer_than_what_is_kept_is_refused() -> None:
    window = (("from", "2026-03-01T10:30:00Z"), ("to", "2026-03-01T12:00:00Z"))
    assert bookings(ask(rolled(), GMV, *window, ("step", "1h"))) == [
        ("10:00", "london", 100),
        ("11:00", "london", 11),
    ]
    for step in ("5m", "90m"):
        with pytest.raises(ParameterError, match="2026-03-01T11:00:00Z") as caught:
            ask(rolled(), GMV, *window, ("step", step))
        assert caught.value.parameter == "step"
    assert ask(rolled(), GMV, ("from", "2026-03-01T11:00:00Z"), ("step", "5m"))["rows"]


def test_hour_panes_of_a_worker_with_another_setting_widen_too() -> None:
    state = reader(partial(GMV, "h", MINUTE // 60, [(LONDON, sums(1))]), checkpoint(1, NOON + 60.0))
    assert ask(state, GMV, ("window", "1m"), wall_s=NOON + 60)["from"] == "2026-03-01T12:00:00Z"
    digests = ask(state, VIEWS["comms_digest"], ("window", "1m"), wall_s=NOON + 60)
    assert digests["from"] == "2026-03-01T12:00:00Z", "whether a view has events there changes nothing"


def test_hours_can_be_asked_of_before_1970() -> None:
    state = reader(partial(GMV, "m", -61, [(LONDON, sums(7))]), checkpoint(1, -3600.0))
    answer = ask(
        state, GMV, ("from", "1969-12-31T22:50:00Z"), ("to", "1969-12-31T23:10:00Z"), ("step", "10m")
    )
    assert bookings(answer) == [("22:50", "london", 7)]


def cities() -> ReaderState:
    groups = [(PARIS, sums(1, 50, 5)), (LONDON, sums(2, 100, 20)), (NOWHERE, sums(4, 300, 3))]
    return reader(partial(GMV, "m", MINUTE - 1, groups), checkpoint(1, NOON - 1.0))


def test_rows_are_sorted_null_first_and_flat() -> None:
    answer = ask(cities(), GMV)
    assert [row["city"] for row in answer["rows"]] == [None, "london", "paris"]
    assert list(answer["rows"][0]) == [
        "city", "currency", "bookings", "gmv_minor", "cancellations", "cancelled_minor",
        "platform_fees_minor", "take_rate", "booking_minor_p50", "booking_minor_p95",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("filters", "found"),
    [
        ([("city", "london")], ["london"]),
        ([("city", "london"), ("city", "paris")], ["london", "paris"]),
        ([("city", "")], [None]),
        ([("city", "london"), ("currency", "EUR")], []),
        ([("city", "atlantis")], []),
    ],
)
def test_filters(filters: list[tuple[str, str]], found: list[str | None]) -> None:
    assert [row["city"] for row in ask(cities(), GMV, *filters)["rows"]] == found


def test_fewer_dimensions_are_summed_before_ratios() -> None:
    rows = ask(cities(), GMV, ("group_by", "currency"))["rows"]
    assert [(row["currency"], row["gmv_minor"], row["take_rate"]) for row in rows] == [
        ("EUR", 50, 0.1),
        ("GBP", 400, 23 / 400),
    ]
    assert "city" not in rows[0]


def test_the_scope_bounds_rows_and_totals() -> None:
    scope = frozenset({"paris", "london"})
    assert [row["city"] for row in ask(cities(), GMV, scope=scope)["rows"]] == ["london", "paris"]
    rows = ask(cities(), GMV, ("group_by", "currency"), scope=scope)["rows"]
    assert [row["gmv_minor"] for row in rows] == [50, 100]
    assert ask(cities(), GMV, scope=frozenset())["rows"] == []


def test_derived_measures_stay_exact() -> None:
    amount = 2**53 - 1
    rows = [(LONDON, (amount, 0, amount - 1, 0))]
    panes = [partial(RECON, "m", MINUTE - n, rows) for n in range(1, 1001)]
    (row,) = ask(reader(*panes, checkpoint(1, float(NOON))), RECON)["rows"]
    assert (row["charges_minor"], row["variance_minor"], row["abs_variance_minor"]) == (
        1000 * amount,
        1000,
        1000,
    )
    assert row["variance_ratio"] == 1 / amount


def test_a_variance_may_be_negative_and_a_ratio_null() -> None:
    state = reader(partial(RECON, "m", MINUTE - 1, [(LONDON, (0, 10, 0, 5))]), checkpoint(1, float(NOON)))
    (row,) = ask(state, RECON)["rows"]
    assert (row["variance_minor"], row["abs_variance_minor"], row["variance_ratio"]) == (-15, 15, None)


def test_all_dimensions_dropped_is_one_row() -> None:
    groups = [((city,), (10, 5, 1, 0, 0)) for city in ("london", "paris", None)]
    state = reader(partial(FUNNEL, "m", MINUTE - 1, groups), checkpoint(1, float(NOON)))
    (row,) = ask(state, FUNNEL, ("group_by", ""))["rows"]
    assert (row["impressions"], row["click_rate"], row["checkout_rate"], row["confirm_rate"]) == (
        30,
        0.5,
        0.0,
        None,
    )


def payout(
    state: int, at_s: float, amount: int, due_s: float | None, group: tuple[Any, Any] = LONDON
) -> list[Any]:
    due = None if due_s is None else int(due_s * MICROS)
    return [True, int(at_s * MICROS), state, "e", group[0], group[1], amount, due, "p"]


def backlog() -> ReaderState:
    return reader(
        entity(PAYOUTS, "a", payout(0, NOON - 100, 2**53 - 1, NOON + 50)),
        entity(PAYOUTS, "b", payout(0, NOON - 300.5, 2**53 - 1, NOON - 1)),
        entity(PAYOUTS, "c", payout(0, NOON - 200, 1, None)),
        entity(PAYOUTS, "d", payout(1, NOON - 900, 7, NOON - 500)),
        entity(PAYOUTS, "e", payout(3, NOON - 950, 8, NOON - 500)),
        entity(PAYOUTS, "f", payout(3, NOON - 5, 9, None, PARIS)),
        entity(PAYOUTS, "g", payout(1, NOON - 5, 30, None, NOWHERE)),
        checkpoint(1, float(NOON)),
    )


def test_entity_measures() -> None:
    answer = ask(backlog(), PAYOUTS)
    assert (answer["kind"], answer["from"], answer["to"]) == ("entity", None, None)
    nowhere, london, paris = answer["rows"]
    assert london == {
        "city": "london", "currency": "GBP", "open": 3, "open_minor": 2**54 - 1, "overdue": 1,
        "overdue_minor": 2**53 - 1, "failed": 1, "failed_minor": 7, "backlog": 4, "backlog_minor": 2**54 + 6,
        "oldest_seconds": 300.5,
    }  # fmt: skip
    assert (paris["backlog"], paris["backlog_minor"], paris["oldest_seconds"]) == (0, 0, None)
    assert (nowhere["failed_minor"], nowhere["open"]) == (30, 0)


@pytest.mark.parametrize(
    "window",
    [
        [("window", "1m")],
        [("from", "2020-01-01T00:00:00Z")],
        [("from", "2030-01-01T00:00:00Z")],
        [("from", "2020-01-01T00:00:00Z"), ("to", "2020-01-02T00:00:00Z")],
    ],
)
def test_entities_are_the_latest_whatever_the_window(window: list[tuple[str, str]]) -> None:
    answer = ask(backlog(), PAYOUTS, *window)
    assert answer == ask(backlog(), PAYOUTS)
    assert answer["from"] is answer["to"] is None


def test_deadlines_and_ages_are_taken_at_as_of() -> None:
    (row,) = ask(backlog(), PAYOUTS, ("as_of", "2026-03-01T12:00:51Z"), ("city", "london"))["rows"]
    assert (row["overdue"], row["oldest_seconds"]) == (2, 351.5)


def test_entity_groups_are_summed_within_the_scope() -> None:
    rows = ask(backlog(), PAYOUTS, ("group_by", "currency"))["rows"]
    assert [(row["currency"], row["failed_minor"], row["oldest_seconds"]) for row in rows] == [
        ("EUR", 0, None),
        ("GBP", 37, 300.5),
    ]
    (row,) = ask(
        backlog(), PAYOUTS, ("group_by", "currency"), ("currency", "GBP"), scope=frozenset({"london"})
    )["rows"]
    assert row["failed_minor"] == 7


SPEND = Windowed(
    name="promo_spend",
    description="Spend against the latest budget.",
    dimensions=("campaign_id", "currency"),
    measures=(
        Sum("spend_minor", "Spent", (Term("promo.spend", "amount_minor"),), Unit.MINOR),
        Total("budget_minor", "The latest budget", "budgets", "amount_minor", null_if_none=True),
        Ratio("spend_ratio", "Spend ÷ budget", ("spend_minor",), ("budget_minor",)),
    ),
    tracks=Tracked(
        id_fields=("campaign_id",),
        stages=(Stage("promo.budget", "set", 0, opens=True),),
        keep=(Kept("campaign_id"), Kept("currency"), Kept("amount_minor", Kind.WHOLE)),
        selections=(Selection("budgets", "All", ("set",)),),
    ),
)


def test_a_windowed_view_may_track_entities_and_hide_its_city() -> None:
    state = ReaderState({"promo_spend": SPEND}, 2880, 840)
    records = [
        partial(SPEND, "m", MINUTE - 1, [(("c1", "GBP", "london"), (40,)), (("c1", "GBP", None), (2,))]),
        partial(SPEND, "m", MINUTE - 2, [(("c2", "GBP", "london"), (5,))]),
        entity(SPEND, "c1", [True, 1, 0, "e", "london", "c1", "GBP", 100]),
        entity(SPEND, "c3", [True, 1, 0, "e", "london", "c3", "GBP", 9]),
        checkpoint(1, float(NOON)),
    ]
    state.apply(0, records, monotonic=0.0)

    def rows(*params: tuple[str, str], scope: Any = None) -> list[tuple[Any, ...]]:
        found = ask(state, SPEND, *params, scope=scope)["rows"]
        return [(r["campaign_id"], r["spend_minor"], r["budget_minor"], r["spend_ratio"]) for r in found]

    assert rows() == [("c1", 42, 100, 0.42), ("c2", 5, None, None), ("c3", 0, 9, 0.0)]
    assert rows(("step", "1m")) == [("c2", 5, None, None), ("c1", 42, 100, 0.42)]
    assert rows(scope=frozenset({"london"})) == [
        ("c1", 40, 100, 0.4),
        ("c2", 5, None, None),
        ("c3", 0, 9, 0.0),
    ]
    assert rows(scope=frozenset({"paris"})) == []
    total = ask(state, SPEND, ("group_by", "currency"))["rows"]
    assert total == [{"currency": "GBP", "spend_minor": 47, "budget_minor": 109, "spend_ratio": 47 / 109}]


def test_an_answer_is_shaped_as_the_contract_says() -> None:
    answer = ask(three_minutes(), GMV)
    assert list(answer) == [
        "view", "kind", "as_of", "from", "to", "watermark", "freshness_seconds", "complete",
        "since", "partitions", "incomplete_because", "rows",
    ]  # fmt: skip
    assert list(answer["partitions"][0]) == [
        "topic",
        "partition",
        "watermark",
        "first_offset",
        "checkpoint_offset",
        "lag_records",
        "incomplete_because",
    ]
    assert parse_time("from", answer["to"]) - parse_time("from", answer["from"]) == 86_400 * MICROS


@pytest.mark.parametrize("window", ["999999999d", "800000d"])
def test_a_window_begins_at_the_first_time_that_can_be_written(window: str) -> None:
    answer = ask(three_minutes(), GMV, ("window", window))
    assert answer["from"] == "0001-01-01T00:00:00Z"
    assert bookings(answer) == [("", "london", 6)]
