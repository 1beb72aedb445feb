from __future__ import annotations

from typing import Any

import pytest

from tables.query.params import parse_view_query
from tables.query.views import answer_view
from tables.read.state import ReaderState
from tables.views import VIEWS
from tests.support.feed_records import TOPIC, checkpoint, heartbeat, partial, reader, situation

GMV = VIEWS["kpi_gmv"]
NOW_S = 1_000_000.0
NOW_MS = int(NOW_S * 1000)


def ask(state: ReaderState, **now: Any) -> dict[str, Any]:
    return answer_view(state, GMV, parse_view_query(GMV, []), situation(**{"wall_s": NOW_S, **now}))


def healthy() -> ReaderState:
    return reader(checkpoint(10, NOW_S - 1), heartbeat((0, 10, 10, None)))


NOBODY = "no worker has reported on it for 10 s"


def test_all_read_and_reported_is_complete() -> None:
    answer = ask(healthy(), monotonic=2.0)
    assert answer["complete"] is True
    assert answer["freshness_seconds"] == 2.0
    assert answer["partitions"] == [
        {
            "topic": TOPIC,
            "partition": 0,
            "watermark": "1970-01-12T13:46:39Z",
            "first_offset": 0,
            "checkpoint_offset": 10,
            "lag_records": 0,
        }
    ]


@pytest.mark.parametrize(
    ("now", "why"),
    [
        ({"monotonic": 10.001}, f"{TOPIC}-0: {NOBODY}"),
        ({"partitions": 2}, f"{TOPIC}-1: {NOBODY}"),
        ({"partitions": None}, f"{TOPIC}: the topic does not exist, or Kafka has not said yet"),
        ({"topics": {TOPIC: 1, "other": None}}, "other: the topic does not exist, or Kafka has not said yet"),
        ({"feed_read": False}, "the feed has not been read to its end"),
    ],
)
def test_incomplete_and_why(now: dict[str, Any], why: str) -> None:
    healed = ask(healthy(), monotonic=10.0)
    assert healed["complete"] is True
    assert "incomplete_because" not in healed
    answer = ask(healthy(), **now)
    assert answer["complete"] is False
    (said,) = answer["incomplete_because"]
    assert said.startswith(why)


def test_of_several_partitions_each_says_what_is_the_matter_with_it() -> None:
    until_us = int(NOW_S * 1e6)
    state = reader(
        checkpoint(10, NOW_S - 1, lost=[(1, 2), (3, 5)], partial_until={GMV.name: until_us}),
        heartbeat((0, 10, 15, NOW_MS - 61_000)),
    )
    answer = ask(state, partitions=2)
    first, second = (partition["incomplete_because"] for partition in answer["partitions"])
    assert first == (
        "a record has been unread for over 60 s; records were lost: Kafka deleted the offsets 3 to 4 unread,"
        " and 1 ranges before them; events from before 1970-01-12T13:46:40Z may be missing"
    )
    assert second == NOBODY
    assert answer["incomplete_because"] == [f"{TOPIC}-0: {first}", f"{TOPIC}-1: {second}"]


def test_a_view_that_began_later_is_not_told_as_a_loss() -> None:
    began = checkpoint(
        10, NOW_S - 1, partial_until={GMV.name: int(NOW_S * 1e6)}, views={GMV.name: (GMV.definition_hash, 7)}
    )
    (said,) = ask(reader(began, heartbeat((0, 10, 10, None))))["incomplete_because"]
    assert said.startswith(f"{TOPIC}-0: kpi_gmv began at offset 7, after the partition's first records")
    assert "lost" not in said


def test_unread_records_may_not_be_older_than_the_limit() -> None:
    state = reader(checkpoint(10, 1.0), heartbeat((0, 10, 15, NOW_MS - 60_000)))
    answer = ask(state)
    assert answer["complete"] is True
    assert answer["freshness_seconds"] == 60.0
    assert answer["partitions"][0]["lag_records"] == 5
    assert ask(state, wall_s=NOW_S + 0.01)["complete"] is False
    state.apply(0, [checkpoint(15, 1.0)], monotonic=0.0)
    answer = ask(state, wall_s=NOW_S + 0.01)
    assert answer["complete"] is True
    assert answer["partitions"][0]["lag_records"] == 0


def test_a_checkpoint_that_does_not_arrive_makes_answers_incomplete() -> None:
    state = reader(checkpoint(10, 1.0))
    for second in range(100):
        state.apply(1, [heartbeat((0, 20, 20, None))], monotonic=float(second))
        answer = ask(state, monotonic=float(second))
        assert answer["complete"] is (second <= 60)
        assert answer["freshness_seconds"] == float(second)


def test_a_partition_without_events_needs_no_checkpoint() -> None:
    answer = ask(reader(heartbeat((0, 0, 0, None))))
    assert answer["complete"] is True
    assert answer["partitions"][0] == {
        "topic": TOPIC, "partition": 0, "watermark": None, "first_offset": None, "checkpoint_offset": 0,
        "lag_records": 0,
    }  # fmt: skip


def test_a_partition_that_nobody_reports_on_is_unknown() -> None:
    answer = ask(reader())
    assert (answer["complete"], answer["freshness_seconds"]) == (False, None)
    assert answer["partitions"] == [
        {
            "topic": TOPIC,
            "partition": 0,
            "watermark": None,
            "first_offset": None,
            "checkpoint_offset": None,
            "lag_records": None,
            "incomplete_because": NOBODY,
        }
    ]


@pytest.mark.parametrize(("age_hours", "complete"), [(1, False), (23, False), (25, True)])
def test_lost_records_make_answers_incomplete_that_reach_back_to_them(age_hours: int, complete: bool) -> None:
    until_us = int((NOW_S - age_hours * 3600) * 1_000_000)
    partial = {GMV.name: until_us, "kpi_funnel": until_us}
    lossy = checkpoint(10, NOW_S - 1, lost=[(3, 5)], partial_until=partial)
    state = reader(lossy, heartbeat((0, 10, 10, None)))
    assert ask(state)["complete"] is complete
    backlog = VIEWS["ops_payout_backlog"]
    missing = reader(
        checkpoint(10, NOW_S - 1, partial_until={backlog.name: until_us}), heartbeat((0, 10, 10, None))
    )
    answer = answer_view(missing, backlog, parse_view_query(backlog, []), situation(wall_s=NOW_S))
    assert answer["complete"] is False, "open entities may be of any age"


@pytest.mark.parametrize("views", [{}, {"kpi_gmv": ("00000000", 0)}])
def test_a_worker_that_computes_another_definition_makes_answers_incomplete(views: dict[str, Any]) -> None:
    state = reader(checkpoint(10, 1.0, views=views), heartbeat((0, 10, 10, None)))
    assert ask(state)["complete"] is False


def test_a_topic_that_is_no_longer_read_is_listed_and_waited_for_by_nobody() -> None:
    booked = partial(GMV, "m", int(NOW_S) // 60 - 60, [(("ulm", "EUR"), (1, 5, 0, 0, 0))], topic="old")
    lossy = checkpoint(3, NOW_S - 3600, "old", lost=[(1, 2)], partial_until={GMV.name: int(NOW_S * 1e6)})
    state = healthy()
    state.apply(0, [booked, lossy], monotonic=0.0)
    answer = ask(state)
    assert (answer["complete"], answer["freshness_seconds"]) == (True, 0.0)
    assert answer["watermark"] == "1970-01-12T13:46:39Z", "that of the topic that is read"
    assert [row["gmv_minor"] for row in answer["rows"]] == [5]
    assert answer["partitions"][0] == {
        "topic": TOPIC, "partition": 0, "watermark": "1970-01-12T13:46:39Z", "first_offset": 0,
        "checkpoint_offset": 10, "lag_records": 0,
    }  # fmt: skip
    assert answer["partitions"][1] == {
        "topic": "old", "partition": 0, "watermark": "1970-01-12T12:46:40Z", "first_offset": 0,
        "checkpoint_offset": 3, "lag_records": None,
        "incomplete_because": answer["partitions"][1]["incomplete_because"],
    }  # fmt: skip
    assert ask(state, topics={TOPIC: 1, "old": 1})["complete"] is False


def test_partitions_of_all_topics_are_listed_in_order() -> None:
    answer = ask(healthy(), topics={TOPIC: 12, "a.topic": 1})
    assert [(p["topic"], p["partition"]) for p in answer["partitions"]] == [
        ("a.topic", 0), *((TOPIC, number) for number in range(12)),
    ]  # fmt: skip


def test_a_partition_whose_checkpoint_has_not_been_read_is_not_waited_for_as_if_it_were_empty() -> None:
    """Its feed partition has just been added: what it has so far is in no answer."""
    state = reader(checkpoint(10, 1.0), heartbeat((0, 10, 10, None), (1, 7, 7, None)))
    assert ask(state, partitions=2)["complete"] is False
    state = reader(checkpoint(10, 1.0), heartbeat((0, 10, 10, None), (1, 0, 0, None)))
    assert ask(state, partitions=2)["complete"] is True, "nothing has been read of it"
