"""A filter on what no state has is told with what may have been meant, within what may be seen."""

from __future__ import annotations

from typing import Any

import pytest

from tables.query.entities import answer_entities
from tables.query.params import ParameterError, parse_entity_query, parse_view_query
from tables.query.views import answer_view
from tables.read.state import ReaderState
from tables.views import VIEWS
from tests.support.feed_records import checkpoint, entity, heartbeat, partial, reader, situation

GMV, PAYOUTS = VIEWS["kpi_gmv"], VIEWS["ops_payout_backlog"]
NOW_S = 1_000_000.0
LONG_AGO = int(NOW_S) // 60 - 5000


def state() -> ReaderState:
    """London and Paris in pounds and euros, long before the window; a payout in Ulm."""
    groups: list[tuple[tuple[str | None, str], tuple[int, ...]]] = [
        (("london", "GBP"), (1, 5, 0, 0, 0)),
        (("paris", "EUR"), (1, 7, 0, 0, 0)),
        ((None, "EUR"), (1, 9, 0, 0, 0)),
    ]
    payout = entity(PAYOUTS, "po", [True, 10**12, 0, "e", "ulm", "EUR", 5, None, "p1"])
    return reader(
        partial(GMV, "m", LONG_AGO, groups), payout, checkpoint(10, NOW_S - 1), heartbeat((0, 10, 10, None))
    )


def ask(params: list[tuple[str, str]], scope: frozenset[str] | None = None, **now: Any) -> dict[str, Any]:
    query = parse_view_query(GMV, params)
    return answer_view(state(), GMV, query, situation(**{"wall_s": NOW_S, **now}), scope)


def total(answer: dict[str, Any]) -> int:
    return sum(row["gmv_minor"] for row in answer["rows"])


@pytest.mark.parametrize(
    ("params", "sum_"),
    [
        ([("city", "london,paris")], 12),
        ([("city", " london , paris ")], 12),
        ([("city", "london"), ("city", "paris,ulm")], 12),
        ([("city", "london"), ("city", "")], 14),
        ([("currency", "EUR,GBP")], 21),
        ([("currency", "EUR"), ("city", "paris,london")], 7),
    ],
)
def test_a_comma_list_means_all_of_it(params: list[tuple[str, str]], sum_: int) -> None:
    answer = ask([("window", "30d"), *params])
    assert total(answer) == sum_
    assert "warnings" not in answer
    listed = parse_entity_query(PAYOUTS, [("city", "london,ulm"), ("currency", "EUR,USD")])
    page = answer_entities(state(), PAYOUTS, listed, situation(wall_s=NOW_S))
    assert [row["city"] for row in page["rows"]] == ["ulm"]


@pytest.mark.parametrize("value", ["london,", ",", "a,,b", " "])
def test_an_empty_element_names_the_parameter(value: str) -> None:
    with pytest.raises(ParameterError) as refused:
        parse_view_query(GMV, [("city", value)])
    assert refused.value.parameter == "city"
    with pytest.raises(ParameterError) as refused:
        parse_entity_query(PAYOUTS, [("currency", value)])
    assert refused.value.parameter == "currency"


def test_what_no_state_has_is_told() -> None:
    answer = ask([("city", "londn,London,paris"), ("currency", "gbp")])
    assert answer["rows"] == []
    assert answer["warnings"] == [
        "no such city: London; did you mean london?",
        "no such city: londn",
        "no such currency: gbp; did you mean GBP?",
    ]
    query = parse_entity_query(PAYOUTS, [("city", "ullm")])
    page = answer_entities(state(), PAYOUTS, query, situation(wall_s=NOW_S))
    assert page["warnings"] == ["no such city: ullm; did you mean ulm?"]


def test_what_is_there_is_not_told_even_outside_of_window_and_view() -> None:
    for city in ("london", "paris", "ulm", ""):  # Ulm has no bookings: no rows is the answer
        answer = ask([("city", city)])
        assert answer["rows"] == []
        assert "warnings" not in answer


def test_before_the_feed_is_read_nobody_knows() -> None:
    assert "warnings" not in ask([("city", "londn")], feed_read=False)


def test_only_what_may_be_seen_is_offered() -> None:
    assert ask([("city", "londn")], frozenset({"paris"}))["warnings"] == [
        "no such city: londn; there are paris"
    ]
    assert ask([("city", "london")], frozenset({"paris"}))["warnings"] == [
        "no such city: london; there are paris"
    ]
    assert ask([("currency", "GBP")], frozenset({"ulm"}))["warnings"] == [
        "no such currency: GBP; there are EUR"
    ]
    assert ask([("city", "londn")], frozenset())["warnings"] == ["no such city: londn; there is none yet"]


def test_many_unknown_values_do_not_flood_the_answer() -> None:
    answer = ask([("city", ",".join(f"nowhere{number}" for number in range(1000)))])
    assert len(answer["warnings"]) == 9
    assert answer["warnings"][1] == "no such city: nowhere1"
    assert answer["warnings"][-1] == "and 992 more of city that there are not"


def test_a_value_that_comes_is_known_from_then_on() -> None:
    given = state()
    query = parse_view_query(GMV, [("city", "oslo")])
    now = situation(wall_s=NOW_S)
    assert "warnings" in answer_view(given, GMV, query, now)
    given.apply(0, [partial(GMV, "m", LONG_AGO, [(("oslo", "NOK"), (1, 5, 0, 0, 0))])], monotonic=0.0)
    given.apply(0, [checkpoint(11, NOW_S - 1)], monotonic=0.0)
    assert "warnings" not in answer_view(given, GMV, query, now)


def test_times_in_milliseconds() -> None:
    by_number = ask([("from", str(LONG_AGO * 60_000)), ("to", str((LONG_AGO + 1) * 60_000))])
    assert (total(by_number), by_number["from"]) == (21, "1970-01-09T02:00:00Z")
    assert len(by_number["warnings"]) == 2, "a day of 1970 is hardly meant"
    with pytest.raises(ParameterError) as refused:
        parse_view_query(GMV, [("from", "1772366400000000")])
    assert refused.value.parameter == "from"
    assert parse_view_query(GMV, [("as_of", "1772366400000")]).as_of == 1_772_366_400_000_000
    assert parse_view_query(GMV, [("as_of", "1772366400000")]).warnings == ()


@pytest.mark.parametrize(
    ("params", "meant"),
    [
        ([("group_by", "ciyt,currency")], "city"),
        ([("ctiy", "london")], "city"),
        ([("windw", "5m")], "window"),
    ],
)
def test_a_parameter_that_is_nearly_right_is_offered(params: list[tuple[str, str]], meant: str) -> None:
    with pytest.raises(ParameterError, match=rf"; did you mean {meant}\?"):
        parse_view_query(GMV, params)


def test_a_state_that_is_nearly_right_is_offered() -> None:
    with pytest.raises(ParameterError, match=r"; did you mean overdue\?"):
        parse_entity_query(PAYOUTS, [("state", "overdu")])


def test_group_by_takes_blanks() -> None:
    assert parse_view_query(GMV, [("group_by", "currency, city")]).group_by == ("city", "currency")
