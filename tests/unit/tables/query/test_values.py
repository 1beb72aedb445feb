"""Comma lists, times in milliseconds, and near misses: as the api and the commands read them."""

from __future__ import annotations

import time
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tables.query.values import (
    EmptyElementError,
    did_you_mean,
    moment_warning,
    near,
    no_such,
    parse_moment,
    split_list,
)


@pytest.mark.parametrize(
    ("text", "values"),
    [
        ("london", ["london"]),
        ("london,paris", ["london", "paris"]),
        (" london ,  paris ", ["london", "paris"]),
        ("london,london", ["london", "london"]),
        (r"a\,b,c", ["a,b", "c"]),
        (r"a\\,b", ["a\\", "b"]),
        (r"a\b,\n", [r"a\b", r"\n"]),
        (r"\ a\ ,b", [" a ", "b"]),
        ("new york,x", ["new york", "x"]),
    ],
)
def test_a_list(text: str, values: list[str]) -> None:
    assert split_list(text) == values


@pytest.mark.parametrize("text", ["", ",", "a,", ",a", "a,,b", "a, ,b", "  "])
def test_an_empty_element_is_refused(text: str) -> None:
    with pytest.raises(EmptyElementError):
        split_list(text)


@given(st.lists(st.text(min_size=1), min_size=1))
def test_every_value_can_be_asked_for(values: list[str]) -> None:
    escaped = [v.replace("\\", "\\\\").replace(",", "\\,").replace(" ", "\\ ") for v in values]
    assert split_list(" , ".join(escaped)) == values


@pytest.mark.parametrize(
    ("text", "at"),
    [
        ("0", datetime(1970, 1, 1, tzinfo=UTC)),
        ("-1", datetime(1969, 12, 31, 23, 59, 59, 999000, tzinfo=UTC)),
        ("1772366400123", datetime(2026, 3, 1, 12, 0, 0, 123000, tzinfo=UTC)),
        ("-62135596800000", datetime(1, 1, 1, tzinfo=UTC)),
        ("253402300799999", datetime(9999, 12, 31, 23, 59, 59, 999000, tzinfo=UTC)),
        ("2026-03-01T13:00:00+01:00", datetime(2026, 3, 1, 12, tzinfo=UTC)),
    ],
)
def test_a_time_is_text_or_milliseconds(text: str, at: datetime) -> None:
    assert parse_moment(text) == at


@pytest.mark.parametrize(
    "text",
    ["-62135596800001", "253402300800000", "1772366400000000", "9" * 5000, "-", "+5", "1e3", "1.5", " 5",
     "5 ", "5\n", "١٧٧٢٣٦٦٤٠٠١٢٣", "１７７２３６６４００１２３", "1_000", "2026-03-01", ""],  # noqa: RUF001
)  # fmt: skip
def test_what_is_no_time(text: str) -> None:
    with pytest.raises(ValueError, match="0001 to 9999") as refused:
        parse_moment(text)
    assert len(text) < 11 or text not in str(refused.value)


def test_seconds_that_were_taken_for_milliseconds_are_told() -> None:
    assert moment_warning("from", "1772366400") == (
        "from=1772366400 is 1970-01-21T12:19:26Z: a number is read as milliseconds since 1970,"
        " not as seconds or as a date"
    )
    assert moment_warning("to", "20260301") is not None
    for fine in ("1772366400000", "0", "-5", "2026-03-01T00:00:00Z", "now"):
        assert moment_warning("to", fine) is None


def test_near_misses() -> None:
    cities = ["london", "londonderry", "paris", "new-york", "san_francisco"]
    for asked, meant in [
        ("londn", "london"), ("London", "london"), ("LONDON", "london"), ("pari", "paris"),
        ("newyork", "new-york"), ("san-francisco", "san_francisco"), ("Pariss", "paris"),
        ("city.paris", "paris"),
    ]:  # fmt: skip
        assert near(asked, cities) == meant
    for asked in ("tokyo", "", "x" * 100_000, "\x1b[31m"):
        assert near(asked, cities) is None
    assert did_you_mean("tokyo", cities) == ""
    assert no_such("city", ["londn"], cities) == ["no such city: londn; did you mean london?"]
    assert no_such("city", ["oslo"], ["b", "a"]) == ["no such city: oslo; there are a, b"]
    assert no_such("city", ["oslo"], []) == ["no such city: oslo; there is none yet"]
    assert no_such("city", [], cities) == []
    (said,) = no_such("city", ["x" * 100_000], map(str, range(10**5)))
    assert len(said) < 300


def test_a_near_miss_among_very_many_does_not_take_long() -> None:
    ids = [f"campaign-{number:07d}" for number in range(200_000)]
    started = time.process_time()
    assert near("campaing-0000007", ids) is not None
    assert time.process_time() - started < 5.0, "all of them compared take a minute"
