"""Bronze's ranges of a source partition: which have an answer's records, and the wait until they do."""

from __future__ import annotations

import asyncio
import time
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Sequence
from typing import NamedTuple

from agents.backoff import Backoff
from agents.bronze.files import Commit, CorruptFileError, commit_path, commits_folder
from agents.bronze.store import Store
from schemas.times import FUTURE_MS
from streams.store.bronze_reader import BronzeReader, source_of
from streams.verify.answer import Span

READS_AT_ONCE = 16
LONGEST_PAUSE_SECONDS = 2.0

Progress = Callable[[str], None]
"""Is told, in a line, what is waited for or done."""


class BronzeBehindError(Exception):
    """Bronze does not have an answer's records in time. `str()` says of which partitions, and what to do."""


class Covered(NamedTuple):
    """What Bronze has of a span. `missing`: offsets [from, to) that are in none of its ranges, or were lost
    before Bronze read them."""

    commits: list[Commit]
    missing: list[tuple[int, int]]


class PartitionRanges:
    """The committed ranges of a span's partition. Methods raise `StoreError` and `CorruptFileError`.

    `next`: behind the last of them, when it was last looked at; None: there is none.
    """

    def __init__(self, store: Store, span: Span) -> None:
        self.span = span
        self.next: int | None = None
        self._store = store
        self._reader = BronzeReader(store)
        self._folder = commits_folder(span.topic, span.partition)
        self._firsts: list[int] = []
        self._slots = asyncio.Semaphore(READS_AT_ONCE)

    async def look(self) -> bool:
        """Look for new ranges; whether they reach the end of the span."""
        after = self._path(self._firsts[-1]) if self._firsts else ""
        found = [listed.path async for listed in self._store.list(self._folder, after)]
        self._firsts += sorted(map(_first, found))
        if self._firsts and (found or self.next is None):
            newest = await self._commit(self._firsts[-1])
            self.next = None if newest is None else newest.next
        return self.next is not None and self.next >= self.span.next

    async def covering(self, since_ms: int | None) -> Covered:
        """The ranges that have what there is of the span.

        `since_ms`: only those that may have events which occurred then or later, by the ranges' Kafka
        timestamps, in which an event is 5 min ahead at most. Where timestamps do not ascend, it may be less.
        """
        begin = max(0, bisect_right(self._firsts, self.span.first) - 1)
        end = bisect_left(self._firsts, self.span.next)
        start = begin if since_ms is None else await self._first_of(since_ms - FUTURE_MS, begin, end)
        found = await asyncio.gather(*map(self._commit, self._firsts[start:end]))
        commits = [commit for commit in found if commit is not None]
        at = self.span.first if start == begin else self._firsts[start] if start < end else self.span.next
        return Covered(commits, _missing(commits, at, self.span.next))

    async def _first_of(self, since_ms: int, begin: int, end: int) -> int:
        """The first of these ranges that ends with a record of then or later."""
        while begin < end:
            middle = (begin + end) // 2
            commit = await self._commit(self._firsts[middle])
            last = None if commit is None else commit.last_record
            if last is None or last.timestamp_ms < 0 or last.timestamp_ms >= since_ms:
                end = middle
            else:
                begin = middle + 1
        return begin

    async def _commit(self, first: int) -> Commit | None:
        async with self._slots:
            found = await self._reader.commit(self._path(first))
        return None if found is None else found.commit

    def _path(self, first: int) -> str:
        return commit_path(self.span.topic, self.span.partition, first)


async def until_covered(
    ranges: Sequence[PartitionRanges], seconds: float, told: Progress, since: float
) -> None:
    """Wait until Bronze has all of the spans. Raises `BronzeBehindError` if it does not within `seconds` from
    `since` (monotonic)."""
    until = since + seconds
    backoff = Backoff(LONGEST_PAUSE_SECONDS)
    while behind := [one for one in ranges if not await one.look()]:
        where = ", ".join(f"{one.span.name} is at {one.next or 0:,} of {one.span.next:,}" for one in behind)
        if time.monotonic() >= until:
            raise BronzeBehindError(
                f"Bronze does not have the answer's records after {seconds:g} s: {where}. Is there a `sluice"
                " worker bronze`? It closes a range after SLUICE_BRONZE_MAX_SECONDS, and after ten times that"
                " while it is behind: wait for longer"
            )
        told(f"waiting for Bronze: {where}")
        await backoff.pause()


def _first(path: str) -> int:
    """The first offset of a commit's range, by its name. Raises `CorruptFileError`."""
    try:
        return int(source_of(path)[2].removesuffix(".json"))
    except ValueError:
        raise CorruptFileError(f"{path} is no commit: its name is not an offset") from None


def _missing(commits: Sequence[Commit], at: int, until: int) -> list[tuple[int, int]]:
    missing = []
    for commit in commits:
        if commit.first > at:
            missing.append((at, commit.first))
        if commit.lost is not None and commit.lost[1] > at:
            missing.append((max(at, commit.lost[0]), min(until, commit.lost[1])))
        at = max(at, commit.next)
    if at < until:
        missing.append((at, until))
    return [(first, end) for first, end in missing if first < end]
