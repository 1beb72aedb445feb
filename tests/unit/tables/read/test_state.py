from __future__ import annotations

import msgspec
import pytest

from tables.keys import FeedFormatError
from tables.read.state import ReaderState, Report
from tables.views import VIEWS
from tests.support.feed_records import TOPIC, checkpoint, entity, heartbeat, partial, reader

GMV, PAYOUTS = VIEWS["kpi_gmv"], VIEWS["ops_payout_backlog"]
GROUP = ("london", "GBP")


def gmv(state: ReaderState) -> list[list[int]]:
    panes = state.views["kpi_gmv"].panes
    assert panes is not None
    from tables.read.pane_sums import join

    return join(panes.total(0, 10_000).limbs)


def payouts(state: ReaderState) -> set[str]:
    entities = state.views["ops_payout_backlog"].entities
    assert entities is not None
    return {entity_id for entity_id in entities.ids if entity_id is not None}


def test_records_wait_for_their_checkpoint() -> None:
    state = reader(partial(GMV, "m", 5, [(GROUP, (1, 100, 0, 0, 0))]))
    assert gmv(state) == []
    assert state.views["kpi_gmv"].version == 0
    changed = state.apply(0, [checkpoint(10, 300.0)], monotonic=0.0)
    assert changed == {"kpi_gmv"}
    assert gmv(state) == [[1, 100, 0, 0, 0]]
    assert state.views["kpi_gmv"].version == 1
    assert state.checkpoints[TOPIC, 0].next == 10


def test_a_checkpoint_counts_for_its_own_topic_and_partition_alone() -> None:
    state = reader(partial(GMV, "m", 5, [(GROUP, (1, 100, 0, 0, 0))]))
    state.apply(0, [checkpoint(10, 300.0, topic="other")], monotonic=0.0)
    state.apply(1, [checkpoint(10, 300.0)], monotonic=0.0)
    assert gmv(state) == []


def test_totals_are_absolute_and_added_over_partitions() -> None:
    state = reader(partial(GMV, "m", 5, [(GROUP, (1, 100, 0, 0, 0))]), checkpoint(1, 300.0))
    state.apply(0, [partial(GMV, "m", 5, [(GROUP, (2, 250, 0, 0, 0))]), checkpoint(2, 300.0)], monotonic=0.0)
    state.apply(1, [partial(GMV, "m", 5, [(GROUP, (1, 7, 0, 0, 0))]), checkpoint(2, 300.0)], monotonic=0.0)
    assert gmv(state) == [[3, 257, 0, 0, 0]]


def test_a_pane_may_expire_or_move_into_its_hour() -> None:
    minute = partial(GMV, "m", 5, [(GROUP, (1, 100, 0, 0, 0))])
    state = reader(minute, checkpoint(1, 300.0))
    assert gmv(state) == [[1, 100, 0, 0, 0]]
    rolled = [partial(GMV, "h", 0, [(GROUP, (1, 100, 0, 0, 0))]), partial(GMV, "m", 5, None)]
    state.apply(0, [*rolled, checkpoint(2, 999_999.0)], monotonic=0.0)
    assert gmv(state) == [[1, 100, 0, 0, 0]]
    state.apply(0, [partial(GMV, "h", 0, None), checkpoint(3, 9_999_999.0)], monotonic=0.0)
    assert gmv(state) == []
    panes = state.views["kpi_gmv"].panes
    assert panes is not None
    assert panes.parts(-(10**9), 10**9) == {}


def test_a_pane_of_several_shards() -> None:
    shards = [partial(GMV, "m", 5, [((f"c{n}", "GBP"), (1, n, 0, 0, 0))], shard=n) for n in range(3)]
    assert gmv(reader(*shards, checkpoint(1, 300.0))) == [[1, n, 0, 0, 0] for n in range(3)]


def test_sums_stay_exact_beyond_64_bits() -> None:
    huge = 2**63 + 12345
    records = [partial(GMV, "m", n, [(GROUP, (1, huge, 0, 0, 2**53 - 1))]) for n in range(3000)]
    assert gmv(reader(*records, checkpoint(1, 300.0))) == [[3000, 3000 * huge, 0, 0, 3000 * (2**53 - 1)]]


def test_another_definition_of_a_view_and_workers_own_records_are_left_out() -> None:
    key, value, at = partial(GMV, "m", 5, [(GROUP, (1, 100, 0, 0, 0))])
    foreign = (key.replace(GMV.definition_hash.encode(), b"00000000"), value, at)
    ids = (b"d:events.raw:00000000000000000001", b"\x00" * 16, 0)
    assert gmv(reader(foreign, ids, checkpoint(1, 300.0))) == []


@pytest.mark.parametrize("key", [b"z:what", b"", b"nonsense"])
def test_a_record_of_an_unknown_kind_is_an_error(key: bytes) -> None:
    with pytest.raises(FeedFormatError):
        reader((key, b"", 0))


STATE = (True, 1_000_000, 0, "e1", "london", "GBP", 500, None, "p1")


def test_an_entity_is_the_newest_of_its_states_on_all_partitions() -> None:
    state = reader(entity(PAYOUTS, "po:1", STATE), checkpoint(1, 1.0))
    newer = (True, 2_000_000, 3, "e2", "paris", "EUR", 700, None, "p1")
    state.apply(1, [entity(PAYOUTS, "po:1", newer), checkpoint(1, 2.0)], monotonic=0.0)
    entities = state.views["ops_payout_backlog"].entities
    assert entities is not None
    assert len(entities) == 1
    assert msgspec.structs.astuple(entities.state(0)) == newer
    state.apply(1, [entity(PAYOUTS, "po:1", None), checkpoint(2, 2.0)], monotonic=0.0)
    assert msgspec.structs.astuple(entities.state(0)) == STATE
    state.apply(0, [entity(PAYOUTS, "po:1", None), checkpoint(2, 2.0)], monotonic=0.0)
    assert payouts(state) == set()


def test_a_tombstone_of_a_partition_that_never_had_it_changes_nothing() -> None:
    state = reader(entity(PAYOUTS, "a", STATE), checkpoint(1, 1.0))
    state.apply(
        1, [entity(PAYOUTS, "a", None), entity(PAYOUTS, "b", None), checkpoint(1, 1.0)], monotonic=0.0
    )
    assert payouts(state) == {"a"}


def test_a_forgotten_entitys_slot_is_taken_by_another() -> None:
    state = reader(entity(PAYOUTS, "a", STATE), entity(PAYOUTS, "b", STATE), checkpoint(1, 1.0))
    state.apply(
        0, [entity(PAYOUTS, "a", None), entity(PAYOUTS, "c", STATE), checkpoint(2, 1.0)], monotonic=0.0
    )
    entities = state.views["ops_payout_backlog"].entities
    assert entities is not None
    assert entities.ids == ["c", "b"]
    assert int(entities.seen(None).sum()) == 2


def test_a_heartbeats_age_is_its_records_at_a_start_and_its_arrival_later() -> None:
    state = ReaderState(VIEWS, 2880, 840)
    state.apply(0, [heartbeat((0, 5, 5, None), kafka_ms=40_000)], monotonic=100.0, wall_ms=60_000)
    assert state.reports[TOPIC, 0].heard_at == 80.0
    state.apply(0, [heartbeat((0, 5, 9, None), kafka_ms=40_000)], monotonic=101.0)
    assert state.reports[TOPIC, 0] == Report("w1", 5, 9, None, 101.0)


def test_an_older_report_does_not_replace_a_newer_one() -> None:
    state = ReaderState(VIEWS, 2880, 840)
    state.apply(0, [heartbeat((0, 5, 5, None), kafka_ms=60_000)], monotonic=100.0, wall_ms=60_000)
    state.apply(1, [heartbeat((0, 1, 5, 7), worker="w0", kafka_ms=1_000)], monotonic=100.0, wall_ms=60_000)
    assert state.reports[TOPIC, 0].worker == "w1"
    state.apply(0, [(heartbeat()[0], None, 0)], monotonic=101.0)
    assert state.reports[TOPIC, 0].worker == "w1"


def test_a_checkpoint_that_a_worker_claims_is_waited_for() -> None:
    state = reader(checkpoint(5, 1.0))
    state.apply(1, [heartbeat((0, 9, 9, None))], monotonic=3.0)
    state.apply(1, [heartbeat((0, 11, 11, None))], monotonic=4.0)
    assert state.claims[TOPIC, 0] == (9, 3.0)
    state.apply(0, [checkpoint(9, 1.0)], monotonic=5.0)
    assert state.claims == {}
