"""Two Bronzes of one partition, as they are left after Kafka was lost twice."""

from __future__ import annotations

from pathlib import Path

from tests.support.bronze_folder import write_bronze
from tests.support.events import AT_MS, click, event
from tests.support.feed_records import TOPIC
from tests.support.kafka import Read

OLDER_FIRST, OLDER, NEWER = 10, 6, 5
"""The first offset of the older one, and how many records each has."""
FIRST = -OLDER - NEWER
"""The first offset of all, where that of what comes next is 0."""
COUNTED, BAD = 9, 1
"""Clicks that are counted: one of the newer ones repeats one of the older, and one is bad."""


def write_two(folder: Path, topic: str = TOPIC, partition: int = 0) -> tuple[Path, Path]:
    """Write them; the older one, the newer one."""
    older = [click(number, city="oslo") for number in range(OLDER)]
    newer = [click(number, city="oslo") for number in range(OLDER - 1, OLDER + NEWER - 2)]
    newer.append(event("search.click", 99, {"session_id": "s"}, city="oslo"))
    found = folder / "older", folder / "newer"
    for path, first, values, at in ((found[0], OLDER_FIRST, older, 0), (found[1], 0, newer, OLDER)):
        reads = [
            Read(partition, first + number, AT_MS + (at + number) * 1000, None, value, ())
            for number, value in enumerate(values)
        ]
        write_bronze(path, reads, topic=topic, topic_id=f"{path.name}-topic")
    return found
