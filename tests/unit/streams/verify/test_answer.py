"""What an answer of the api says of the records that it rests on."""

from __future__ import annotations

from typing import Any

import pytest

from streams.verify.answer import Answer, UnfitAnswerError
from streams.verify.proof import obstacle
from tables.spec.measures import Measure, Unit
from tables.spec.windowed import Windowed
from tables.views import VIEWS

PARTITION: dict[str, Any] = {
    "topic": "events.raw", "partition": 0, "watermark": "2026-03-01T12:00:00Z", "first_offset": 5,
    "checkpoint_offset": 9, "lag_records": 0,
}  # fmt: skip
SAID: dict[str, Any] = {
    "as_of": "2026-03-01T12:00:00Z", "from": "2026-03-01T11:00:00Z", "to": "2026-03-01T12:00:00Z",
    "since": None, "partitions": [PARTITION], "rows": [],
}  # fmt: skip
GMV, PAYOUTS = VIEWS["kpi_gmv"], VIEWS["ops_payout_backlog"]


def answer(view: str = "kpi_gmv", **changes: Any) -> Answer:
    return Answer.of(VIEWS[view], {**SAID, **changes})


def test_it_rests_on_the_records_from_the_views_first_one_to_its_checkpoint() -> None:
    (span,) = answer().spans
    assert (span.name, span.first, span.next) == ("events.raw-0", 5, 9)
    assert span.first_hour(24) == 492_324 - 24
    nothing = [
        {**PARTITION, "first_offset": None},
        {**PARTITION, "checkpoint_offset": None},
        {**PARTITION, "checkpoint_offset": 5},
    ]
    assert answer(partitions=nothing).spans == ()
    assert answer(partitions=nothing).known == {"events.raw-0"}
    assert answer(partitions=[{**PARTITION, "watermark": None}]).spans[0].first_hour(24) is None


def test_what_is_no_answer_of_this_release_is_said() -> None:
    old = {name: value for name, value in PARTITION.items() if name != "first_offset"}
    with pytest.raises(UnfitAnswerError, match=r"kpi_gmv is not what this release knows \('first_offset'\)"):
        answer(partitions=[old])
    with pytest.raises(UnfitAnswerError):
        answer(since="yesterday")
    with pytest.raises(UnfitAnswerError, match="'currency'"):
        answer(rows=[{"city": "lisbon"}])


@pytest.mark.parametrize(
    ("view", "since", "partial"),
    [
        ("kpi_gmv", "2026-03-01T11:00:00Z", False),
        ("kpi_gmv", "2026-03-01T11:00:00.000001Z", True),
        ("promo_spend", "2020-01-01T00:00:00Z", True),
    ],
)
def test_what_began_later_is_proved_where_that_does_not_matter(view: str, since: str, partial: bool) -> None:
    found = answer(view, since=since, incomplete_because=["events.raw-0: records were lost"])
    why = obstacle(found)
    assert (why is not None) == partial
    if why:
        assert "may be missing from the answer: events.raw-0: records were lost" in why


def test_an_entity_view_that_began_later_is_not_proved() -> None:
    window = {"from": None, "to": None}
    assert obstacle(answer("ops_payout_backlog", **window)) is None
    why = obstacle(answer("ops_payout_backlog", since="2020-01-01T00:00:00Z", **window))
    assert why == (
        "events from before 2020-01-01T00:00:00Z may be missing from the answer: it began later, or records"
        " were lost"
    )


UNREAD = "the feed has not been read to its end yet"
UNHEARD = "no worker has reported on it for 10 s"


def test_an_answer_without_records_proves_nothing() -> None:
    nothing = "there are no records, and no row: nothing can be proved"
    assert obstacle(answer(partitions=[])) == nothing
    assert obstacle(answer(partitions=[{**PARTITION, "checkpoint_offset": 5}])) == nothing
    why = obstacle(answer(partitions=[], incomplete_because=[UNREAD]))
    assert why == f"the answer rests on no records: {UNREAD}"
    rows = [{"city": "lisbon", "currency": "EUR", "bookings": 1}]
    assert obstacle(answer(partitions=[], rows=rows)) is None, "it is held against no records"


@pytest.mark.parametrize("unknown", ["first_offset", "checkpoint_offset"])
def test_an_answer_that_lacks_a_whole_partition_is_not_proved(unknown: str) -> None:
    lacking = {**PARTITION, "partition": 1, unknown: None, "incomplete_because": UNHEARD}
    because = [f"events.raw-0: {UNHEARD}", f"events.raw-1: {UNHEARD}"]
    why = obstacle(answer(partitions=[PARTITION, lacking], incomplete_because=because))
    assert why == f"whole partitions may be missing from the answer: events.raw-1: {UNHEARD}"


@pytest.mark.parametrize(
    "because", [UNREAD, "other.raw: the topic does not exist, or Kafka has not said yet how many partitions"]
)
def test_neither_is_one_of_which_not_all_partitions_are_known(because: str) -> None:
    why = obstacle(answer(incomplete_because=[because]))
    assert why == f"whole partitions may be missing from the answer: {because}"


def test_one_whose_partitions_lag_is_proved_up_to_where_it_goes() -> None:
    empty = {**PARTITION, "partition": 1, "first_offset": 0, "checkpoint_offset": 0}
    not_begun = {**PARTITION, "partition": 2, "first_offset": None, "checkpoint_offset": 0}
    because = [f"events.raw-0: {UNHEARD}", f"events.raw-1: {UNHEARD}"]
    assert obstacle(answer(partitions=[PARTITION, empty, not_begun], incomplete_because=because)) is None


def test_what_sql_has_no_words_for_is_not_proved() -> None:
    class Odd(Measure):
        unit = Unit.COUNT

    view = Windowed(name="odd", description="O", dimensions=("city",), measures=(Odd("m", "M"),))
    assert obstacle(Answer.of(view, SAID)) == "odd has measures of kinds for which there is no SQL"


def test_groups_beyond_the_limit_are_noticed() -> None:
    assert not answer(rows=[{"city": None, "currency": "GBP"}]).sums_others
    others = answer(rows=[{"city": "_other", "currency": "GBP"}])
    assert others.sums_others
    assert others.never_other == ("currency",)
    of_one_city = Answer.of(GMV, SAID, filters={"city": ["lisbon"]}, sums_others=True)
    experiments = answer("exp_metric_cuped", rows=[{"exp_key": "_other", "variant": "_other"}])
    said = "groups beyond SLUICE_MAX_GROUPS are one, _other: which, depends on their order"
    assert [obstacle(one) for one in (others, of_one_city, experiments)] == [said] * 3
    in_total = Answer.of(GMV, {**SAID, "rows": [{"currency": "GBP"}]}, ("currency",))
    assert obstacle(in_total) is None
