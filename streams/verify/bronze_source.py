"""Loads what Bronze has of an answer's records."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Iterator, Sequence
from typing import NamedTuple

import msgspec

from agents.bronze.files import CorruptFileError, ObjectEntry
from agents.bronze.store import Store
from schemas.times import instant_us
from schemas.validation.validator import Validator
from streams.store.bad_lines import read_bad
from streams.store.bronze_reader import BronzeReader
from streams.store.former import former_lives
from streams.verify.answer import Answer, Span
from streams.verify.ranges import PartitionRanges, Progress, until_covered
from streams.verify.records import BadRecord, Records
from streams.verify.wish import Wish

READS_AT_ONCE = 16
CHUNK_BYTES, CHUNK_OBJECTS = 4 << 20, 512
"""So much, compressed, is in memory at a time."""
BRONZE = "bronze"


class _Part(NamedTuple):
    """What one Bronze has of a span; `shift` is added to its offsets."""

    ranges: PartitionRanges
    reader: BronzeReader
    shift: int


class BronzeSource:
    """What Bronze has of an answer's spans, and former Bronzes of what lies below offset 0. Methods raise
    `StoreError` and `CorruptFileError`. `validator` reads of bad records what it would have read when they
    came."""

    def __init__(
        self,
        store: Store,
        answer: Answer,
        validator: Callable[[], Awaitable[Validator]],
        former: Sequence[Store] = (),
    ) -> None:
        since_zero = [one._replace(first=max(one.first, 0)) for one in answer.spans if one.next > 0]
        self.ranges = [PartitionRanges(store, span) for span in since_zero]
        self._spans = answer.spans
        self._former = former
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
        reached = {(one.topic, one.partition): 0 for one in self._spans}
        return reached | {(one.span.topic, one.span.partition): one.next or 0 for one in self.ranges}

    async def load(self, records: Records, wish: Wish, told: Progress) -> list[str]:
        """Load what is wished for; answers what there is not, in words. Raises `RecordsError`, too."""
        missing: list[str] = []
        parts = [_Part(one, self._reader, 0) for one in self.ranges]
        for part in [*await self._former_parts(missing), *parts]:
            ranges = part.ranges
            found = await ranges.covering(self._since_ms if wish.is_dated else None)
            end = min(ranges.next or 0, ranges.span.next)
            for first, until in found.missing:
                if first < end:
                    missing.append(_offsets(ranges.span, first + part.shift, min(until, end) + part.shift))
            entries = [one for commit in found.commits for one in commit.objects if wish(one.path)]
            if entries:
                told(f"reading {len(entries):,} objects of {ranges.span.name}")
            for chunk in _chunks(entries):
                await self._load(records, chunk, part)
        return missing

    async def _former_parts(self, missing: list[str]) -> list[_Part]:
        """What lies below offset 0; what no former Bronze has is added to `missing`."""
        parts = []
        for span in self._spans:
            if span.first >= 0:
                continue
            lives = await former_lives(self._former, span.topic, span.partition)
            begins = lives[0].shift if lives else 0
            if span.first < begins:
                missing.append(f"{_offsets(span, span.first, begins)} (SLUICE_BRONZE_FORMER)")
            for life, following in zip(lives, [*(one.shift for one in lives[1:]), 0], strict=True):
                first, end = max(span.first, life.shift), min(span.next, following)
                if first < end:
                    its = span._replace(first=first - life.shift, next=end - life.shift)
                    ranges = PartitionRanges(life.store, its)
                    await ranges.look()
                    parts.append(_Part(ranges, BronzeReader(life.store), life.shift))
        return parts

    async def _load(self, records: Records, entries: Sequence[ObjectEntry], part: _Part) -> None:
        slots = asyncio.Semaphore(READS_AT_ONCE)

        async def lines(entry: ObjectEntry) -> list[bytes]:
            async with slots:
                return await part.reader.lines(entry)

        read = await asyncio.gather(*map(lines, entries))
        events: list[bytes] = []
        bad: list[BadRecord] = []
        for entry, found in zip(entries, read, strict=True):
            if entry.path.startswith("event="):
                events += found
            else:
                validator = await self._validator()
                bad += [bad_record(entry.path, line, validator) for line in found]
        await records.add_events(events, BRONZE, part.shift)
        await records.add_bad(bad, BRONZE, part.shift)


def _offsets(span: Span, first: int, end: int) -> str:
    return f"{span.name} offsets {first:,} to {end - 1:,}"


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
