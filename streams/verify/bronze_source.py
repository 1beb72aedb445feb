"""Loads what Bronze has of an answer's records."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Iterator, Sequence

import msgspec

from agents.bronze.files import CorruptFileError, ObjectEntry
from agents.bronze.store import Store
from schemas.times import instant_us
from schemas.validation.validator import Validator
from streams.store.bad_lines import read_bad
from streams.store.bronze_reader import BronzeReader
from streams.verify.answer import Answer
from streams.verify.ranges import PartitionRanges, Progress, until_covered
from streams.verify.records import BadRecord, Records
from streams.verify.wish import Wish

READS_AT_ONCE = 16
CHUNK_BYTES, CHUNK_OBJECTS = 4 << 20, 512
"""So much, compressed, is in memory at a time."""
BRONZE = "bronze"


class BronzeSource:
    """What Bronze has of an answer's spans. Methods raise `StoreError` and `CorruptFileError`. `validator`
    reads of bad records what it would have read when they came."""

    def __init__(self, store: Store, answer: Answer, validator: Callable[[], Awaitable[Validator]]) -> None:
        self.ranges = [PartitionRanges(store, span) for span in answer.spans]
        self._reader = BronzeReader(store)
        self._since_ms = None if answer.start is None else instant_us(answer.start) // 1000
        self._validator = validator

    async def wait(self, seconds: float, told: Progress, since: float) -> None:
        """Until it has all of them, for `seconds` from `since` (monotonic). Raises `BronzeBehindError`."""
        await until_covered(self.ranges, seconds, told, since)

    async def look(self) -> dict[tuple[str, int], int]:
        """Up to which offset it has each span, as it is now."""
        for ranges in self.ranges:
            await ranges.look()
        return {(one.span.topic, one.span.partition): one.next or 0 for one in self.ranges}

    async def load(self, records: Records, wish: Wish, told: Progress) -> list[str]:
        """Load what is wished for; answers what there is not, in words. Raises `RecordsError`, too."""
        missing = []
        for ranges in self.ranges:
            found = await ranges.covering(self._since_ms if wish.is_dated else None)
            end = min(ranges.next or 0, ranges.span.next)
            for first, until in found.missing:
                if first < end:
                    missing.append(f"{ranges.span.name} offsets {first:,} to {min(until, end) - 1:,}")
            entries = [one for commit in found.commits for one in commit.objects if wish(one.path)]
            if entries:
                told(f"reading {len(entries):,} objects of {ranges.span.name}")
            for chunk in _chunks(entries):
                await self._load(records, chunk)
        return missing

    async def _load(self, records: Records, entries: Sequence[ObjectEntry]) -> None:
        slots = asyncio.Semaphore(READS_AT_ONCE)

        async def lines(entry: ObjectEntry) -> list[bytes]:
            async with slots:
                return await self._reader.lines(entry)

        read = await asyncio.gather(*map(lines, entries))
        events: list[bytes] = []
        bad: list[BadRecord] = []
        for entry, found in zip(entries, read, strict=True):
            if entry.path.startswith("event="):
                events += found
            else:
                validator = await self._validator()
                bad += [bad_record(entry.path, line, validator) for line in found]
        await records.add_events(events, BRONZE)
        await records.add_bad(bad, BRONZE)


def bad_record(path: str, line: bytes, validator: Validator) -> BadRecord:
    """The bad record of a line of `_bad/`. Raises `CorruptFileError`."""
    try:
        place, why = read_bad(line, validator)
    except (ValueError, msgspec.MsgspecError) as error:
        raise CorruptFileError(f"{path} has a line that is none of a bad record: {error}") from None
    known = why.event or UNKNOWN, why.city, why.source or UNKNOWN, why.reason.value
    return BadRecord(place.topic, place.partition, place.offset, place.timestamp_ms, *known)


UNKNOWN = "_unknown"
"""Of whom a bad record is that does not say it."""


def _chunks(entries: Iterable[ObjectEntry]) -> Iterator[list[ObjectEntry]]:
    chunk: list[ObjectEntry] = []
    size = 0
    for entry in entries:
        if chunk and (size + entry.bytes > CHUNK_BYTES or len(chunk) == CHUNK_OBJECTS):
            yield chunk
            chunk, size = [], 0
        chunk.append(entry)
        size += entry.bytes
    if chunk:
        yield chunk
