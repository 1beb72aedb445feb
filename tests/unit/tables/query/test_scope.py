"""What may be seen of what has several cities, and of what stands for many."""

from __future__ import annotations

from typing import Any

import pytest

from tables.query.entities import answer_entities
from tables.query.params import Cursor, encode_cursor, parse_entity_query, parse_view_query
from tables.query.views import answer_view
from tables.read.state import ReaderState
from tables.views import VIEWS
from tests.support.feed_records import MICROS, checkpoint, entity, partial, reader, situation

GMV, PAYOUTS, EXPERIMENT = VIEWS["kpi_gmv"], VIEWS["ops_payout_backlog"], VIEWS["exp_metric_cuped"]
NOW_S = 1_000_000.0
LONDON, PARIS = frozenset({"london"}), frozenset({"paris"})
BOTH = LONDON | PARIS


def payout(at_s: int, rank: int, city: str | None, amount: int, currency: str = "GBP") -> list[Any]:
    return [True, at_s * MICROS, rank, f"e{at_s}", city, currency, amount, None, "p1"]


def state() -> ReaderState:
    """`moved` was initiated in London, failed in Paris and was paid without a city; `paid` is of London.

    `twice` was initiated in London on one partition, and failed in Paris on another one.
    """
    moved = [*payout(300, 3, None, 1), [payout(200, 1, "paris", 10, "EUR"), payout(100, 0, "london", 100)]]
    known = reader(
        entity(PAYOUTS, "moved", moved),
        entity(PAYOUTS, "paid", payout(150, 3, "london", 1000)),
        entity(PAYOUTS, "twice", payout(110, 0, "london", 10_000)),
        checkpoint(1, 1000.0),
    )
    twice = entity(PAYOUTS, "twice", payout(400, 1, "paris", 20_000, "EUR"))
    known.apply(1, [twice, checkpoint(1, 1000.0)], monotonic=0.0)
    return known


def page(scope: Any, *params: tuple[str, str]) -> dict[str, Any]:
    query = parse_entity_query(PAYOUTS, params)
    return answer_entities(state(), PAYOUTS, query, situation(wall_s=NOW_S), scope)


def listed(scope: Any, *params: tuple[str, str]) -> list[tuple[Any, ...]]:
    rows = page(scope, *params)["rows"]
    return [(row["payout_id"], row["city"], row["state"], row["amount_minor"]) for row in rows]


@pytest.mark.parametrize(
    ("scope", "found"),
    [
        (
            None,
            [
                ("paid", "london", "paid", 1000),
                ("moved", None, "paid", 1),
                ("twice", "paris", "failed", 20_000),
            ],
        ),
        (
            LONDON,
            [
                ("moved", "london", "initiated", 100),
                ("twice", "london", "initiated", 10_000),
                ("paid", "london", "paid", 1000),
            ],
        ),
        (PARIS, [("moved", "paris", "failed", 10), ("twice", "paris", "failed", 20_000)]),
        (
            BOTH,
            [
                ("paid", "london", "paid", 1000),
                ("moved", "paris", "failed", 10),
                ("twice", "paris", "failed", 20_000),
            ],
        ),
        (frozenset({"rome"}), []),
    ],
)
def test_an_entity_is_as_the_events_of_the_seen_cities_made_it(
    scope: frozenset[str] | None, found: list[Any]
) -> None:
    assert listed(scope) == found


def test_states_and_filters_are_of_what_is_seen() -> None:
    assert [row[0] for row in listed(LONDON, ("state", "open"))] == ["moved", "twice"]
    assert listed(BOTH, ("state", "open")) == []
    assert [row[0] for row in listed(BOTH, ("city", "london"))] == ["paid"]
    assert [row[0] for row in listed(None, ("city", "paris"))] == ["twice"]
    assert page(LONDON, ("city", "paris"))["warnings"] == ["no such city: paris; there are london"]
    assert page(LONDON, ("currency", "EUR"))["warnings"] == ["no such currency: EUR; there are GBP"]
    assert "warnings" not in page(None, ("city", "paris"), ("currency", "EUR"))


def test_measures_are_of_what_is_seen() -> None:
    def rows(scope: Any) -> list[tuple[Any, ...]]:
        answer = answer_view(state(), PAYOUTS, parse_view_query(PAYOUTS, ()), situation(wall_s=NOW_S), scope)
        return [
            (row["city"], row["currency"], row["open_minor"], row["failed_minor"]) for row in answer["rows"]
        ]

    assert rows(None) == [(None, "GBP", 0, 0), ("london", "GBP", 0, 0), ("paris", "EUR", 0, 20_000)]
    assert rows(LONDON) == [("london", "GBP", 10_100, 0)]
    assert rows(PARIS) == [("paris", "EUR", 0, 20_010)]
    assert rows(BOTH) == [("london", "GBP", 0, 0), ("paris", "EUR", 0, 20_010)]


@pytest.mark.parametrize("scope", [None, LONDON, PARIS, BOTH])
def test_pages_go_on_where_they_ended_in_what_is_seen(scope: Any) -> None:
    found: list[tuple[Any, ...]] = []
    cursor: list[tuple[str, str]] = []
    while True:
        answer = page(scope, ("limit", "1"), *cursor)
        found += [
            (row["payout_id"], row["city"], row["state"], row["amount_minor"]) for row in answer["rows"]
        ]
        if answer["cursor"] is None:
            break
        cursor = [("cursor", answer["cursor"])]
    assert found == listed(scope)


@pytest.mark.parametrize("at_s", [0, 100, 105, 200, 300, 400])
@pytest.mark.parametrize("entity_id", ["", "moved", "twice", "zzz"])
def test_whatever_cursor_is_brought_only_what_may_be_seen_is_shown(at_s: int, entity_id: str) -> None:
    brought = encode_cursor(PAYOUTS, Cursor(0, at_s * MICROS, entity_id))
    following = listed(LONDON, ("cursor", brought))
    seen = [(100, "moved"), (110, "twice"), (150, "paid")]
    assert [row[0] for row in following] == [name for at, name in seen if (at, name) > (at_s, entity_id)]
    assert {row[1] for row in following} <= {"london"}


def test_what_stands_for_many_cities_is_for_who_may_see_all() -> None:
    groups = [(("_other", "GBP"), (1, 5, 0, 0, 0)), (("london", "GBP"), (1, 7, 0, 0, 0))]
    known = reader(
        partial(GMV, "m", int(NOW_S) // 60 - 5, groups),
        entity(PAYOUTS, "p", payout(100, 0, "_other", 5)),
        checkpoint(1, NOW_S - 1),
    )
    now = situation(wall_s=NOW_S)

    def cities(scope: Any) -> list[Any]:
        answer = answer_view(known, GMV, parse_view_query(GMV, [("city", "_other,london")]), now, scope)
        return [*(row["city"] for row in answer["rows"]), *answer.get("warnings", [])]

    assert cities(None) == ["_other", "london"]
    assert cities(LONDON | {"_other"}) == ["london", "no such city: _other; there are london"]
    query = parse_entity_query(PAYOUTS, ())
    assert answer_entities(known, PAYOUTS, query, now, frozenset({"_other"}))["rows"] == []
    assert len(answer_entities(known, PAYOUTS, query, now, None)["rows"]) == 1


def test_experiments_are_for_who_may_see_all() -> None:
    query = parse_view_query(EXPERIMENT, [("exp_key", "search-ui")])
    answer = answer_view(state(), EXPERIMENT, query, situation(wall_s=NOW_S), BOTH)
    assert answer["rows"] == []
    assert answer["warnings"] == ["no such exp_key: search-ui; there is none yet"]
