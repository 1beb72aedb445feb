"""The rules of the proof against records made by hand: who is a duplicate, what is late, what has expired."""

from __future__ import annotations

from pathlib import Path

import pytest

from streams.verify.rules import Limits, apply_rules
from tests.support.proofs import Event, loaded

LIMITS = Limits(dedupe_seconds=3600, pane_hours=2, closed_hours=168)
WINDOW = 60
"""The dedupe window in minutes."""


async def judged(
    folder: Path, events: list[Event], watermark: float | None = None
) -> tuple[dict[int, int], list[int], list[int]]:
    """Duplicates with the offset of the first occurrence; late ones; those that count in sums."""
    async with loaded(folder, events, LIMITS, watermark) as records:
        await apply_rules(records, LIMITS)
        duplicates = await records.rows('SELECT "offset", first_offset FROM duplicates')
        late = await records.rows('SELECT "offset" FROM late ORDER BY ALL')
        kept = await records.rows('SELECT "offset" FROM events ORDER BY ALL')
    first = {row["offset"]: row["first_offset"] for row in duplicates}
    return first, [row["offset"] for row in late], [row["offset"] for row in kept]


def at(offset: int, kafka: float, event_id: str = "a", partition: int = 0) -> Event:
    return Event(offset, kafka, 0, event_id, partition=partition)


async def test_an_id_counts_once_in_its_window_and_then_anew(tmp_path: Path) -> None:
    events = [
        at(0, 0),
        at(1, 1),
        at(3, WINDOW),  # in its last millisecond
        at(4, WINDOW + 1 / 60_000),  # a first one again
        at(7, 2 * WINDOW),
        at(8, 2 * WINDOW + 2 / 60_000),
        at(9, 2 * WINDOW + 1, "b"),
    ]
    duplicates, _, kept = await judged(tmp_path, events)
    assert duplicates == {1: 0, 3: 0, 7: 4}
    assert kept == [0, 4, 8, 9]


async def test_what_is_out_of_order_is_counted_from_the_first_that_came(tmp_path: Path) -> None:
    duplicates, _, _ = await judged(tmp_path, [at(0, 500), at(1, 3), at(2, 500 + WINDOW), at(3, 561)])
    assert duplicates == {1: 0, 2: 0}


async def test_on_another_partition_it_is_another_event(tmp_path: Path) -> None:
    events = [at(0, 0), at(0, 0, partition=1), at(1, 0, partition=1)]
    async with loaded(tmp_path, events, LIMITS) as records:
        await apply_rules(records, LIMITS)
        assert await records.rows('SELECT "partition", "offset" FROM duplicates') == [
            {"partition": 1, "offset": 1}
        ]


async def test_an_id_is_a_duplicate_whatever_the_event(tmp_path: Path) -> None:
    events = [at(0, 0), at(1, 0)._replace(name="payout.paid")]
    assert (await judged(tmp_path, events))[0] == {1: 0}


async def test_late_is_what_is_older_than_all_panes_when_it_comes(tmp_path: Path) -> None:
    events = [
        Event(0, 0, 120, "a"),
        Event(1, 0, 0, "b"),  # exactly as old as the panes
        Event(2, 0, -1 / 60_000, "c"),  # a millisecond too old
        Event(3, 0, 300, "a"),  # a duplicate moves no watermark
        Event(4, 0, 1, "d"),
        Event(5, 0, 130, "e"),
        Event(6, 0, 9, "f"),
    ]
    duplicates, late, _ = await judged(tmp_path, events)
    assert duplicates == {3: 0}
    assert late == [2, 6]


async def test_what_came_in_time_expires_with_its_hour(tmp_path: Path) -> None:
    events = [Event(0, 0, -1, "a"), Event(1, 0, 0, "b"), Event(2, 0, 59, "c")]
    assert (await judged(tmp_path, events, watermark=179))[2] == [1, 2]
    (tmp_path / "later").mkdir()
    assert (await judged(tmp_path / "later", events, watermark=180))[2] == []


@pytest.mark.parametrize("cities", [["porto"], []])
async def test_what_may_not_be_seen_is_judged_and_not_shown(tmp_path: Path, cities: list[str]) -> None:
    events = [
        Event(0, 0, 0, "a", {"secret": 1}, city="lisbon"),
        Event(1, 0, 0, "a", {"shown": 1}, city="porto"),
        Event(2, 0, 0, "b", {"shown": 1}, city="porto"),
        Event(3, 0, 0, "c", {"secret": 1}, city=None),
    ]
    async with loaded(tmp_path, events, LIMITS, cities=cities) as records:
        await apply_rules(records, LIMITS)
        assert len(await records.rows("FROM duplicates")) == 1
        shown = [row["event_id"] for row in await records.rows("FROM folded")]
        assert shown == (["b"] if cities else [])
        assert "secret" not in str(await records.rows("SELECT event, city, source, payload FROM loaded"))
