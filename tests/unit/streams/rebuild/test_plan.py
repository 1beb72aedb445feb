"""Where a rebuild begins, and which records it refuses to do without."""

from __future__ import annotations

import pytest

from agents.bronze.files import Commit, ObjectEntry
from schemas.times import DAY_US
from streams.rebuild.plan import MissingRecordsError, Past, Start
from streams.store.bronze_rows import row_of

DAY = 20_000
NOWHERE = 1 << 62


def commit(first: int, end: int, day: int = DAY, lost: tuple[int, int] | None = None) -> Commit:
    """A range with one object, of events of that day since 1970."""
    date = {DAY - 1: "2024-10-03", DAY: "2024-10-04", DAY + 1: "2024-10-05"}[day]
    entry = ObjectEntry(f"event=search.click/dt={date}/t+0+{first:020d}-{end - 1:020d}.ndjson.gz", 1, 1, "")
    return Commit(first=first, last=end - 1, next=end, objects=(entry,), lost=lost)


def past(
    *commits: Commit, beginning: int = 0, first: int = 0, lost: tuple[tuple[int, int], ...] = ()
) -> Past:
    return Past("t-0", first, commits, beginning, lost)


def test_all_is_there_in_bronze_or_in_kafka() -> None:
    assert past(commit(0, 9), beginning=NOWHERE).start(None) == Start(0, None)
    assert past(beginning=0).start(None) == Start(0, None)
    assert past(commit(5, 9), beginning=0).start(None) == Start(0, None)
    assert past(commit(5, 9), beginning=7, first=5).start(None) == Start(5, None)


def test_bronze_may_go_further_back_than_the_views() -> None:
    """Such as after the feed was deleted, when Kafka had deleted its first records."""
    assert past(commit(2, 9), beginning=7, first=7).start(None) == Start(2, None)


def test_records_that_are_nowhere_are_named() -> None:
    with pytest.raises(MissingRecordsError, match=r"t-0: the offsets 0 to 4 are neither .* --from"):
        past(commit(5, 9), beginning=7).start(None)
    with pytest.raises(MissingRecordsError, match="offsets 9 to 11 "):
        past(commit(0, 9), beginning=12).check(0, 20)
    with pytest.raises(MissingRecordsError, match="offsets 9 to 10 "):
        past(commit(0, 9), commit(11, 20), beginning=NOWHERE).check(3, 20)


def test_what_is_known_to_be_lost_is_not_missed() -> None:
    some = past(commit(0, 9), commit(11, 20), beginning=NOWHERE, lost=((9, 11),))
    some.check(0, 20)
    assert (some.loss(8), some.loss(9), some.loss(11)) == (None, 11, None)


def test_a_gap_that_kafka_has_is_none() -> None:
    past(commit(0, 9), commit(11, 20), beginning=9).check(0, 30)
    past(commit(0, 9), beginning=3).check(0, 30)
    past(commit(0, 9), beginning=NOWHERE).check(0, 9)


def test_a_range_is_found_by_an_offset_of_it() -> None:
    some = past(commit(0, 9), commit(9, 20))
    found = [some.covering(offset) for offset in (0, 8, 9, 19, 20)]
    assert [one.first if one else None for one in found] == [0, 0, 9, 9, None]


def test_from_a_day_on_begins_with_the_first_range_that_has_it() -> None:
    ranges = commit(0, 9, DAY - 1), commit(9, 20, DAY), commit(20, 30, DAY + 1)
    some = past(*ranges, beginning=NOWHERE)
    assert some.start(DAY * DAY_US + 5) == Start(9, DAY * DAY_US)
    assert some.start((DAY - 1) * DAY_US) == Start(0, None)
    assert some.start((DAY + 2) * DAY_US) == Start(30, (DAY + 2) * DAY_US)


def test_of_records_before_all_that_is_left_their_time_is_known_by_the_first_one_that_is() -> None:
    some = past(commit(5, 9), beginning=7).start(DAY * DAY_US)
    assert some == Start(5, DAY * DAY_US, cut=True)
    assert some.since(0) == DAY * DAY_US
    assert some.since(DAY * 86_400_000) == DAY * DAY_US + 300_000_000
    assert past(beginning=7).start(DAY * DAY_US) == Start(7, DAY * DAY_US, cut=True)
    assert past(commit(5, 9), beginning=3).start(DAY * DAY_US) == Start(3, DAY * DAY_US, cut=True)


def test_a_row_of_bronze_is_its_record() -> None:
    value = b'{"event":"x","payload":{"t":"\\",\\"_kafka\\":"}}'
    place = b',"_kafka":{"topic":"t","partition":0,"offset":7,"timestamp_ms":-1}}\n'
    row = row_of(value[:-1] + place)
    assert (row.offset, row.timestamp) == (7, -1)
    assert row.value == value
    adapted = b',"adapted":{"version":2,"payload":"{\\"_kafka\\":{\\"offset\\":1}}"}}}\n'
    assert row_of(value[:-1] + place.replace(b"}}\n", adapted)) == row
    with pytest.raises(ValueError, match="not found"):
        row_of(b'{"event":"x"}\n')
