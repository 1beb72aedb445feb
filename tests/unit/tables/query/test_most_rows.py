"""An answer by steps of more rows than can be answered is refused, by what who asks may see of it."""

from __future__ import annotations

from typing import Any

import pytest

from tables.query import rows
from tables.query.params import ParameterError, parse_view_query
from tables.query.views import answer_view
from tables.scope import Scope
from tables.views import VIEWS
from tests.support.feed_records import checkpoint, partial, reader, situation

GMV = VIEWS["kpi_gmv"]
MINUTES, CITIES = 4, ("london", "paris", "rome")
FIRST = 29_000_040
NOW_S = (FIRST + MINUTES) * 60.0
ROW = (1, 5, 0, 0, 0)


def rows_of(scope: Scope = None, **params: str) -> list[dict[str, Any]]:
    """Three bookings a minute, for four minutes."""
    booked = [partial(GMV, "m", FIRST + n, [((city, "GBP"), ROW) for city in CITIES]) for n in range(MINUTES)]
    query = parse_view_query(GMV, [*{"window": "1h", **params}.items()])
    given = reader(*booked, checkpoint(1, NOW_S))
    found: list[dict[str, Any]] = answer_view(given, GMV, query, situation(wall_s=NOW_S), scope)["rows"]
    return found


@pytest.fixture(autouse=True)
def most(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rows, "MOST_ROWS", 2 * MINUTES)


def test_too_many_are_refused_and_what_to_ask_instead_is_said() -> None:
    with pytest.raises(ParameterError) as refused:
        rows_of(step="1m")
    assert refused.value.parameter == "step"
    assert "this makes 12 rows, and there are 8 at most: ask for a longer step" in str(refused.value)


@pytest.mark.parametrize(
    ("params", "count"),
    [
        ({"step": "2m"}, 6),
        ({"step": "1m", "city": "london,paris"}, 8),
        ({"step": "1m", "group_by": "currency"}, 4),
        ({"step": "1m", "window": "2m"}, 6),
        ({}, 3),
    ],
)
def test_what_is_said_to_ask_is_answered_whole(params: dict[str, str], count: int) -> None:
    assert len(rows_of(None, **params)) == count


def test_what_counts_are_the_rows_that_may_be_seen() -> None:
    assert len(rows_of(frozenset({"paris", "rome"}), step="1m")) == 8
    with pytest.raises(ParameterError, match="12 rows"):
        rows_of(frozenset(CITIES), step="1m")
