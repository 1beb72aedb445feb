from __future__ import annotations

import random
from typing import Any

import pytest

from tables.query.entities import answer_entities
from tables.query.params import parse_entity_query
from tables.read.state import ReaderState
from tables.views import VIEWS
from tests.support.feed_records import MICROS, checkpoint, entity, reader, situation

PAYOUTS = VIEWS["ops_payout_backlog"]
NOW_S = 1_000_000


def payout(at_s: int, rank: int = 0, city: str | None = "london", due_s: int | None = None) -> list[Any]:
    due = None if due_s is None else due_s * MICROS
    return [True, at_s * MICROS, rank, "e", city, "GBP", 5, due, "p1"]


def ask(
    state: ReaderState, *params: tuple[str, str], scope: Any = None, wall_s: float = NOW_S
) -> dict[str, Any]:
    return answer_entities(
        state, PAYOUTS, parse_entity_query(PAYOUTS, params), situation(wall_s=wall_s), scope
    )


def ids(answer: dict[str, Any]) -> list[str]:
    return [row["payout_id"] for row in answer["rows"]]


def some() -> ReaderState:
    return reader(
        entity(PAYOUTS, "late", payout(900, due_s=NOW_S + 1)),
        entity(PAYOUTS, "first", payout(100, due_s=NOW_S - 1)),
        entity(PAYOUTS, "b:same:time", payout(500, city=None)),
        entity(PAYOUTS, "a-same-time", payout(500, city="paris")),
        entity(PAYOUTS, "failed", payout(50, rank=1)),
        entity(PAYOUTS, "paid", payout(10, rank=3)),
        checkpoint(1, 1000.0),
    )


def test_an_entity_shows_what_is_known_of_it() -> None:
    answer = ask(some(), ("state", "overdue"))
    assert answer["rows"] == [
        {
            "payout_id": "first", "city": "london", "state": "initiated",
            "occurred_at": "1970-01-01T00:01:40Z",
            "currency": "GBP", "amount_minor": 5, "due_at": "1970-01-12T13:46:39Z", "provider_id": "p1",
        }
    ]  # fmt: skip
    assert answer["cursor"] is None
    assert (answer["state"], answer["kind"], answer["from"]) == ("overdue", "entity", None)


@pytest.mark.parametrize(
    ("params", "found"),
    [
        ([], ["paid", "failed", "first", "a-same-time", "b:same:time", "late"]),
        ([("state", "open")], ["first", "a-same-time", "b:same:time", "late"]),
        ([("state", "backlog"), ("city", "london")], ["failed", "first", "late"]),
        ([("state", "initiated")], ["first", "a-same-time", "b:same:time", "late"]),
        ([("state", "failed")], ["failed"]),
        ([("state", "paid")], ["paid"]),
        ([("state", "canceled")], []),
        ([("city", "")], ["b:same:time"]),
        ([("limit", "2")], ["paid", "failed"]),
        ([("state", "overdue"), ("as_of", "2026-01-01T00:00:00Z")], ["first", "late"]),
    ],
)
def test_oldest_first_by_state_and_filter(params: list[tuple[str, str]], found: list[str]) -> None:
    assert ids(ask(some(), *params)) == found


def test_the_scope_hides_other_cities_and_null() -> None:
    assert ids(ask(some(), ("state", "open"), scope=frozenset({"paris"}))) == ["a-same-time"]
    assert ids(ask(some(), scope=frozenset())) == []


def pages(state: ReaderState, *params: tuple[str, str], between: Any = None) -> list[str]:
    found: list[str] = []
    cursor: list[tuple[str, str]] = []
    while True:
        answer = ask(state, *params, *cursor)
        found += ids(answer)
        if answer["cursor"] is None:
            return found
        cursor = [("cursor", answer["cursor"])]
        if between is not None:
            between()


@pytest.mark.parametrize("limit", [1, 2, 7, 50])
def test_pages_hold_each_entity_once(limit: int) -> None:
    rng = random.Random(limit)
    members = {f"po{n}": payout(rng.randrange(12)) for n in range(50)}
    state = reader(*(entity(PAYOUTS, name, one) for name, one in members.items()), checkpoint(1, 1.0))
    expected = sorted(members, key=lambda name: (members[name][1], name))
    assert pages(state, ("limit", str(limit))) == expected


def test_pages_leave_nothing_out_while_entities_change() -> None:
    state = reader(*(entity(PAYOUTS, f"po{n:02}", payout(n)) for n in range(30)), checkpoint(1, 1.0))
    rng = random.Random(5)

    def change() -> None:
        moved = f"po{rng.randrange(30):02}"
        added = f"new{rng.randrange(1000)}"
        records = [
            entity(PAYOUTS, moved, payout(100)),
            entity(PAYOUTS, added, payout(99)),
            checkpoint(2, 1.0),
        ]
        if rng.random() < 0.9:
            state.apply(0, records, monotonic=0.0)

    found = pages(state, ("limit", "4"), ("state", "open"), between=change)
    assert {f"po{n:02}" for n in range(30)} <= set(found)


def test_all_pages_share_the_first_ones_as_of() -> None:
    state = reader(
        *(entity(PAYOUTS, f"po{n}", payout(n, due_s=50 + n)) for n in range(9)), checkpoint(1, 1.0)
    )
    first = ask(state, ("state", "overdue"), ("limit", "2"), wall_s=55)
    assert ids(first) == ["po0", "po1"]
    rest = ask(state, ("state", "overdue"), ("cursor", first["cursor"]), wall_s=1000)
    assert ids(rest) == ["po2", "po3", "po4"]
    assert rest["as_of"] == first["as_of"]


def test_an_entity_of_two_ids_shows_both_and_its_number() -> None:
    risk = VIEWS["trust_risk"]
    state = reader(
        entity(risk, "user:u:1", [True, 100 * MICROS, 0, "e1", "london", "user", "u:1", "watch", 12.5]),
        entity(risk, "booking:u:1", [True, 200 * MICROS, 0, "e2", None, "booking", "u:1", "clear", 3.0]),
        checkpoint(1, 1000.0),
    )
    situated = situation(wall_s=NOW_S)
    rows = answer_entities(state, risk, parse_entity_query(risk, ()), situated, None)["rows"]
    assert [(row["subject_kind"], row["subject_id"], row["bucket"], row["score"]) for row in rows] == [
        ("user", "u:1", "watch", 12.5),
        ("booking", "u:1", "clear", 3.0),
    ]
    watched = parse_entity_query(risk, [("state", "watch")])
    assert answer_entities(state, risk, watched, situated, None)["rows"] == rows[:1]


@pytest.mark.parametrize("state", ["responded", "under_review"])
def test_disputes_responded_to_are_found_by_their_state_and_as_the_view_counts_them(state: str) -> None:
    disputes = VIEWS["ops_dispute_queue"]
    kept = ["london", "GBP", 5, None, "c1"]
    known = reader(
        entity(disputes, "d1", [True, 100 * MICROS, 1, "e1", *kept]),
        entity(disputes, "d2", [True, 100 * MICROS, 2, "e2", *kept]),
        checkpoint(1, 1000.0),
    )
    query = parse_entity_query(disputes, [("state", state)])
    (row,) = answer_entities(known, disputes, query, situation(wall_s=NOW_S), None)["rows"]
    assert (row["dispute_id"], row["state"]) == ("d1", "responded")
