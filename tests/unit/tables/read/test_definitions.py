"""Which definition of a view answers, and when readers switch."""

from __future__ import annotations

from typing import Any

import pytest

from tables.definitions import alias_of, declaration_key, definition_of
from tables.query.params import parse_view_query
from tables.query.views import answer_view
from tables.read.state import FeedItem, ReaderState
from tables.spec.view import View
from tables.spec.written import encode_view
from tables.views import VIEWS
from tables.views.kpi_funnel import KPI_FUNNEL
from tables.views.trust_risk import TRUST_RISK
from tests.support.changed_views import otherwise
from tests.support.feed_records import DEFINITIONS, TOPIC, checkpoint, entity, partial, situation

OLD = otherwise(KPI_FUNNEL)
RISK = otherwise(TRUST_RISK)
MINUTE = 29_000_000
MEMBERS = (True, 1, 0, "e", "ulm", *[None] * len(TRUST_RISK.tracks.keep))


def declared(view: View, topic: str = TOPIC) -> FeedItem:
    return declaration_key(view, topic), encode_view(view), 0


def at(next_: int, *, old: bool, new: bool, since_us: int | None = None, view: View = OLD) -> FeedItem:
    """A checkpoint with a view's former definition, with the new one beside it or in its place."""
    name, hashes = view.name, (view.definition_hash, VIEWS[view.name].definition_hash)
    partial_until = {}
    if since_us is not None:
        partial_until = {definition_of(VIEWS[name]) if old else name: since_us}
    return checkpoint(
        next_, MINUTE * 60.0, views={**DEFINITIONS, name: (hashes[0] if old else hashes[1], 0)},
        beside={name: (hashes[1], 0)} if old and new else {}, partial_until=partial_until,
    )  # fmt: skip


def clicks(view: View, count: int) -> FeedItem:
    row = [count] if view is OLD else [count, count, 0, 0, 0]
    return partial(view, "m", MINUTE, [(("ulm",), row)])


def ask(reader: ReaderState, view: str = "kpi_funnel") -> dict[str, Any]:
    answering = reader.views[view].view
    query = parse_view_query(answering, [("window", "1h"), ("as_of", str(MINUTE * 60_000 + 60_000))])
    return answer_view(reader, answering, query, situation(MINUTE * 60.0 + 60, partitions=2))


def test_readers_switch_with_the_last_partition_s_checkpoint() -> None:
    reader = ReaderState(VIEWS, 2880, 840)
    for partition in (0, 1):
        reader.apply(partition, [declared(OLD), clicks(OLD, 3), at(5, old=True, new=False)], monotonic=0.0)
    assert ask(reader)["rows"] == [{"city": "ulm", "impressions": 6}]
    assert any("`sluice views rebuild kpi_funnel`" in one for one in ask(reader)["warnings"])

    changed = reader.apply(0, [clicks(KPI_FUNNEL, 3), at(6, old=True, new=True)], monotonic=0.0)
    assert "kpi_funnel" not in changed
    assert ask(reader)["rows"] == [{"city": "ulm", "impressions": 6}]
    reader.apply(1, [clicks(KPI_FUNNEL, 4)], monotonic=0.0)
    assert ask(reader)["rows"] == [{"city": "ulm", "impressions": 6}]
    assert "kpi_funnel" in reader.apply(1, [at(6, old=True, new=True)], monotonic=0.0)
    (row,) = ask(reader)["rows"]
    assert (row["impressions"], row["clicks"]) == (7, 7)
    assert "warnings" not in ask(reader)

    for partition in (1, 0):  # in any order
        reader.apply(partition, [at(7, old=False, new=True)], monotonic=0.0)
        assert ask(reader)["rows"] == [row]


def test_a_declaration_may_come_after_what_it_is_of() -> None:
    reader = ReaderState(VIEWS, 2880, 840)
    records = [clicks(OLD, 3), entity(RISK, "user:u", MEMBERS)]
    views = {**DEFINITIONS, **{v.name: (v.definition_hash, 0) for v in (OLD, RISK)}}
    reader.apply(0, [*records, checkpoint(5, MINUTE * 60.0, views=views)], monotonic=0.0)
    assert ask(reader)["rows"] == []
    reader.apply(0, [declared(OLD), declared(RISK), checkpoint(6, MINUTE * 60.0, views=views)], monotonic=0.0)
    assert ask(reader)["rows"] == [{"city": "ulm", "impressions": 3}]
    state = reader.views["trust_risk"]
    assert state.view == RISK
    assert state.entities is not None
    assert state.entities.seen(None).sum() == 1


def test_since_is_that_of_the_definition_that_answers() -> None:
    reader = ReaderState(VIEWS, 2880, 840)
    reader.apply(0, [declared(OLD), at(5, old=True, new=True, since_us=60_000_000)], monotonic=0.0)
    assert ask(reader)["since"] == "1970-01-01T00:01:00Z"
    reader.apply(1, [declared(OLD), at(5, old=True, new=False)], monotonic=0.0)
    assert reader.views["kpi_funnel"].view == OLD
    assert ask(reader)["since"] is None
    reader.apply(1, [at(6, old=False, new=True, since_us=120_000_000)], monotonic=0.0)
    assert ask(reader)["since"] == "1970-01-01T00:02:00Z"


@pytest.mark.parametrize("value", [b"", b"{}", b'{"is":"Windowed","of":{}}', b'{"is":"None such","of":{}}'])
def test_a_declaration_that_is_none_answers_nothing(value: bytes) -> None:
    reader = ReaderState(VIEWS, 2880, 840)
    bad = (declaration_key(OLD, TOPIC), value, 0)
    reader.apply(0, [bad, clicks(OLD, 3), at(5, old=True, new=False)], monotonic=0.0)
    assert ask(reader)["rows"] == []
    (why, *_) = ask(reader)["incomplete_because"]
    assert why


def test_a_damaged_record_of_a_former_definition_is_left_out_and_told() -> None:
    reader = ReaderState(VIEWS, 2880, 840)
    key, _, _ = clicks(OLD, 3)
    reader.apply(0, [declared(OLD), (key, b"\xc1", 0), at(5, old=True, new=False)], monotonic=0.0)
    assert ask(reader)["rows"] == []
    assert reader.damaged == {(TOPIC, 0): {key}}


def test_a_definition_with_a_damaged_record_that_came_before_it_answers_nothing() -> None:
    reader = ReaderState(VIEWS, 2880, 840)
    views = {**DEFINITIONS, RISK.name: (RISK.definition_hash, 0)}
    records = [entity(RISK, "user:u", MEMBERS[:6]), declared(RISK), checkpoint(5, 1.0, views=views)]
    reader.apply(0, [records[0], records[2]], monotonic=0.0)
    reader.apply(0, records[1:], monotonic=0.0)
    assert reader.views["trust_risk"].view == TRUST_RISK


def test_what_a_rebuild_keeps_is_nobodys_state() -> None:
    reader = ReaderState(VIEWS, 2880, 840)
    alias = alias_of(TOPIC, KPI_FUNNEL)
    kept = [
        declared(KPI_FUNNEL, alias),
        partial(KPI_FUNNEL, "m", MINUTE, [(("ulm",), [9, 9, 0, 0, 0])], topic=alias),
        entity(TRUST_RISK, "user:u", MEMBERS, topic=alias),
        checkpoint(9, 1.0, topic=alias),
    ]
    assert reader.apply(0, kept, monotonic=0.0) == set()
    assert reader.checkpoints == {}
