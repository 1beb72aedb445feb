from __future__ import annotations

import pytest

from schemas.times import FIRST_US, LAST_US, format_time
from tables.query.params import (
    Cursor,
    ParameterError,
    encode_cursor,
    parse_entity_query,
    parse_time,
    parse_view_query,
)
from tables.query.steps import Steps
from tables.views import VIEWS

GMV, FUNNEL, PAYOUTS = VIEWS["kpi_gmv"], VIEWS["kpi_funnel"], VIEWS["ops_payout_backlog"]
HOUR_US = 3_600_000_000


def test_defaults() -> None:
    query = parse_view_query(GMV, [])
    assert (query.as_of, query.window_us, query.from_us, query.to_us) == ("now", 24 * HOUR_US, None, None)
    assert (query.steps, query.filters, query.group_by) == (None, {}, ("city", "currency"))


def test_everything_given() -> None:
    params = [
        ("from", "2026-03-01T00:00:00Z"),
        ("to", "2026-03-01T02:00:00+01:00"),
        ("step", "300s"),
        ("as_of", "2026-03-01T05:00:00.25Z"),
        ("city", "london"),
        ("city", ""),
        ("group_by", "currency"),
    ]
    query = parse_view_query(GMV, params)
    assert query.from_us is not None
    assert query.to_us == query.from_us + HOUR_US
    assert query.as_of == query.from_us + 5 * HOUR_US + 250_000
    assert query.steps == Steps(5)
    assert query.filters == {"city": frozenset({"london", None})}
    assert query.group_by == ("currency",)


@pytest.mark.parametrize(
    ("params", "named"),
    [
        ([("window", "0m")], "window"),
        ([("window", "1w")], "window"),
        ([("window", "-1h")], "window"),
        ([("window", "")], "window"),
        ([("window", "9999999999d")], "window"),
        ([("window", "1h"), ("window", "2h")], "window"),
        ([("window", "1h"), ("from", "2026-03-01T00:00:00Z")], "from"),
        ([("from", "2026-03-01")], "from"),
        ([("from", "2026-03-01T00:00:00")], "from"),
        ([("from", "2026-02-30T00:00:00Z")], "from"),
        ([("from", "yesterday")], "from"),
        ([("to", "garbage")], "to"),
        ([("to", "garbage"), ("window", "1h")], "to"),
        ([("from", "garbage"), ("window", "1h")], "from"),
        ([("to", "2026-03-01T00:00:00Z"), ("step", "1s")], "step"),
        ([("to", "2026-03-01T00:00:00Z"), ("window", "soon")], "window"),
        ([("to", "2026-03-01T00:00:00Z")], "from"),
        ([("from", "2026-03-01T00:00:00Z"), ("to", "2026-03-01T00:00:00Z")], "to"),
        ([("step", "90s")], "step"),
        ([("step", "0m")], "step"),
        ([("as_of", "later")], "as_of"),
        ([("group_by", "city")], "group_by"),
        ([("group_by", "")], "group_by"),
        ([("group_by", "currency,currency")], "group_by"),
        ([("group_by", "currency,planet")], "group_by"),
        ([("currency", "GBP"), ("group_by", "city")], "group_by"),
        ([("wnidow", "1h")], "wnidow"),
        ([("state", "open")], "state"),
    ],
)
def test_a_wrong_parameter_is_named(params: list[tuple[str, str]], named: str) -> None:
    with pytest.raises(ParameterError) as caught:
        parse_view_query(GMV, params)
    assert caught.value.parameter == named
    assert str(caught.value).startswith(f"{named}: ")


def test_without_money_all_dimensions_may_be_dropped() -> None:
    assert parse_view_query(FUNNEL, [("group_by", "")]).group_by == ()


def test_an_entity_view_has_no_steps() -> None:
    with pytest.raises(ParameterError, match="no steps") as caught:
        parse_view_query(PAYOUTS, [("step", "1h")])
    assert caught.value.parameter == "step"


@pytest.mark.parametrize(
    ("params", "named"),
    [
        ([("window", "soon")], "window"),
        ([("from", "yesterday")], "from"),
        ([("to", "2026-03-01T00:00:00Z")], "from"),
        ([("window", "1h"), ("from", "2026-03-01T00:00:00Z")], "from"),
    ],
)
def test_an_entity_views_window_has_to_be_one(params: list[tuple[str, str]], named: str) -> None:
    with pytest.raises(ParameterError) as caught:
        parse_view_query(PAYOUTS, params)
    assert caught.value.parameter == named


@pytest.mark.parametrize("name", ["window", "from", "to", "step"])
def test_entities_themselves_have_no_window(name: str) -> None:
    with pytest.raises(ParameterError, match="no parameter here") as caught:
        parse_entity_query(PAYOUTS, [(name, "1h")])
    assert caught.value.parameter == name


def test_a_plus_that_became_a_space_is_explained() -> None:
    with pytest.raises(ParameterError, match="%2B"):
        parse_time("to", "2026-03-01T00:00:00 01:00")


@pytest.mark.parametrize(
    ("params", "named"),
    [
        ([("state", "lost")], "state"),
        ([("limit", "0")], "limit"),
        ([("limit", "1001")], "limit"),
        ([("limit", "ten")], "limit"),
        ([("cursor", "!")], "cursor"),
        ([("cursor", "AAAA")], "cursor"),
        ([("cursor", "é")], "cursor"),
        ([("cursor", encode_cursor(GMV, Cursor(0, 0, "a")))], "cursor"),
        ([("cursor", encode_cursor(PAYOUTS, Cursor(0, LAST_US + 1, "a")))], "cursor"),
        ([("cursor", encode_cursor(PAYOUTS, Cursor(FIRST_US - 1, 0, "a")))], "cursor"),
        ([("cursor", encode_cursor(PAYOUTS, Cursor(2**64 - 1, 0, "a")))], "cursor"),
        ([("group_by", "city")], "group_by"),
    ],
)
def test_a_wrong_entity_parameter_is_named(params: list[tuple[str, str]], named: str) -> None:
    with pytest.raises(ParameterError) as caught:
        parse_entity_query(PAYOUTS, params)
    assert caught.value.parameter == named


@pytest.mark.parametrize("as_of_us", [-5, FIRST_US, LAST_US])
def test_a_cursor_comes_back_as_it_was(as_of_us: int) -> None:
    cursor = Cursor(as_of_us, 2**50, "po:1/ä")
    assert parse_entity_query(PAYOUTS, [("cursor", encode_cursor(PAYOUTS, cursor))]).cursor == cursor


def test_times_are_written_in_utc() -> None:
    assert format_time(0) == "1970-01-01T00:00:00Z"
    assert format_time(-1) == "1969-12-31T23:59:59.999999Z"
    assert format_time(-(2**60)) == "0001-01-01T00:00:00Z"
    assert format_time(2**60) == "9999-12-31T23:59:59.999999Z"
    assert format_time(parse_time("to", "2026-03-01T01:00:00.5+01:00")) == "2026-03-01T00:00:00.500000Z"
