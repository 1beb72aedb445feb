"""A sink of one file a range, in a folder: the smallest that is exact under kills.

`python -m tests.support.file_sink FOLDER` runs it as a worker, with the settings of the environment.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec

from agents.sink import OvertakenError, Proof, Resumed, Sink, Source
from tables.fingerprint import RecordFingerprint, fingerprint_of

MOST_ROWS = 400


class OffsetRange:
    """The offsets and sizes of a range's records."""

    until: int | None = None
    first_timestamp_ms: int | None = None
    held_bytes = 0

    def __init__(self, first: int) -> None:
        self.first = self.next = first
        self.last_record: RecordFingerprint | None = None
        self.lines: list[tuple[int, int]] = []

    rows = property(lambda self: len(self.lines))
    full = property(lambda self: self.rows >= MOST_ROWS)
    empty = property(lambda self: self.next == self.first)

    def add(self, records: Sequence[Any], after: int) -> int:
        added = records[: MOST_ROWS - self.rows]
        self.lines += [(record.offset, len(record.value or b"")) for record in added]
        self.last_record = fingerprint_of(added[-1]) if added else self.last_record
        self.next = after if len(added) == len(records) else added[-1].offset + 1
        return len(added)

    def lose(self, until: int) -> None:
        self.next = until

    def close(self) -> None:
        """Nothing is held open."""


class FileSink:
    name = "Files"

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    async def resume(self, source: Source) -> Resumed:
        newest = max(self.folder.glob(f"{source.partition}-*"), default=None)
        if newest is None:
            await source.verify([], [])
            return Resumed(OffsetRange(source.first_seen))
        _, end, topic_id, record, _ = msgspec.json.decode(newest.read_bytes())
        last_record = msgspec.convert(record, RecordFingerprint | None)
        await source.verify([topic_id], [last_record])
        return Resumed(OffsetRange(end), last_record)

    def open_range(self, _: Source, first: int) -> OffsetRange:
        return OffsetRange(first)

    async def commit(self, source: Source, closed: OffsetRange, proof: Proof) -> None:
        made = self.folder / f"made-{os.getpid()}-{source.partition}"
        made.write_bytes(msgspec.json.encode([closed.first, closed.next, *proof, closed.lines]))
        try:
            os.link(made, self.folder / f"{source.partition}-{closed.first:020d}")  # refuses what is there
        except FileExistsError:
            raise OvertakenError from None
        finally:
            made.unlink()


if __name__ == "__main__":
    from streams import shutdown
    from streams.registry.schemas import Schemas
    from streams.roles.lifecycle import serving
    from streams.roles.sinks.reporter import SinkReporter
    from streams.roles.sinks.role import SinkRole
    from streams.roles.worker import work
    from streams.settings import Settings

    settings = Settings.load(os.environ)
    sink: Sink[OffsetRange] = FileSink(Path(sys.argv[1]))
    role = SinkRole("files", sink, remedy="Take another folder", max_seconds=0.5)
    with serving(settings) as health:
        shutdown.run(work(settings, health, role, Schemas(settings), SinkReporter))
