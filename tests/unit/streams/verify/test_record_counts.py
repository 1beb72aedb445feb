"""When a bad record counts, in views over all records."""

from __future__ import annotations

from pathlib import Path

from streams.verify.record_counts import COUNTED_RECORDS
from streams.verify.records import BadRecord
from streams.verify.rules import Limits, apply_rules
from tests.support.feed_records import TOPIC
from tests.support.proofs import START_MS, Event, loaded

LIMITS = Limits(dedupe_seconds=0, pane_hours=2, closed_hours=1)
START = START_MS // 60_000


def bad(offset: int, kafka_ms: int) -> BadRecord:
    return BadRecord(TOPIC, 0, offset, kafka_ms, "_unknown", None, "web", "not_json")


async def minutes(folder: Path, events: list[Event], *records: BadRecord) -> dict[int, int]:
    """Offset → minute of the bad records that are kept."""
    async with loaded(folder, events, LIMITS) as database:
        await database.add_bad(records, "memory")
        await apply_rules(database, LIMITS)
        await database.run(COUNTED_RECORDS)
        found = await database.rows('SELECT "offset", minute FROM counted_records WHERE reason IS NOT NULL')
    return {row["offset"]: row["minute"] - START for row in found}


async def test_it_counts_at_its_kafka_timestamp_also_ahead_of_the_watermark(tmp_path: Path) -> None:
    events = [Event(0, 0, 30, "a")]
    ahead_ms = START_MS + 90 * 60_000 + 59_999
    assert await minutes(tmp_path, events, bad(1, START_MS), bad(2, ahead_ms)) == {1: 0, 2: 90}


async def test_without_a_timestamp_it_counts_at_the_watermark_of_then(tmp_path: Path) -> None:
    events = [Event(1, 0, 30, "a"), Event(2, 0, 20, "b"), Event(6, 0, 95, "c")]
    found = await minutes(tmp_path, events, bad(3, -1), bad(7, -1), bad(0, -1))
    assert found == {3: 30, 7: 95}, "what was before the first event has expired with it"


async def test_it_expires_with_its_hour(tmp_path: Path) -> None:
    events = [Event(0, 0, 180, "a")]
    assert await minutes(
        tmp_path, events, bad(1, START_MS + 59 * 60_000), bad(2, START_MS + 60 * 60_000)
    ) == {2: 60}


async def test_any_timestamp_has_a_minute(tmp_path: Path) -> None:
    found = await minutes(tmp_path, [Event(0, 0, 0, "a")], bad(1, 2**63 - 1))
    assert found == {1: (2**63 - 1) // 60_000 - START}
