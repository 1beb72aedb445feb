"""The records of a source partition as Bronze has them, range by range, in the order of their offsets.

What former Bronzes have comes first, at offsets below 0 (streams/store/former.py).
"""

from __future__ import annotations

import asyncio
from bisect import bisect_right
from collections.abc import AsyncIterator, Iterator, Sequence
from typing import NamedTuple

import msgspec

from agents.bronze.files import Commit, CorruptFileError, ObjectEntry, commits_folder
from agents.bronze.store import Store
from schemas.validation.reasons import UnreadBatch
from schemas.validation.validator import Validator
from streams.store.bad_lines import read_bad
from streams.store.bronze_reader import BronzeReader
from streams.store.former import Life, former_lives

READS_AT_ONCE = 8
_MEMBER = b',"_kafka":'
_EVENTS, _BAD = "event=", "_bad/"


class Row(NamedTuple):
    """A record of a raw topic, with the members that Kafka's have."""

    offset: int
    timestamp: int
    value: bytes
    key: bytes | None = None
    headers: Sequence[tuple[str, bytes | None]] = ()


class _Kafka(msgspec.Struct):
    offset: int
    timestamp_ms: int


_decode = msgspec.json.Decoder(_Kafka).decode


class _Place(NamedTuple):
    """Where a range's commit lies."""

    first: int
    path: str
    life: Life


class BronzeRanges:
    """The committed ranges of one source partition: those of `former` Bronzes, the oldest first, and then of
    `store`; None: of the former ones alone. Methods raise `StoreError` and `CorruptFileError`.

    `validator` reads of bad records what it would have read of them when they came.
    """

    def __init__(
        self,
        store: Store | None,
        topic: str,
        partition: int,
        validator: Validator,
        former: Sequence[Store] = (),
    ) -> None:
        self._validator = validator
        self._topic = topic
        self._partition = partition
        self._now = [] if store is None else [Life(store, 0)]
        self._former = former
        self._lives: list[Life] | None = None
        self._slots = asyncio.Semaphore(READS_AT_ONCE)

    async def first(self) -> int | None:
        """The first offset of all; None: there is no range."""
        return next((place.first for place in await self._places()), None)

    async def commits(self) -> list[Commit]:
        """All ranges, by their offsets."""
        found = await asyncio.gather(*map(self._commit, await self._places()))
        return [commit for commit in found if commit is not None]

    async def after(self, position: int) -> AsyncIterator[Commit]:
        """The ranges with offsets from this one on, one by one, so that few of them are in memory."""
        places = await self._places()
        for place in places[max(0, bisect_right(places, position, key=lambda one: one.first) - 1) :]:
            commit = await self._commit(place)
            if commit is not None and commit.next > position:
                yield commit

    async def rows(self, commit: Commit) -> list[Row]:
        """The events of a range and its bad records, which stay bad."""
        life = [one for one in await self._known() if one.shift <= commit.first][-1]
        objects = [entry for entry in commit.objects if entry.path.startswith((_EVENTS, _BAD))]
        parts = await asyncio.gather(*(self._rows(life, entry) for entry in objects))
        rows = [row for part in parts for row in part]
        rows.sort(key=lambda row: row.offset)
        return rows

    async def _known(self) -> list[Life]:
        if self._lives is None:
            self._lives = [*await former_lives(self._former, self._topic, self._partition), *self._now]
        return self._lives

    async def _places(self) -> list[_Place]:
        folder = commits_folder(self._topic, self._partition)
        return [
            _Place(int(name.removesuffix(".json")) + life.shift, folder + name, life)
            for life in await self._known()
            for name in sorted([one.path.rpartition("/")[2] async for one in life.store.list(folder)])
        ]

    async def _commit(self, place: _Place) -> Commit | None:
        async with self._slots:
            found = await BronzeReader(place.life.store).commit(place.path)
        return None if found is None else place.life.shifted(found.commit)

    async def _rows(self, life: Life, entry: ObjectEntry) -> list[Row]:
        async with self._slots:
            lines = await BronzeReader(life.store).lines(entry)
        try:
            if entry.path.startswith(_BAD):
                rows = [bad_row_of(line, self._validator) for line in lines]
            else:
                rows = [row_of(line) for line in lines]
        except (ValueError, msgspec.MsgspecError) as error:
            raise CorruptFileError(f"{entry.path} has a row without its place in Kafka: {error}") from None
        return [row._replace(offset=row.offset + life.shift) for row in rows] if life.shift else rows


def parts_of(rows: Sequence[Row], position: int, end: int, size: int) -> Iterator[tuple[Sequence[Row], int]]:
    """The rows at the offsets [position, end), some at a time, each with the offset up to which nothing else
    comes; the last one's is `end`, whether there are rows or not."""
    wanted = [row for row in rows if position <= row.offset < end]
    for at in range(0, max(1, len(wanted)), size):
        part = wanted[at : at + size]
        yield part, end if at + size >= len(wanted) else part[-1].offset + 1


def bad_row_of(line: bytes, validator: Validator) -> Row:
    """The bad record that a line of `_bad/` is of, with the verdict of then, and without its value, which
    this release might accept. Raises `ValueError`."""
    bad = read_bad(line, validator)
    return Row(bad.kafka.offset, bad.kafka.timestamp_ms, UnreadBatch.of(b"", bad.why))


def row_of(line: bytes) -> Row:
    """The record that a line of Bronze is of. Raises `ValueError` where it does not say its place."""
    at = line.rindex(_MEMBER)  # the last member; in no text can this be, where quotes are escaped
    kafka = _decode(line[at + len(_MEMBER) :].rstrip()[:-1])
    return Row(kafka.offset, kafka.timestamp_ms, line[:at] + b"}")
