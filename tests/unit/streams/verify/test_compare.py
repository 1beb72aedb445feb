"""What counts as a difference between an answer's rows and the computed ones."""

from __future__ import annotations

from typing import Any

import pytest

from streams.verify.compare import differences
from tables.spec.measures import Ratio
from tables.spec.windowed import DistinctCount, Quantile, Sum, Term, Windowed

CLICK = (Term("search.click"),)
VIEW = Windowed(
    name="v",
    description="V",
    dimensions=("city",),
    measures=(
        Sum("clicks", "C", CLICK),
        Ratio("rate", "R", ("clicks",), ("clicks",)),
        Quantile("middle", "M", 0.5, (Term("search.click", "position"),)),
        DistinctCount("users", "U", (Term("search.click", "user_id"),)),
    ),
)
ROW = {"city": "a", "clicks": 10, "rate": 0.5, "middle": 1000, "users": 256}


def found(live: list[dict[str, Any]], computed: list[dict[str, Any]]) -> list[tuple[Any, ...]]:
    return [(one.row["city"], *one[1:]) for one in differences(VIEW, ("city",), live, computed)]


@pytest.mark.parametrize(
    ("measure", "value", "same"),
    [
        ("clicks", 11, False),
        ("clicks", None, False),
        ("rate", 0.5 + 1e-12, True),
        ("rate", 0.5000001, False),
        ("rate", None, False),
        ("middle", 1010, True),
        ("middle", 1011, False),
        ("middle", 989, False),
        ("users", 257, False),
    ],
)
def test_numbers_are_as_exact_as_they_claim_to_be(measure: str, value: Any, same: bool) -> None:
    expected = [] if same else [("a", measure, value, ROW[measure])]
    assert found([{**ROW, measure: value}], [ROW]) == expected


def test_many_different_values_are_estimated() -> None:
    assert found([{**ROW, "users": 1070}], [{**ROW, "users": 1000}]) == []
    assert found([{**ROW, "users": 1090}], [{**ROW, "users": 1000}]) == [("a", "users", 1090, 1000)]


def test_a_row_that_is_only_on_one_side_shows_all_that_it_has() -> None:
    assert found([], [ROW])[0] == ("a", "clicks", None, 10)
    assert found([ROW], [])[-1] == ("a", "users", 256, None)
    assert len(found([ROW], [])) == 4


def test_a_row_of_nothing_is_none() -> None:
    nothing = {"city": None, "clicks": 0, "rate": None, "middle": None, "users": 0}
    assert found([nothing], []) == []
    assert found([], [nothing]) == []


def test_a_row_that_is_there_again_is_a_difference() -> None:
    assert found([ROW, ROW, {**ROW, "city": "b"}], [ROW, {**ROW, "city": "b"}]) == [("a", "rows", 2, 1)]
    assert ("a", "rows", 3, 1) in found([ROW, ROW, ROW], [])


def test_null_is_not_zero() -> None:
    assert found([{**ROW, "middle": None}], [{**ROW, "middle": 0}]) == [("a", "middle", None, 0)]


def test_rows_are_in_order_null_first() -> None:
    rows = [{**ROW, "city": city} for city in ("b", None, "a")]
    assert [one[0] for one in found(rows, []) if one[1] == "clicks"] == [None, "a", "b"]
