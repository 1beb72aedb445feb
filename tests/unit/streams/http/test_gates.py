"""GET /v1/gates/recon: rows, expiry, filters, scope, errors, and its description."""

from __future__ import annotations

from typing import Any

import httpx
import msgspec
import pytest

from streams.feed.replica import Replica
from streams.http.app import create_api, create_app
from streams.http.background.ops_topics import OpsTopics
from streams.settings import Settings
from tables.gates.records import GateRecord, encode_gate, key_of_record
from tables.gates.rule import GateState
from tables.views import VIEWS
from tests.support.gate_records import gate_record
from tests.support.roles import FixedClock
from tests.support.visitors import Analyst

NOW_S = 1_772_366_400  # 2026-03-01T12:00:00Z


def table_of(*records: GateRecord, **others: bytes) -> OpsTopics:
    table = OpsTopics(Settings.load({}))
    table.gates = {key_of_record(one): encode_gate(one) for one in records}
    table.gates |= {key.encode(): value for key, value in others.items()}
    table.waiting_for = None
    return table


async def get(table: OpsTopics, scope: frozenset[str] | None = None, **params: Any) -> httpx.Response:
    replica = Replica(VIEWS, Settings.load({}), FixedClock(NOW_S * 1000))
    app = create_app(replica, Analyst(scope), table)
    try:
        async with httpx.AsyncClient(
            transport=httpx.ASGITransport(app), base_url="http://127.0.0.1"
        ) as client:
            return await client.get("/v1/gates/recon", params=params)
    finally:
        replica.close()


async def pairs(
    table: OpsTopics, scope: frozenset[str] | None = None, **params: Any
) -> list[tuple[Any, str]]:
    answer = await get(table, scope, **params)
    assert answer.status_code == 200, answer.text
    return [(row["city"], row["currency"]) for row in answer.json()["rows"]]


ALL = (gate_record("paris", "EUR"), gate_record("london"), gate_record(None), gate_record("london", "EUR"))


async def test_a_row_is_the_gate_record() -> None:
    answer = await get(table_of(gate_record("london", state=GateState.ALARM)))
    assert answer.json() == {
        "gate": "recon", "as_of": "2026-03-01T12:00:00Z",
        "rows": [msgspec.to_builtins(gate_record("london", state=GateState.ALARM))],
    }  # fmt: skip
    assert answer.headers["cache-control"] == "private, no-cache"


async def test_rows_are_sorted_null_first() -> None:
    sorted_pairs = [(None, "GBP"), ("london", "EUR"), ("london", "GBP"), ("paris", "EUR")]
    assert await pairs(table_of(*ALL)) == sorted_pairs


async def test_filters() -> None:
    table = table_of(*ALL)
    assert await pairs(table, city="london", currency="GBP") == [("london", "GBP")]
    assert await pairs(table, city=["paris", ""]) == [(None, "GBP"), ("paris", "EUR")]
    assert await pairs(table, city="rome") == []
    assert await pairs(table, city="london, paris", currency="EUR") == [("london", "EUR"), ("paris", "EUR")]
    assert (await get(table, city="london,")).json()["parameter"] == "city"


async def test_a_city_that_no_gate_has_is_told_within_what_may_be_seen() -> None:
    table = table_of(*ALL)
    assert "warnings" not in (await get(table, city="london")).json()
    answer = (await get(table, city="London", currency="gbp")).json()
    assert answer["rows"] == []
    assert answer["warnings"] == [
        "no such city: London; did you mean london?",
        "no such currency: gbp; did you mean GBP?",
    ]
    hidden = (await get(table, frozenset({"paris"}), city="londn")).json()
    assert hidden["warnings"] == ["no such city: londn; there are paris"]


async def test_an_analyst_sees_the_gates_of_their_cities_alone() -> None:
    table = table_of(*ALL)
    assert await pairs(table, frozenset({"paris"})) == [("paris", "EUR")]
    assert await pairs(table, frozenset({"paris"}), city="london") == []
    assert await pairs(table, frozenset()) == []


async def test_the_gate_of_all_cities_beyond_the_limit_is_for_who_may_see_all() -> None:
    table = table_of(gate_record("_other"), gate_record("london"))
    assert await pairs(table, frozenset({"london", "_other"})) == [("london", "GBP")]
    assert await pairs(table) == [("_other", "GBP"), ("london", "GBP")]


@pytest.mark.parametrize(
    ("age", "state", "shown"),
    [
        (15.0, GateState.OK, ("ok", True, None)),
        (15.001, GateState.OK, ("stale", False, "ok")),
        (15.001, GateState.ALARM, ("stale", False, "alarm")),
        (99.0, GateState.STALE, ("stale", False, None)),
    ],
)
async def test_an_expired_record_is_stale(age: float, state: GateState, shown: tuple[Any, ...]) -> None:
    (row,) = (await get(table_of(gate_record("london", age=age, state=state)))).json()["rows"]
    assert (row["state"], row["open"], row["previous"]) == shown
    if shown[0] == "stale" and state is not GateState.STALE:
        assert row["since"] == row["valid_until"]


async def test_what_cannot_be_read_is_left_out() -> None:
    assert await pairs(table_of(gate_record("london"), bad=b"{}", worse=b"\xff")) == [("london", "GBP")]


async def test_errors_are_problems() -> None:
    wrong = await get(table_of(), window="1h")
    assert (wrong.status_code, wrong.json()["parameter"]) == (400, "window")
    unread = await get(OpsTopics(Settings.load({})))
    assert (unread.status_code, unread.headers["content-type"]) == (503, "application/problem+json")
    assert unread.headers["retry-after"] == "1"


def test_the_description_has_every_field() -> None:
    replica = Replica(VIEWS, Settings.load({}))
    described = create_api(replica).openapi()
    replica.close()
    answer = described["paths"]["/v1/gates/recon"]["get"]
    assert {parameter["name"] for parameter in answer["parameters"]} == {"city", "currency", "format"}
    row = described["components"]["schemas"]["GateRow"]
    assert list(row["properties"]) == list(GateRecord.__struct_fields__)
