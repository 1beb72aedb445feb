"""The first and the last times there are, all the way: from a record to answers, gates and Bronze."""

from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest

from agents.gates.evaluator import GateEvaluator
from schemas.validation.validator import Validator
from tables.fold.limits import Limits
from tables.fold.state import PartitionState
from tables.gates.declared import RECON as GATE
from tables.gates.running_sums import SumsReader, Window
from tables.query.entities import answer_entities
from tables.query.params import parse_entity_query, parse_view_query
from tables.query.views import answer_view
from tables.read.state import ReaderState
from tables.views import VIEWS
from tests.support.bronze import Record, built
from tests.support.feed_records import TOPIC, situation
from tests.support.recon_figures import WORDS, rule

FIRST, LAST = "0001-01-01T00:00:00Z", "9999-12-31T23:59:59.999999Z"
RECON, PAYOUTS = VIEWS["ops_recon_variance"], VIEWS["ops_payout_backlog"]
NEVER_MS = -1
"""A record without a Kafka timestamp: it has no future."""


def payout(number: int, occurred_at: str, due_at: str = LAST, name: str = "payout.initiated") -> bytes:
    payload = {
        "payout_id": f"po{number}", "provider_id": "v", "amount_minor": 5, "currency": "EUR",
        "due_at": due_at,
    }  # fmt: skip
    return json.dumps(
        {
            "event_id": f"e{name}{number}", "event": name, "version": 1, "occurred_at": occurred_at,
            "source": "test", "payload": payload,
        }
    ).encode()  # fmt: skip


def read(*values: bytes) -> ReaderState:
    """What a reader has after a worker has folded these records."""
    state = PartitionState(TOPIC, VIEWS.values(), Limits(2880, 840, 3600, 168))
    timestamps = [NEVER_MS] * len(values)
    decoded = Validator().decode_batch(list(values), timestamps, state.readers, with_sources=True)
    assert not decoded.bad
    state.fold(decoded, timestamps, first_offset=0, next_offset=len(values), now_ms=0)
    reader = ReaderState(VIEWS, 2880, 840)
    records = [(key, value, 0) for key, value in state.changes(0)]
    again = PartitionState(TOPIC, VIEWS.values(), Limits(2880, 840, 3600, 168))
    for key, value, _ in records:
        again.restore({key: value})
    assert again.restored()
    assert again.checkpoint_record(0) == state.checkpoint_record(0)
    reader.apply(0, records, monotonic=0.0)
    return reader


@pytest.mark.parametrize("clock", ["wall", "event"])
@pytest.mark.parametrize("as_of", [None, "watermark", FIRST, LAST])
@pytest.mark.parametrize("at", [FIRST, "0001-01-01T00:59:59.999999Z", "2600-12-31T23:59:59.999999Z", LAST])
def test_they_are_answered(at: str, as_of: str | None, clock: Any) -> None:
    state = read(*(payout(n, at, due) for n, due in enumerate((FIRST, "2026-03-01T12:00:00Z", LAST))))
    now = situation(wall_s=1_772_366_400, clock=clock)
    asked = [] if as_of is None else [("as_of", as_of)]
    answer = answer_view(state, PAYOUTS, parse_view_query(PAYOUTS, asked), now)
    assert answer["rows"][0]["open"] == 3
    assert msgspec.json.decode(msgspec.json.encode(answer)) == answer
    answer = answer_view(state, RECON, parse_view_query(RECON, asked), now)
    assert FIRST <= answer["from"] <= answer["to"] <= LAST


@pytest.mark.parametrize("as_of", [FIRST, LAST])
def test_every_page_of_entities_is_of_the_first_ones_as_of(as_of: str) -> None:
    state = read(*(payout(n, at) for n, at in enumerate((FIRST, "0001-01-01T00:00:00.5Z"))))
    found, cursor = [], [("as_of", as_of)]
    while cursor:
        query = parse_entity_query(PAYOUTS, [("limit", "1"), *cursor])
        page = answer_entities(state, PAYOUTS, query, situation())
        assert page["as_of"] == as_of
        found += [(row["payout_id"], row["due_at"]) for row in page["rows"]]
        cursor = [("cursor", page["cursor"])] if page["cursor"] else []
    assert found == [("po0", LAST), ("po1", LAST)]


def test_a_deadline_that_never_comes_is_never_overdue() -> None:
    state = read(payout(0, FIRST), payout(1, FIRST, FIRST))
    for as_of, overdue in ((FIRST, 0), ("0001-01-01T00:00:00.000001Z", 1), (LAST, 1)):
        query = parse_view_query(PAYOUTS, [("as_of", as_of)])
        assert answer_view(state, PAYOUTS, query, situation())["rows"][0]["overdue"] == overdue


@pytest.mark.parametrize("window", [("from", FIRST), ("to", LAST), ("step", "1h")])
@pytest.mark.parametrize("at", [FIRST, LAST])
def test_what_is_paid_then_is_in_a_window_that_reaches_there(at: str, window: tuple[str, str]) -> None:
    state = read(payout(0, at, name="payout.paid"))
    params = {"from": FIRST, "to": LAST, **dict([window])}
    answer = answer_view(state, RECON, parse_view_query(RECON, list(params.items())), situation())
    assert [row["payouts_minor"] for row in answer["rows"]] == [5]
    assert (answer["from"], answer["to"]) == (FIRST, LAST)


@pytest.mark.parametrize("at", [FIRST, LAST])
def test_gates_are_judged_where_time_begins_and_ends(at: str) -> None:
    state = read(payout(0, at, name="payout.paid"))
    reading = SumsReader(GATE, RECON, Window(24, lambda _: 0)).read(state, situation(clock="event"))
    keeper = GateEvaluator(GATE, WORDS, rule(), {})
    ((_, value),) = keeper.evaluate(reading, 0).gates
    record = json.loads(value or b"")
    assert FIRST <= record["window_from"] < record["window_to"] <= LAST


@pytest.mark.parametrize("at", [FIRST, "2600-12-31T23:59:59.999999Z", LAST])
def test_bronze_lays_them_under_their_day(at: str) -> None:
    made = built([Record(number, NEVER_MS, payout(number, at)) for number in range(20)])
    assert [entry.path.split("/")[1] for entry in made.objects] == [f"dt={at[:10]}"]
