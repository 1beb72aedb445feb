"""The latest states of entities against payouts made by hand: which event counts, and what is forgotten."""

from __future__ import annotations

from pathlib import Path

from streams.verify.latest import find_latest
from streams.verify.rules import Limits, apply_rules
from tables.views.ops_payout_backlog import OPS_PAYOUT_BACKLOG
from tests.support.proofs import Event, loaded

LIMITS = Limits(dedupe_seconds=0, pane_hours=100, closed_hours=1)
HOUR = 60


def payout(offset: int, state: str, occurred: float, event_id: str = "", partition: int = 0) -> Event:
    return Event(
        offset, 0, occurred, event_id or f"e{offset}", {"payout_id": "po"}, f"payout.{state}", None, partition
    )


def tick(offset: int, occurred: float, partition: int = 0) -> Event:
    """What moves the watermark alone."""
    return Event(offset, 0, occurred, f"t{offset}", partition=partition)


async def latest(folder: Path, *events: Event, watermark: float | None = None) -> list[tuple[int, int, str]]:
    """Partition, offset and state of the entities that there are."""
    async with loaded(folder, events, LIMITS, watermark) as records:
        await apply_rules(records, LIMITS)
        await find_latest(records, OPS_PAYOUT_BACKLOG.tracks, LIMITS.closed_hours)
        found = await records.rows('SELECT "partition", "offset", state FROM latest ORDER BY ALL')
    return [(row["partition"], row["offset"], row["state"]) for row in found]


async def test_time_rank_and_id_decide_whatever_the_order(tmp_path: Path) -> None:
    cases = {
        "time": [payout(0, "failed", 5), payout(1, "initiated", 4)],
        "rank": [payout(0, "failed", 5), payout(1, "initiated", 5)],
        "id": [payout(0, "failed", 5, "b"), payout(1, "failed", 5, "a")],
    }
    for name, events in cases.items():
        for order, expected in ((events, 0), (events[::-1], 1)):
            placed = [event._replace(offset=at) for at, event in enumerate(order)]
            folder = tmp_path / f"{name}{expected}"
            folder.mkdir()
            assert await latest(folder, *placed) == [(0, expected, "failed")], name


async def test_of_several_partitions_the_latest_counts(tmp_path: Path) -> None:
    events = [payout(0, "initiated", 1), payout(0, "failed", 2, partition=1)]
    assert await latest(tmp_path, *events) == [(1, 0, "failed")]


async def test_a_closed_one_is_forgotten_if_its_opening_was_seen(tmp_path: Path) -> None:
    opened = [payout(0, "initiated", 0), payout(1, "paid", 1)]
    (tmp_path / "a").mkdir()
    assert await latest(tmp_path / "a", *opened, watermark=HOUR + 1) == [(0, 1, "paid")]
    (tmp_path / "b").mkdir()
    assert await latest(tmp_path / "b", *opened, watermark=HOUR + 2) == []
    (tmp_path / "c").mkdir()
    assert await latest(tmp_path / "c", opened[1], watermark=HOUR + 2) == [(0, 1, "paid")]
    (tmp_path / "d").mkdir()
    late = [opened[1], payout(2, "initiated", 0)]
    assert await latest(tmp_path / "d", *late, watermark=HOUR + 2) == []


async def test_what_comes_after_it_was_forgotten_begins_anew(tmp_path: Path) -> None:
    closed = [payout(0, "initiated", 0), payout(1, "paid", 1), tick(2, HOUR + 2)]
    assert await latest(tmp_path, *closed, payout(3, "failed", -5)) == [(0, 3, "failed")]


async def test_what_comes_while_it_is_kept_does_not(tmp_path: Path) -> None:
    events = [payout(0, "initiated", 0), payout(1, "paid", 1), tick(2, HOUR + 1), payout(3, "failed", -5)]
    (tmp_path / "a").mkdir()
    assert await latest(tmp_path / "a", *events) == [(0, 1, "paid")]
    (tmp_path / "b").mkdir()
    assert await latest(tmp_path / "b", *events, tick(4, HOUR + 5)) == []


async def test_it_may_be_forgotten_twice(tmp_path: Path) -> None:
    events = [
        payout(0, "initiated", 0), payout(1, "paid", 1), tick(2, 2 * HOUR), payout(3, "paid", 2 * HOUR),
        tick(4, 4 * HOUR), payout(5, "initiated", 0),
    ]  # fmt: skip
    # The second life was not opened before: it is kept, and opened by what comes then.
    assert await latest(tmp_path, *events[:5]) == [(0, 3, "paid")]
    (tmp_path / "then").mkdir()
    assert await latest(tmp_path / "then", *events) == []
