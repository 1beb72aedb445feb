"""A Bronze in a folder, as workers would have left it of some records."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from agents.bronze.commit import Built
from agents.bronze.files import Commit, ObjectEntry, commit_path, encode
from agents.bronze.gzip import crc32c
from tables.fingerprint import RecordFingerprint
from tests.support.bronze import Record, built
from tests.support.feed_records import TOPIC
from tests.support.kafka import Read


def write_bronze(
    folder: Path, reads: Sequence[Read], ranges: int = 2, topic: str = TOPIC, topic_id: str | None = None
) -> None:
    """Commit the records of a topic, those of each partition in so many ranges."""
    for partition in sorted({read.partition for read in reads}):
        own = [read for read in reads if read.partition == partition]
        size = -(-len(own) // ranges)
        for part in (own[at : at + size] for at in range(0, len(own), size)):
            given = [Record(read.offset, read.timestamp_ms, read.value) for read in part]
            made = built(given, part[0].offset, partition=partition, topic=topic)
            write_range(folder, partition, made, part[-1], topic=topic, topic_id=topic_id)


def write_range(
    folder: Path, partition: int, made: Built, last: Read, *, topic: str = TOPIC, topic_id: str | None = None
) -> None:
    """One range: its objects, and its commit."""
    for path, _, data in made.objects:
        _write(folder / path, data)
    entries = [ObjectEntry(one.path, one.rows, len(one.data), crc32c(one.data)) for one in made.objects]
    fingerprint = RecordFingerprint(last.offset, last.timestamp_ms, 0)
    commit = Commit(
        first=made.first,
        last=made.next - 1,
        next=made.next,
        objects=tuple(entries),
        last_record=fingerprint,
        topic_id=topic_id,
    )
    _write(folder / commit_path(topic, partition, made.first), encode(commit))


def _write(path: Path, data: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
