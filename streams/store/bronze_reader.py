"""Reads Bronze back: its commits, and the rows of the objects that they list (docs/contract.md §5)."""

from __future__ import annotations

import gzip
from collections.abc import AsyncIterator, Callable
from typing import Any, NamedTuple

import msgspec

from agents.bronze_files import COMMITS, Commit, CorruptFileError, ObjectEntry, decode_commit
from agents.bronze_gzip import crc32c
from agents.bronze_store import Store


class Committed(NamedTuple):
    """A commit and whose it is."""

    topic: str
    partition: int
    commit: Commit


class BronzeReader:
    """What is committed in a store. Methods raise `StoreError`, and `CorruptFileError` naming the file."""

    def __init__(self, store: Store) -> None:
        self._store = store

    async def commits(self) -> AsyncIterator[Committed]:
        """All commits, by topic, partition and offset."""
        found = [listed.path async for listed in self._store.list(COMMITS)]
        for path in sorted(found, key=_order):
            topic, partition, _ = _order(path)
            file = await self._store.get(path)
            if file is not None:
                yield Committed(topic, partition, decode_commit(path, file.data))

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
            raise CorruptFileError(f"{entry.path} is not there, though it is committed")
        if len(file.data) != entry.bytes or crc32c(file.data) != entry.crc32c:
            raise CorruptFileError(
                f"{entry.path} is not what was committed: {len(file.data)} bytes with CRC-32C"
                f" {crc32c(file.data)}, not {entry.bytes} with {entry.crc32c}"
            )
        lines = gzip.decompress(file.data).splitlines(keepends=True) if file.data else []
        if len(lines) != entry.rows:
            raise CorruptFileError(f"{entry.path} has {len(lines)} rows, not {entry.rows}")
        return lines

    async def rows(self, wanted: Callable[[str], bool] = lambda _: True) -> AsyncIterator[dict[str, Any]]:
        """The rows of the committed objects whose path is wanted, `_kafka` included."""
        async for entry in self.objects(wanted):
            for line in await self.lines(entry):
                yield msgspec.json.decode(line)


def _order(path: str) -> tuple[str, int, str]:
    parts = path.removeprefix(COMMITS).split("/")
    if len(parts) != 3 or not parts[1].isdecimal():
        raise CorruptFileError(
            f"{path} is no commit: their names are {COMMITS}<topic>/<partition>/<first>.json"
        )
    return parts[0], int(parts[1]), parts[2]
