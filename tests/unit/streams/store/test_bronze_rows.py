"""The records of a source partition, former Bronzes' first."""

from __future__ import annotations

from pathlib import Path

import pytest

from agents.bronze.files import CorruptFileError
from schemas.validation.reasons import UnreadBatch
from schemas.validation.validator import Validator
from streams.store.bronze_rows import BronzeRanges, Row, parts_of
from streams.store.former import former_lives
from streams.store.local import LocalStore
from tests.support.bronze_folder import write_bronze
from tests.support.events import AT_MS, click
from tests.support.feed_records import TOPIC
from tests.support.former_bronze import FIRST, NEWER, OLDER, OLDER_FIRST, write_two
from tests.support.kafka import Read


def ranges(tmp_path: Path) -> BronzeRanges:
    """Two former Bronzes and one of now, which has three records."""
    former = [LocalStore(path) for path in write_two(tmp_path)]
    reads = [Read(0, number, AT_MS, None, click(number), ()) for number in range(3)]
    write_bronze(tmp_path / "now", reads)
    return BronzeRanges(LocalStore(tmp_path / "now"), TOPIC, 0, Validator(), former)


async def test_the_offsets_of_all_are_one_line(tmp_path: Path) -> None:
    all_ranges = ranges(tmp_path)
    commits = await all_ranges.commits()
    assert await all_ranges.first() == commits[0].first == FIRST
    assert [one.next for one in commits[:-1]] == [one.first for one in commits[1:]]
    assert commits[-1].next == 3
    rows = [row for commit in commits for row in await all_ranges.rows(commit)]
    assert [row.offset for row in rows] == list(range(FIRST, 3))
    assert [row.timestamp for row in rows[: OLDER + NEWER]] == [
        AT_MS + number * 1000 for number in range(OLDER + NEWER)
    ]
    assert [isinstance(row.value, UnreadBatch) for row in rows].index(True) == OLDER + NEWER - 1
    assert all(one.topic_id is None for one in commits), "a former topic's id is not to be compared"


@pytest.mark.parametrize(("position", "found"), [(FIRST, 6), (FIRST + 1, 6), (-1, 3), (0, 2), (2, 1), (3, 0)])
async def test_ranges_from_an_offset_on(tmp_path: Path, position: int, found: int) -> None:
    commits = [one async for one in ranges(tmp_path).after(position)]
    assert len(commits) == found
    assert all(one.next > position for one in commits)


async def test_a_bronze_without_the_partition_is_none_of_its_lives(tmp_path: Path) -> None:
    older, newer = map(LocalStore, write_two(tmp_path))
    other = LocalStore(tmp_path / "other")
    lives = await former_lives([older, other, newer], TOPIC, 0)
    assert lives == [(older, -NEWER - OLDER_FIRST - OLDER), (newer, -NEWER)]
    assert await former_lives([older, newer], TOPIC, 1) == []


async def test_a_damaged_object_of_a_former_one_is_named(tmp_path: Path) -> None:
    all_ranges = ranges(tmp_path)
    (commit, *_) = await all_ranges.commits()
    broken = tmp_path / "older" / commit.objects[0].path
    broken.write_bytes(broken.read_bytes()[:-1])
    with pytest.raises(CorruptFileError, match="is not what was committed"):
        await all_ranges.rows(commit)


def test_parts_say_up_to_where_they_reach() -> None:
    rows = [Row(offset, 0, b"") for offset in (-5, -4, -2)]
    parts = [([row.offset for row in part], until) for part, until in parts_of(rows, -5, 0, 2)]
    assert parts == [([-5, -4], -3), ([-2], 0)]
    assert [*parts_of(rows, -1, 0, 2)] == [([], 0)]
