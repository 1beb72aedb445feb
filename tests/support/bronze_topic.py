"""What a raw topic has that a bronze worker reads, and what is to be in its store then: each record, once."""

from __future__ import annotations

import json
from typing import Any

from agents.bronze.store import Store, StoreError
from streams.store.bronze_reader import BronzeReader
from streams.store.bronze_verify import Verdict, verify
from tests.support.bronze_rows import Bronze
from tests.support.events import click, declined
from tests.support.feed import FeedWatcher
from tests.support.kafka import Raw, read_all, wait_until
from tests.support.processes import Role, Sluice

Place = tuple[int, int]


def some(count: int, start: int = 0) -> list[Raw]:
    """Records on both partitions, one in ten bad."""
    return [
        Raw(_value(number), f"k{number}".encode(), partition=number % 2)
        for number in range(start, start + count)
    ]


def _value(number: int) -> bytes | None:
    if number % 10 == 7:
        return [None, b"", b"\xff\xfe", b"{}", b"[1,\n2]"][number // 10 % 5]
    if number % 10 == 3:
        return json.dumps(json.loads(declined(number)), indent=2).encode() + b"\n"
    return click(number, city=["berlin", "rome", None][number % 3])


async def rows_of(store: Store) -> dict[Place, list[dict[str, Any]]]:
    """Committed rows by (partition, offset)."""
    rows: dict[Place, list[dict[str, Any]]] = {}
    async for line in BronzeReader(store).rows():
        row = json.loads(line)
        kafka = row["_kafka"]
        rows.setdefault((kafka["partition"], kafka["offset"]), []).append(row)
    return rows


async def covered(store: Store) -> dict[int, int]:
    """The next offset of each partition."""
    return {partition: commit.next async for _, partition, commit in BronzeReader(store).commits()}


async def until_covered(sluice: Sluice, store: Store, *roles: Role, seconds: float = 60.0) -> None:
    """Wait until the commits reach the ends of the raw topic."""
    read = await read_all(sluice.settings.kafka[0], sluice.raw_topic)
    ends = {record.partition: record.offset + 1 for record in read}

    async def all_there() -> bool:
        for role in roles:
            assert role.running, role.tail()
        try:
            there = await covered(store)
        except StoreError:
            return False
        return all(there.get(partition, 0) >= end for partition, end in ends.items())

    await wait_until(all_there, "Bronze to cover the topic", seconds=seconds)


async def all_read(sluice: Sluice, feed: FeedWatcher, views: Role, bronze: Role) -> Bronze:
    """Wait until both workers have read the raw topic; answers what lies in Bronze, verified."""
    await feed.caught_up(seconds=90)
    await until_covered(sluice, sluice.store, views, bronze, seconds=90)
    assert sluice.run("bronze", "verify").returncode == 0
    return Bronze(sluice.folder / "store")


async def hold(sluice: Sluice, store: Store) -> Verdict:
    """Every record of the topic is a row, once, with what came; commits are adjacent; verify is content."""
    verdict = await verify(store)
    assert verdict.problems == []
    rows = await rows_of(store)
    read = await read_all(sluice.settings.kafka[0], sluice.raw_topic)
    assert {place: len(found) for place, found in rows.items()} == {(r.partition, r.offset): 1 for r in read}
    for record in read:
        (row,) = rows[record.partition, record.offset]
        kafka = row.pop("_kafka")
        assert kafka["timestamp_ms"] == record.timestamp_ms
        if "value_base64" not in row:
            assert record.value is not None
            assert row == json.loads(record.value)
    return verdict
