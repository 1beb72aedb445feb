"""Keys of the records of `views.feed`, in one place for those who write and those who read them.

A key is UTF-8 text whose fields are parted by ':'; its first field is the record's kind. Without a value
it is a tombstone; values are in tables/codec.py. A transaction ends with its checkpoint.

| key | value |
|---|---|
| `c:{topic}` | a `Checkpoint` |
| `w:{view}@{hash}:{topic}:{m or h}{number}:{shard}` | groups of one pane: `[[group, sums], …]` |
| `e:{view}@{hash}:{topic}:{entity_id}` | the view's `EntityState`; behind it those in other cities, if any |
| `u:{view}@{hash}:{topic}:{xxh3_64 of the user, 16 hex digits}` | an experiment view's `UserState` |
| `x:{view}@{hash}:{topic}:{experiment}` | an experiment's sums by variant |
| `d:{topic}:{first_offset, 20 digits}` | ids first seen in one stretch of the source partition |
| `v:{view}@{hash}:{topic}` | the declaration of a definition that is computed (tables/spec/written.py) |
| `h:{worker}` | a `Heartbeat` |

A pane's number is its minute (m) or hour (h) since the epoch, negative before 1970. Offsets are negative
where records were restored that came before the topic (streams/restore/).
What a rebuild has of a view so far is kept under an alias of the topic: `{topic}~{view}@{hash}`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from tables.spec.view import FORMAT_VERSION


class FeedFormatError(ValueError):
    """A feed record that this release cannot read: the message names the record and what to do."""


class FeedVersionError(FeedFormatError):
    """A feed record of ours, of another format version."""


class CheckpointKey(NamedTuple):
    """`c:{topic}`"""

    topic: str


class WindowedKey(NamedTuple):
    """`w:{view}@{hash}:{topic}:{unit}{number}:{shard}`; unit `m` (minutes) or `h` (hours)."""

    view: str
    definition_hash: str
    topic: str
    unit: str
    number: int
    shard: int


class EntityKey(NamedTuple):
    """`e:{view}@{hash}:{topic}:{entity_id}`"""

    view: str
    definition_hash: str
    topic: str
    entity_id: str


class UserKey(NamedTuple):
    """`u:{view}@{hash}:{topic}:{user, 16 hex digits}`"""

    view: str
    definition_hash: str
    topic: str
    user: str


class ExperimentKey(NamedTuple):
    """`x:{view}@{hash}:{topic}:{experiment}`"""

    view: str
    definition_hash: str
    topic: str
    experiment: str


class DedupeKey(NamedTuple):
    """`d:{topic}:{first_offset}`"""

    topic: str
    first_offset: int


class DeclarationKey(NamedTuple):
    """`v:{view}@{hash}:{topic}`"""

    view: str
    definition_hash: str
    topic: str


class HeartbeatKey(NamedTuple):
    """`h:{worker}`"""

    worker: str


Key = (
    CheckpointKey
    | WindowedKey
    | EntityKey
    | UserKey
    | ExperimentKey
    | DedupeKey
    | DeclarationKey
    | HeartbeatKey
)


def checkpoint_key(topic: str) -> bytes:
    """The key of a source topic's checkpoint (on the feed partition of the same number)."""
    return f"c:{topic}".encode()


def windowed_prefix(view: str, definition_hash: str, topic: str) -> str:
    """What the pane (`m…` or `h…`), ':' and the shard are put behind to make a windowed record's key."""
    return f"w:{view}@{definition_hash}:{topic}:"


def entity_prefix(view: str, definition_hash: str, topic: str) -> str:
    """What an entity's id is put behind to make its record's key."""
    return f"e:{view}@{definition_hash}:{topic}:"


def user_prefix(view: str, definition_hash: str, topic: str) -> str:
    """What a user's number is put behind to make the key of an experiment view's user."""
    return f"u:{view}@{definition_hash}:{topic}:"


def experiment_prefix(view: str, definition_hash: str, topic: str) -> str:
    """What an experiment's name is put behind to make the key of its sums."""
    return f"x:{view}@{definition_hash}:{topic}:"


def of_topic(prefix: bytes, topic: str) -> bytes:
    """Such a prefix for the same definition of another source topic."""
    kind, definition, _ = prefix.split(b":", 2)
    return b"%b:%b:%b:" % (kind, definition, topic.encode())


def dedupe_key(topic: str, first_offset: int) -> bytes:
    """The key of a chunk of ids."""
    return f"d:{topic}:{first_offset:020d}".encode()


def heartbeat_key(worker: str) -> bytes:
    """The key of a worker's heartbeat."""
    return f"h:{worker}".encode()


def parse_key(key: bytes) -> Key:
    """The parts of a feed record's key. Raises `FeedFormatError` if it is none of ours."""
    try:
        kind, rest = key.decode().split(":", 1)
        match kind:
            case "e" | "u" | "x":
                view, topic, of = rest.split(":", 2)
                name, definition_hash = view.split("@")
                return _BY_VIEW[kind](name, definition_hash, topic, of)
            case "w":
                view, topic, pane, shard = rest.split(":")
                name, definition_hash = view.split("@")
                if pane[0] in "mh":
                    return WindowedKey(name, definition_hash, topic, pane[0], int(pane[1:]), int(shard))
            case "d":
                topic, offset = rest.split(":")
                return DedupeKey(topic, int(offset))
            case "v":
                view, topic = rest.split(":")
                name, definition_hash = view.split("@")
                return DeclarationKey(name, definition_hash, topic)
            case "c":
                return CheckpointKey(rest)
            case "h":
                return HeartbeatKey(rest)
    except (ValueError, IndexError):
        pass
    raise FeedFormatError(f"feed record {key[:200]!r}: not a key of format version {FORMAT_VERSION}; {MEND}")


_BY_VIEW: dict[str, Callable[..., EntityKey | UserKey | ExperimentKey]] = {
    "e": EntityKey,
    "u": UserKey,
    "x": ExperimentKey,
}

MEND = "did another program or a later release write it? Read it with that one, or use another SLUICE_PREFIX"


def source_topic(key: bytes) -> bytes | None:
    """The source topic that a record of the feed, ours by its key, is about; None for a heartbeat."""
    at = {b"c": 1, b"d": 1}.get(key[:1], None if key[:1] == b"h" else 2)
    return None if at is None else key.split(b":", 3)[at]
