"""Which of Bronze's ranges have an answer's records, and the wait for them."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path

import pytest

from agents.bronze.files import Commit, CorruptFileError, commit_path, encode
from streams.store.local import LocalStore
from streams.verify.answer import Span
from streams.verify.ranges import BronzeBehindError, PartitionRanges, until_covered
from tables.fingerprint import RecordFingerprint

TOPIC = "events.raw"
HOUR_MS = 3_600_000


def commit(folder: Path, first: int, following: int, hour: float | None = None, **more: object) -> None:
    """A range whose last record is of this hour."""
    last = None if hour is None else RecordFingerprint(following - 1, int(hour * HOUR_MS), 0)
    made = Commit(first=first, last=following - 1, next=following, objects=(), last_record=last, **more)  # type: ignore[arg-type]
    path = folder / commit_path(TOPIC, 0, first)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(encode(made))


def ranges(folder: Path, first: int, following: int) -> PartitionRanges:
    return PartitionRanges(LocalStore(folder), Span(TOPIC, 0, first, following, None))


@pytest.fixture
def bronze(tmp_path: Path) -> Path:
    """Ten ranges of ten offsets, an hour each."""
    for number in range(10):
        commit(tmp_path, number * 10, number * 10 + 10, number + 1)
    return tmp_path


@pytest.mark.parametrize(
    ("first", "following", "hour", "expected"),
    [
        (0, 100, None, range(0, 100, 10)),
        (15, 35, None, (10, 20, 30)),
        (20, 30, None, (20,)),
        (0, 100, 7.5, (70, 80, 90)),
        (0, 100, 7.05, (60, 70, 80, 90)),  # an event may be five minutes ahead of its record
        (0, 100, 7.1, (70, 80, 90)),
        (0, 75, 7.5, (70,)),
        (0, 100, 99, ()),
        (85, 100, 3, (80, 90)),
    ],
)
async def test_the_ranges_that_may_have_the_records(
    bronze: Path, first: int, following: int, hour: float | None, expected: object
) -> None:
    looked = ranges(bronze, first, following)
    assert await looked.look()
    found = await looked.covering(None if hour is None else int(hour * HOUR_MS))
    assert [one.first for one in found.commits] == [*expected]  # type: ignore[misc]
    assert found.missing == []


async def test_a_range_of_unknown_time_may_have_any(tmp_path: Path) -> None:
    for number in range(4):
        commit(tmp_path, number * 10, number * 10 + 10)
    looked = ranges(tmp_path, 0, 40)
    await looked.look()
    assert len((await looked.covering(99 * HOUR_MS)).commits) == 4


async def test_what_is_in_no_range_is_told(tmp_path: Path) -> None:
    commit(tmp_path, 10, 20, 1)
    commit(tmp_path, 30, 40, 2, lost=(30, 33))
    looked = ranges(tmp_path, 5, 50)
    assert not await looked.look()
    found = await looked.covering(None)
    assert found.missing == [(5, 10), (20, 30), (30, 33), (40, 50)]
    late = await looked.covering(2 * HOUR_MS)
    assert late.missing == [(30, 33), (40, 50)], "what lies before is of no time that counts"


async def test_nothing_is_there(tmp_path: Path) -> None:
    looked = ranges(tmp_path, 5, 50)
    assert not await looked.look()
    assert await looked.covering(None) == ([], [(5, 50)])


async def test_what_is_no_commit_is_said(tmp_path: Path) -> None:
    folder = tmp_path / "_commits" / TOPIC / "0"
    folder.mkdir(parents=True)
    (folder / "notes.json").write_text("{}")
    with pytest.raises(CorruptFileError, match=r"notes.json is no commit: its name is not an offset"):
        await ranges(tmp_path, 0, 1).look()


async def test_waits_until_bronze_has_them_and_says_for_what(tmp_path: Path) -> None:
    commit(tmp_path, 0, 10, 1)
    told: list[str] = []

    def tell(text: str) -> None:
        told.append(text)
        commit(tmp_path, 10, 1_500, 2)

    async with asyncio.timeout(60):
        await until_covered([ranges(tmp_path, 0, 1_500)], 60, tell, time.monotonic())
    assert told == ["waiting for Bronze: events.raw-0 is at 10 of 1,500"]


async def test_does_not_wait_for_ever(tmp_path: Path) -> None:
    with pytest.raises(
        BronzeBehindError, match=r"after 0.01 s: events.raw-0 is at 0 of 1,500. Is there a `sluice"
    ):
        await until_covered([ranges(tmp_path, 0, 1_500)], 0.01, lambda _: None, time.monotonic())


async def test_bronze_has_the_time_since_the_answer_was_taken(tmp_path: Path) -> None:
    told: list[str] = []
    with pytest.raises(BronzeBehindError, match=r"after 60 s"):
        await until_covered([ranges(tmp_path, 0, 1_500)], 60, told.append, time.monotonic() - 60)
    assert told == []
