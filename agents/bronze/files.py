"""The contents of a Bronze store (docs/contract.md §5): its file names, its commits and its intents."""

from __future__ import annotations

from datetime import date
from typing import TypeVar

import msgspec

from tables.fingerprint import RecordFingerprint

COMMITS, INTENTS = "_commits/", "_intents/"
EPOCH_ORDINAL = date(1970, 1, 1).toordinal()
LAST_MS = 253_402_300_799_999
"""The end of 9999-12-31: a producer may write any timestamp, also in another unit, and dates end there."""


class CorruptFileError(Exception):
    """A commit or an intent is not what a worker writes. `str()` names it and states what is wrong."""


class ObjectEntry(msgspec.Struct, frozen=True):
    """An object of a range: its path relative to the prefix, its lines, its size, and the CRC-32C of its
    bytes as S3 writes it (base64 of 4 bytes, big-endian)."""

    path: str
    rows: int
    bytes: int
    crc32c: str


class Commit(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """A committed range of a partition: offsets `first` to `last`; the next range begins at `next`.

    `lost`: [from, to), deleted by Kafka before it was read; it is the beginning of the range.
    `topic_id`: Kafka's id of the topic; `last_record`: the newest record up to the range's end, of this range
    or an earlier one. They show whether the topic is still the same; None where unknown.
    """

    first: int
    last: int
    next: int
    objects: tuple[ObjectEntry, ...]
    lost: tuple[int, int] | None = None
    topic_id: str | None = None
    last_record: RecordFingerprint | None = None


class Intent(Commit, frozen=True, omit_defaults=True, kw_only=True):
    """What a writer is about to put and commit. `nonce` identifies the writer; `sealed`: all objects exist,
    so the intent can no longer be replaced, only committed.
    """

    nonce: str
    sealed: bool = msgspec.field(default=False, name="whole")

    @property
    def commit(self) -> Commit:
        """The commit that this intent becomes."""
        return Commit(**{name: getattr(self, name) for name in Commit.__struct_fields__})


class Position(msgspec.Struct, frozen=True, omit_defaults=True):
    """Where a partition was first seen, before anything of it was committed; it is never changed.

    `first`: the offset at which its first range begins. `partitions`: the topic's partition count at that
    time; `topic_id`: Kafka's id of the topic.
    """

    first: int
    partitions: int | None = None
    topic_id: str | None = None


def range_name(topic: str, partition: int, first: int, last: int) -> str:
    """The name, without folders, of every object of a range."""
    return f"{topic}+{partition}+{first:020d}-{last:020d}.ndjson.gz"


def event_folder(event: str, day: int) -> str:
    """Where events of that name are stored; `day` counts from 1970-01-01 (UTC)."""
    return f"event={event}/dt={_date(day)}/"


def bad_folder(code: str, timestamp_ms: int) -> str:
    """Where quarantine records of that code are stored, by Kafka timestamp; without one it is 1970-01-01, and
    9999-12-31 for a timestamp beyond that."""
    return f"_bad/code={code}/dt={_date(min(max(timestamp_ms, 0), LAST_MS) // 86_400_000)}/"


def _date(day: int) -> str:
    return date.fromordinal(EPOCH_ORDINAL + day).isoformat()


def commits_folder(topic: str, partition: int) -> str:
    """Where the commits of a partition are stored, in the order of their ranges."""
    return f"{COMMITS}{topic}/{partition}/"


def commit_path(topic: str, partition: int, first: int) -> str:
    """The commit of the range that begins at `first`."""
    return f"{COMMITS}{topic}/{partition}/{first:020d}.json"


def intent_path(topic: str, partition: int, first: int) -> str:
    """The intent of the range that begins at `first`."""
    return f"{INTENTS}{topic}/{partition}/{first:020d}.json"


def position_path(topic: str, partition: int) -> str:
    """Where a partition's `Position` is stored: beside its intents, not among them."""
    return f"{INTENTS}{topic}/{partition}.position.json"


def encode(file: Commit | Position) -> bytes:
    """A commit, an intent or a position as its file's bytes."""
    return msgspec.json.encode(file)


File = TypeVar("File", Commit, Intent, Position)
AnyCommit = TypeVar("AnyCommit", Commit, Intent)


def decode_commit(path: str, data: bytes) -> Commit:
    """Read a commit. Raises `CorruptFileError`."""
    return _decode(path, data, Commit)


def decode_intent(path: str, data: bytes) -> Intent:
    """Read an intent. Raises `CorruptFileError`."""
    return _decode(path, data, Intent)


def decode_position(path: str, data: bytes) -> Position:
    """Read a position. Raises `CorruptFileError`."""
    position = _parse(path, data, Position)
    if position.first < 0:
        raise CorruptFileError(f"{path} cannot be: it says that the partition begins at {position.first}")
    return position


def _parse(path: str, data: bytes, kind: type[File]) -> File:
    try:
        return msgspec.json.decode(data, type=kind)
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise CorruptFileError(f"{path} cannot be read: {error}") from None


def _decode(path: str, data: bytes, kind: type[AnyCommit]) -> AnyCommit:
    file = _parse(path, data, kind)
    if not path.endswith(f"/{file.first:020d}.json"):
        raise CorruptFileError(f"{path} cannot be: it says that its range begins at {file.first}")
    if not file.first <= file.last < file.next:
        raise CorruptFileError(
            f"{path} cannot be: its range is {file.first} to {file.last}, next {file.next}"
        )
    if file.lost is not None and not file.first == file.lost[0] < file.lost[1] <= file.next:
        raise CorruptFileError(
            f"{path} cannot be: its range begins at {file.first}, it lost {list(file.lost)}"
        )
    return file
