"""The records of a source partition as Bronze has them, range by range, in the order of their offsets."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import NamedTuple

import msgspec

from agents.bronze.files import Commit, CorruptFileError, ObjectEntry, commits_folder
from agents.bronze.store import Store
from schemas.validation.reasons import UnreadBatch
from schemas.validation.validator import Validator
from streams.store.bad_lines import read_bad
from streams.store.bronze_reader import BronzeReader

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


class BronzeRanges:
    """The committed ranges of one source partition. Methods raise `StoreError` and `CorruptFileError`.

    `validator` reads of bad records what it would have read of them when they came.
    """

    def __init__(self, store: Store, topic: str, partition: int, validator: Validator) -> None:
        self._validator = validator
        self._folder = commits_folder(topic, partition)
        self._store = store
        self._reader = BronzeReader(store)
        self._slots = asyncio.Semaphore(READS_AT_ONCE)

    async def first(self) -> int | None:
        """The first offset of all; None: there is no range."""
        names = [listed.path.rpartition("/")[2] async for listed in self._store.list(self._folder)]
        return int(min(names).removesuffix(".json")) if names else None

    async def commits(self) -> list[Commit]:
        """All ranges, by their offsets."""
        paths = sorted([listed.path async for listed in self._store.list(self._folder)])
        found = await asyncio.gather(*map(self._commit, paths))
        return [commit for commit in found if commit is not None]

    async def rows(self, commit: Commit) -> list[Row]:
        """The events of a range and its bad records, which stay bad."""
        objects = [entry for entry in commit.objects if entry.path.startswith((_EVENTS, _BAD))]
        rows = [row for part in await asyncio.gather(*map(self._rows, objects)) for row in part]
        rows.sort(key=lambda row: row.offset)
        return rows

    async def _commit(self, path: str) -> Commit | None:
        async with self._slots:
            found = await self._reader.commit(path)
        return None if found is None else found.commit

    async def _rows(self, entry: ObjectEntry) -> list[Row]:
        async with self._slots:
            lines = await self._reader.lines(entry)
        try:
            if entry.path.startswith(_BAD):
                return [bad_row_of(line, self._validator) for line in lines]
            return [row_of(line) for line in lines]
        except (ValueError, msgspec.MsgspecError) as error:
            raise CorruptFileError(f"{entry.path} has a row without its place in Kafka: {error}") from None


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
