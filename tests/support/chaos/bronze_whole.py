"""Holds a Bronze folder against the raw topics: each offset once, as it came."""

from __future__ import annotations

import json
from pathlib import Path

from streams.settings import Settings
from tests.support.bronze_rows import Bronze
from tests.support.feed import Source, source_ends
from tests.support.kafka import Read, read_all


async def commit_differences(folder: Path, settings: Settings) -> list[str]:
    """Each partition's commits go from 0 to its end, adjacent, and nothing is lost."""
    found: list[str] = []
    ends = await source_ends(settings)
    for (topic, partition), end in ends.items():
        at = 0
        for file in sorted((folder / "_commits" / topic / str(partition)).glob("*.json")):
            commit = json.loads(file.read_bytes())
            if (commit["first"], commit["last"]) != (at, commit["next"] - 1) or int(file.stem) != at:
                found.append(f"{file.name} of {topic}-{partition} should begin at {at}: {commit}")
            if commit.get("lost") is not None:
                found.append(f"{file.name} of {topic}-{partition} has lost {commit['lost']}")
            at = commit["next"]
        if at != end:
            found.append(f"{topic}-{partition} is committed to {at}, not {end}")
    sources = {_source(path) for path in (folder / "_commits").rglob("*.json")}
    return found + [f"commits of {source}, which is no partition" for source in sources - ends.keys()]


def _source(commit: Path) -> Source:
    return commit.parent.parent.name, int(commit.parent.name)


async def row_differences(bronze: Bronze, settings: Settings) -> list[str]:
    """Every record is a row, once, with its bytes and its time."""
    found: list[str] = []
    for topic in settings.raw_topics:
        reads = await read_all(settings.kafka[0], topic)
        came = {(read.partition, read.offset): read for read in reads}
        rows = {(row.partition, row.offset): row for row in bronze.records[topic]}
        found += [f"{topic}: {place} is no row" for place in sorted(came.keys() - rows.keys())[:20]]
        found += [f"{topic}: {place} is of no topic" for place in sorted(rows.keys() - came.keys())[:20]]
        if len(bronze.records[topic]) != len(reads):
            found.append(f"{topic}: {len(bronze.records[topic])} rows of {len(reads)} records")
        found += [
            f"{topic}: {row} is not as it came: {came[place]}"
            for place, row in rows.items()
            if place in came and not _same(row, came[place], bad=(topic, *place) in bronze.bad)
        ]
    return found


def _same(row: Read, read: Read, *, bad: bool) -> bool:
    if row.timestamp_ms != read.timestamp_ms:
        return False
    if bad or row.value == read.value:
        return row.value == read.value
    # White space between members may go; their order and the way they are written may not.
    return _pairs(row.value) == _pairs(read.value)


def _pairs(value: bytes | None) -> object:
    return json.loads(value or b"", object_pairs_hook=list, parse_float=str)
