"""Proofs of answers over records that lie nowhere: loaded as Bronze would have them, from memory."""

from __future__ import annotations

import gzip
import json
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, NamedTuple

from schemas.times import format_time
from schemas.validation.validator import Validator
from streams.verify.answer import Answer, Span
from streams.verify.bronze_source import bad_record
from streams.verify.proof import Bench, Load, Verdict, proving
from streams.verify.records import Cities, Records
from streams.verify.rules import Limits
from streams.verify.wish import Wish
from tests.oracle.bad import at
from tests.support.bronze import Record, built
from tests.support.feed_records import TOPIC
from tests.support.kafka import Read

START_MS = 1_790_000_000_000 // 3_600_000 * 3_600_000
"""A whole hour."""
MEMORY_MB = 256
SECONDS = 300.0


def bench(*, dedupe_seconds: int = 3600, pane_hours: int = 840, closed_hours: int = 168) -> Bench:
    return Bench(Limits(dedupe_seconds, pane_hours, closed_hours), MEMORY_MB)


def loader(reads: Sequence[Read]) -> Load:
    """Loads what is wished for of these records of one topic."""
    objects = [*_objects(reads)]
    validator = Validator()

    async def load(records: Records, wish: Wish) -> list[str]:
        for path, data in objects:
            if not wish(path):
                continue
            lines = gzip.decompress(data).splitlines(keepends=True)
            if path.startswith("event="):
                await records.add_events(lines, "memory")
            else:
                await records.add_bad([bad_record(path, line, validator) for line in lines], "memory")
        return []

    return load


@asynccontextmanager
async def judged(
    answer: Answer, reads: Sequence[Read], with_: Bench, cities: Cities = None
) -> AsyncIterator[tuple[Verdict, Records]]:
    """The verdict on an answer over these records, and the judged records."""
    async with proving(answer, with_, loader(reads), SECONDS, cities) as found:
        yield found


async def proved(answer: Answer, reads: Sequence[Read], with_: Bench) -> Verdict:
    """The verdict on an answer over these records."""
    async with judged(answer, reads, with_) as (verdict, _):
        return verdict


def _objects(reads: Sequence[Read]) -> Iterator[tuple[str, bytes]]:
    for partition in sorted({read.partition for read in reads}):
        own = [
            Record(read.offset, read.timestamp_ms, read.value)
            for read in reads
            if read.partition == partition
        ]
        for path, _, data in built(own, own[0].offset, partition=partition).objects:
            yield path, data


def when(minute: float) -> str:
    """The time so many minutes after `START_MS`."""
    return format_time(START_MS * 1000 + int(minute * 60_000_000))


class Event(NamedTuple):
    """An event to be loaded: its place, Kafka's timestamp and its own time in minutes since `START_MS`, its
    id, name and payload."""

    offset: int
    kafka: float
    occurred: float
    event_id: str
    payload: Mapping[str, Any] = {}
    name: str = "search.click"
    city: str | None = "lisbon"
    partition: int = 0


def line(event: Event) -> bytes:
    """An event's line of Bronze."""
    written = {
        "event_id": event.event_id,
        "event": event.name,
        "version": 1,
        "occurred_at": at(START_MS, event.occurred * 60),
        "source": "web",
        "city": event.city,
        "payload": event.payload,
        "_kafka": {
            "topic": TOPIC,
            "partition": event.partition,
            "offset": event.offset,
            "timestamp_ms": START_MS + int(event.kafka * 60_000),
        },
    }
    return json.dumps(written).encode() + b"\n"


@asynccontextmanager
async def loaded(
    folder: Path,
    events: Sequence[Event],
    limits: Limits,
    watermark: float | None = None,
    cities: Cities = None,
) -> AsyncIterator[Records]:
    """A database with these events, whose partitions have come to `watermark`, in minutes since `START_MS`;
    None: to the newest event."""
    newest = max((event.occurred for event in events), default=0.0) if watermark is None else watermark
    spans = [
        Span(TOPIC, partition, 0, 1 << 40, START_MS * 1000 + int(newest * 60_000_000))
        for partition in sorted({event.partition for event in events})
    ]
    names = {event.name for event in events}
    records = Records(
        folder, spans, memory_mb=MEMORY_MB, pane_hours=limits.pane_hours, kept=names, cities=cities
    )
    try:
        await records.add_events([line(event) for event in events], "memory")
        yield records
    finally:
        await records.close()
