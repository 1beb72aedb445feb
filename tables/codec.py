"""Values of the records of `views.feed`: msgpack, in one place for those who write and those who read them.

Dedupe's ids are packed (tables/fold/dedupe/chunks.py); users and experiments are in
tables/experiments/records.py. A group of a view with sketches has them as a third member, `[{item: number,
…}, …]`, items ascending.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Sequence
from typing import Any, TypeVar

import msgspec

from tables.fingerprint import RecordFingerprint
from tables.keys import MEND, FeedFormatError, FeedVersionError
from tables.sketches.kind import State
from tables.spec.tracked import EntityState
from tables.spec.view import FORMAT_VERSION

Group = tuple[str | int | bool | None, ...]
"""A windowed view's `key` fields' values, in that order."""

Row = list[Any]
"""What is kept of a group: its sums, then its sketches."""

_PLAIN = 1 << 63  # a sum beyond ±this is written as decimal text


LAST = 1_000
"""So many of a partition's newest records a breaker looks at, by offset; duplicates are records too."""


class LastRecords(msgspec.Struct, frozen=True, array_like=True):
    """What a breaker knows (tables/fold/breaker.py). `bad`: a bit for each of the partition's last records,
    the newest last; a set one is bad."""

    bad: bytes
    tripped: bool
    alarmed: bool | None


class Checkpoint(msgspec.Struct, frozen=True):
    """How far a source partition has been folded.

    `next`: source offset of the next record to fold. `watermark`: newest accepted occurred_at, µs.
    `kafka_ms`: newest Kafka timestamp folded. `at`: wall clock, ms. `views`: name → (its hash, source offset
    since which it is computed). `beside`: the same of definitions that are to follow those in `views`, and
    have as much as they. `lost`: source offsets [from, to) that Kafka deleted before they were read.
    `partial_until`: view → µs; events that occurred before may be missing from it (lost, or it began later);
    of one in `beside` by `{view}@{hash}`.
    `dedupe_clock_ms`: the clock of tables/fold/dedupe/duplicates.py; `dedupe_elapsed_ms`: that of
    tables/fold/dedupe/arrivals.py. `topic_id`: that of the source topic; `last_record`: the newest record
    folded: these two tell whether the topic is still the same. `first_partitions`: how many partitions the
    topic had when this one was first seen. `groups`: view → how many groups it has at most. `breaker`: of the
    newest records. None where it is not known.
    """

    next: int
    watermark: int | None
    kafka_ms: int | None
    at: int
    views: dict[str, tuple[str, int]]
    lost: list[tuple[int, int]] = []
    partial_until: dict[str, int] = {}
    dedupe_clock_ms: int | None = None
    dedupe_elapsed_ms: int | None = None
    topic_id: str | None = None
    last_record: RecordFingerprint | None = None
    first_partitions: int | None = None
    beside: dict[str, tuple[str, int]] = {}
    groups: dict[str, int] = {}
    breaker: LastRecords | None = None
    v: int = FORMAT_VERSION


class Assigned(msgspec.Struct, frozen=True, array_like=True):
    """One source partition in a heartbeat.

    `next`: first offset in no checkpoint yet; `end`: the partition's end offset; `oldest_unread_ms`: Kafka
    timestamp of the oldest record not yet folded, None if there is none. `bad`: how many of its last records
    are bad, while its breaker has tripped; else None.
    """

    topic: str
    partition: int
    next: int
    end: int
    oldest_unread_ms: int | None
    bad: int | None = None


class Heartbeat(msgspec.Struct, frozen=True):
    """What a worker reports of itself at wall clock `at`, ms."""

    worker: str
    at: int
    partitions: list[Assigned]
    v: int = FORMAT_VERSION


_Record = TypeVar("_Record", Checkpoint, Heartbeat)


class _Group(msgspec.Struct, array_like=True, gc=False):
    """A group that may have sketches, and sums written as text."""

    group: Group
    sums: list[int | str]
    sketches: list[State] = []


class _GroupName(msgspec.Struct, array_like=True, gc=False):
    """A group without what is kept of it."""

    group: Group


class _Version(msgspec.Struct):
    """The format version of a checkpoint or heartbeat, whatever else is in it."""

    v: int = FORMAT_VERSION


_plain_groups = msgspec.msgpack.Decoder(list[tuple[Group, list[int]]])
_groups = msgspec.msgpack.Decoder(list[_Group])
_group_names = msgspec.msgpack.Decoder(list[_GroupName])
_entity = msgspec.msgpack.Decoder(EntityState)
_decoders: dict[type[EntityState], msgspec.msgpack.Decoder[EntityState]] = {EntityState: _entity}
_checkpoint = msgspec.msgpack.Decoder(Checkpoint)
_heartbeat = msgspec.msgpack.Decoder(Heartbeat)
_version = msgspec.msgpack.Decoder(_Version)
_encode = msgspec.msgpack.Encoder().encode
encode_entity: Callable[[EntityState | tuple[Any, ...]], bytes] = _encode
encode_city: Callable[[str | None], bytes] = _encode
encode_checkpoint: Callable[[Checkpoint], bytes] = _encode
encode_heartbeat: Callable[[Heartbeat], bytes] = _encode


def encode_partial(groups: Sequence[tuple[Group, Row]], sketches: int = 0) -> bytes:
    """One shard of one pane: each group with its absolute sums and, last, so many sketches."""
    if sketches:
        return _encode(
            [
                (group, [*map(_written, row[:-sketches])], [*map(_sorted, row[-sketches:])])
                for group, row in groups
            ]
        )
    sums = [sums for _, sums in groups]
    if sums and (max(map(max, sums)) >= _PLAIN or min(map(min, sums)) <= -_PLAIN):
        return _encode([(group, [_written(number) for number in row]) for group, row in groups])
    return _encode(groups)


def _written(number: int) -> int | str:
    return number if -_PLAIN < number < _PLAIN else str(number)


def _sorted(sketch: State) -> State:
    return dict(sorted(sketch.items()))


def decode_partial(value: bytes) -> list[tuple[Group, Row]]:
    """The groups of one shard. Raises `FeedFormatError`."""
    try:
        return _plain_groups.decode(value)
    except (msgspec.MsgspecError, ValueError):
        pass  # a sum as decimal text, sketches, or damaged
    try:
        return [(one.group, [*map(int, one.sums), *one.sketches]) for one in _groups.decode(value)]
    except (msgspec.MsgspecError, ValueError) as error:
        raise FeedFormatError(f"a windowed record of the feed is damaged ({error})") from None


def partial_groups(value: bytes) -> list[Group]:
    """The groups of one shard, without their sums. Raises `FeedFormatError`."""
    try:
        return [one.group for one in _group_names.decode(value)]
    except msgspec.MsgspecError as error:
        raise FeedFormatError(f"a windowed record of the feed is damaged ({error}); {MEND}") from None


def count_groups(value: bytes) -> int:
    """How many groups a shard has, without decoding it: msgpack's array header says it."""
    first = value[0]
    if first & 0xF0 == 0x90:
        return first & 0x0F
    return int.from_bytes(value[1:3] if first == 0xDC else value[1:5], "big")


def decode_entity(value: bytes, kind: type[EntityState] = EntityState) -> EntityState:
    """An entity's state; what an `EntityState` has, or that of a view. Raises `FeedFormatError`."""
    decoder = _decoders.get(kind)
    if decoder is None:
        decoder = _decoders[kind] = msgspec.msgpack.Decoder(kind)
    try:
        return decoder.decode(value)
    except (msgspec.MsgspecError, ValueError) as error:
        raise FeedFormatError(f"an entity record of the feed is damaged ({error})") from None


def are_entities(values: Iterable[bytes]) -> bool:
    """Whether each of these is an entity's state."""
    try:
        deque(map(_entity.decode, values), maxlen=0)
    except (msgspec.MsgspecError, ValueError):
        return False
    return True


def decode_checkpoint(value: bytes) -> Checkpoint:
    """A checkpoint. Raises `FeedFormatError`, also for another format version."""
    return _versioned(value, _checkpoint, "checkpoint")


def decode_heartbeat(value: bytes) -> Heartbeat:
    """A heartbeat. Raises `FeedFormatError`, also for another format version."""
    return _versioned(value, _heartbeat, "heartbeat")


def _versioned(value: bytes, decoder: msgspec.msgpack.Decoder[_Record], what: str) -> _Record:
    try:
        version = _version.decode(value).v
        if version == FORMAT_VERSION:
            return decoder.decode(value)
    except (msgspec.MsgspecError, ValueError, RecursionError) as error:
        raise FeedFormatError(f"a {what} of the feed is damaged ({error})") from None
    raise FeedVersionError(f"a {what} of the feed is of format version {version}, not {FORMAT_VERSION}")
