"""Reads Bronze back: its commits, and the rows of the objects that they list (docs/contract.md §5)."""

from __future__ import annotations

import gzip
import zlib
from collections.abc import AsyncIterator, Callable
from datetime import datetime
from typing import NamedTuple

import msgspec

from agents.bronze.files import COMMITS, Commit, CorruptFileError, ObjectEntry, decode_commit
from agents.bronze.gzip import crc32c
from agents.bronze.store import Store
from schemas.times import parse_instant
from schemas.validation.reasons import Quarantined
from schemas.validation.validator import Validator


class Committed(NamedTuple):
    """A commit and whose it is."""

    topic: str
    partition: int
    commit: Commit


class MissingObjectError(CorruptFileError):
    """An object that is committed is not there."""


class BronzeReader:
    """What is committed in a store. Methods raise `StoreError`, and `CorruptFileError` naming the file."""

    def __init__(self, store: Store) -> None:
        self._store = store

    async def commits(self) -> AsyncIterator[Committed]:
        """All commits, by topic, partition and offset."""
        for path in sorted(await self.commit_paths(), key=source_of):
            found = await self.commit(path)
            if found is not None:
                yield found

    async def commit_paths(self) -> list[str]:
        """What lies where the commits do."""
        return [listed.path async for listed in self._store.list(COMMITS)]

    async def commit(self, path: str) -> Committed | None:
        """One commit; None: it is gone."""
        topic, partition, _ = source_of(path)
        file = await self._store.get(path)
        return None if file is None else Committed(topic, partition, decode_commit(path, file.data))

    async def objects(self, wanted: Callable[[str], bool] = lambda _: True) -> AsyncIterator[ObjectEntry]:
        """The committed objects whose path is wanted."""
        async for committed in self.commits():
            for entry in committed.commit.objects:
                if wanted(entry.path):
                    yield entry

    async def lines(self, entry: ObjectEntry) -> list[bytes]:
        """The lines of a committed object, held against its commit. Raises `CorruptFileError`."""
        file = await self._store.get(entry.path)
        if file is None:
            raise MissingObjectError(f"{entry.path} is not there, though it is committed")
        if len(file.data) != entry.bytes or crc32c(file.data) != entry.crc32c:
            raise CorruptFileError(
                f"{entry.path} is not what was committed: {len(file.data)} bytes with CRC-32C"
                f" {crc32c(file.data)}, not {entry.bytes} with {entry.crc32c}"
            )
        try:
            lines = gzip.decompress(file.data).splitlines(keepends=True) if file.data else []
        except (OSError, EOFError, zlib.error) as error:
            raise CorruptFileError(f"{entry.path} is no gzip file: {error}") from None
        if len(lines) != entry.rows:
            raise CorruptFileError(f"{entry.path} has {len(lines)} rows, not {entry.rows}")
        return lines

    async def rows(self, wanted: Callable[[str], bool] = lambda _: True) -> AsyncIterator[bytes]:
        """The rows of the committed objects whose path is wanted, each as its line of JSON.

        Not decoded: an event may have members, of which nobody knows anything, that few decoders take.
        """
        async for entry in self.objects(wanted):
            for line in await self.lines(entry):
                yield line


class _Moment(msgspec.Struct):
    """Of an event's row what says when it was; what else is in it is skipped as by the validation."""

    occurred_at: str


_moment = msgspec.json.Decoder(_Moment).decode


def occurred_at(line: bytes) -> datetime:
    """When the event of a row occurred. Raises `CorruptFileError` for a row that is no event."""
    try:
        return parse_instant(_moment(line).occurred_at)
    except RecursionError:  # msgspec goes no deeper; the validation can
        event = Validator(max_event_bytes=len(line)).validate(line, -1)
        if not isinstance(event, Quarantined):
            return event.occurred_at
    except (msgspec.MsgspecError, ValueError):
        pass
    raise CorruptFileError("a committed row is no event with a time")


def source_of(path: str) -> tuple[str, int, str]:
    """The topic, the partition and the name of a commit. Raises `CorruptFileError` where it cannot be one."""
    parts = path.removeprefix(COMMITS).split("/")
    if len(parts) != 3 or not parts[1].isdecimal():
        raise CorruptFileError(
            f"{path} is no commit: their names are {COMMITS}<topic>/<partition>/<first>.json"
        )
    return parts[0], int(parts[1]), parts[2]
