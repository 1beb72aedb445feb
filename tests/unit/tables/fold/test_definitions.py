"""What a partition goes on with when a release declares a view otherwise than the one before."""

from __future__ import annotations

import pytest

from tables.codec import decode_checkpoint
from tables.definitions import declaration_key, definition_of
from tables.fold.adoption import adopted, switched
from tables.fold.state import PartitionState
from tables.spec.view import View
from tables.spec.written import encode_view
from tables.views import VIEWS
from tables.views.kpi_funnel import KPI_FUNNEL
from tables.views.ops_payout_backlog import OPS_PAYOUT_BACKLOG
from tests.oracle.tables import Feed, make, write
from tests.support.changed_views import otherwise
from tests.support.partition_strategy import LIMITS, START_US, fold

TOPIC = "t"
FORMER = {view.name: otherwise(view) for view in (KPI_FUNNEL, OPS_PAYOUT_BACKLOG)}
ALL = tuple(VIEWS.values())
BEFORE = tuple(FORMER.get(view.name, view) for view in ALL)


def begin(feed: Feed, views: tuple[View, ...] = ALL, topic: str = TOPIC) -> PartitionState:
    state = PartitionState(topic, views, LIMITS)
    state.restore(feed)
    state.restored()
    return state


def go_on(feed: Feed, views: tuple[View, ...] = ALL, topic: str = TOPIC) -> PartitionState:
    """A worker of a release with these views begins, folds an impression and a payout, and writes."""
    state = begin(feed, views, topic)
    number = state.next_offset
    made = [
        make("search.impression", f"a{number}", START_US, START_US // 1000, "ulm"),
        make("payout.initiated", f"b{number}", START_US, START_US // 1000, payout_id=f"p{number}"),
    ]
    fold(state, made, {"accepted": {}, "duplicate": {}, "late_dropped": {}})
    write(feed, state.changes(0))
    return state


def hashes(feed: Feed, name: str) -> tuple[str, str | None]:
    checkpoint = decode_checkpoint(feed[b"c:t"])
    return checkpoint.views[name][0], checkpoint.beside.get(name, (None,))[0]


def test_a_former_definition_goes_on_from_its_declaration_in_the_feed() -> None:
    feed = Feed()
    go_on(feed, BEFORE)
    state = go_on(feed)
    go_on(feed)
    assert state.definitions.anew == {}
    for name, former in FORMER.items():
        assert hashes(feed, name) == (former.definition_hash, None)
        assert not [key for key in feed if definition_of(VIEWS[name]).encode() in key]
    assert decode_checkpoint(feed[b"c:t"]).partial_until == {}
    entities = [key for key in feed if key.startswith(b"e:ops_payout_backlog@")]
    assert len(entities) == 3


@pytest.mark.parametrize(
    "declaration", [None, b"{", encode_view(KPI_FUNNEL), encode_view(otherwise(VIEWS["kpi_gmv"]))]
)
def test_one_that_can_t_be_read_begins_anew(declaration: bytes | None) -> None:
    feed, former = Feed(), FORMER["kpi_funnel"]
    go_on(feed, BEFORE)
    key = declaration_key(former, TOPIC)
    del feed[key]
    if declaration is not None:
        feed[key] = declaration
    state = go_on(feed)
    assert state.definitions.anew.keys() == {"kpi_funnel"}
    checkpoint = decode_checkpoint(feed[b"c:t"])
    assert checkpoint.views["kpi_funnel"] == (KPI_FUNNEL.definition_hash, 2)
    assert checkpoint.partial_until.keys() == {"kpi_funnel"}
    assert not [key for key in feed if definition_of(former).encode() in key]


def test_one_with_a_damaged_record_begins_anew() -> None:
    feed = Feed()
    go_on(feed, BEFORE)
    for kind in (b"e:", b"w:"):
        key = next(key for key in feed if key.startswith(kind) and any(n.encode() in key for n in FORMER))
        feed[key] = b"\xc1"
    assert begin(feed).definitions.anew.keys() == FORMER.keys()


def test_a_view_that_is_no_more_is_deleted_with_its_declaration() -> None:
    feed = Feed()
    go_on(feed, BEFORE)
    less = tuple(view for view in ALL if view.name != "kpi_funnel")
    go_on(feed, less)
    assert not [key for key in feed if b"kpi_funnel" in key]


def test_an_idle_partition_gets_declarations_too() -> None:
    feed = Feed()
    go_on(feed, BEFORE)
    written = {key for key in feed if key.startswith(b"v:")}
    for key in written:  # as an earlier release leaves it
        del feed[key]
    state = begin(feed, BEFORE)
    assert state.dirty
    write(feed, state.changes(0))
    assert written <= feed.keys()
    assert not begin(feed, BEFORE).dirty


def adopt(feed: Feed, view: View, since_us: int | None = None) -> None:
    base = begin(Feed(), (view,), "t~x")
    checkpoint = decode_checkpoint(feed[b"c:t"])
    base.next_offset = checkpoint.next
    if since_us is not None:
        base.partial_until[view.name] = since_us
    there = {key for key in feed if definition_of(view).encode() in key and key[:1] in b"we"}
    write(feed, adopted(view, base, checkpoint, topic=TOPIC, there=there, at_ms=0))


def test_another_release_goes_on_with_both_and_with_either() -> None:
    feed = Feed()
    go_on(feed, BEFORE)
    adopt(feed, KPI_FUNNEL, since_us=7)
    for views in (BEFORE, ALL, BEFORE):  # a release that is rolled back, and forward, and back
        go_on(feed, views)
        assert hashes(feed, "kpi_funnel") == (
            FORMER["kpi_funnel"].definition_hash,
            KPI_FUNNEL.definition_hash,
        )
    write(feed, [switched(KPI_FUNNEL, TOPIC, decode_checkpoint(feed[b"c:t"]), 0)])
    for views in (BEFORE, ALL):
        go_on(feed, views)
        assert hashes(feed, "kpi_funnel") == (KPI_FUNNEL.definition_hash, None)
        assert not [key for key in feed if definition_of(FORMER["kpi_funnel"]).encode() in key]


def test_what_began_late_is_replaced_in_its_place() -> None:
    feed = Feed()
    go_on(feed, tuple(view for view in ALL if view.name != "kpi_funnel"))
    go_on(feed)
    assert decode_checkpoint(feed[b"c:t"]).partial_until.keys() == {"kpi_funnel"}
    adopt(feed, KPI_FUNNEL)
    checkpoint = decode_checkpoint(feed[b"c:t"])
    assert (checkpoint.beside, checkpoint.partial_until) == ({}, {})
    assert checkpoint.views["kpi_funnel"] == (KPI_FUNNEL.definition_hash, 4)
    assert not [key for key in feed if key.startswith(b"w:kpi_funnel")], "the base of this test is empty"


def test_one_that_waits_beside_is_replaced_by_another() -> None:
    feed = Feed()
    go_on(feed, BEFORE)
    adopt(feed, otherwise(FORMER["kpi_funnel"]), since_us=5)
    adopt(feed, KPI_FUNNEL)
    checkpoint = decode_checkpoint(feed[b"c:t"])
    assert checkpoint.beside == {"kpi_funnel": (KPI_FUNNEL.definition_hash, 2)}
    assert checkpoint.partial_until == {}
