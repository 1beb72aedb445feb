"""Whose a record of `views.feed` or `ops.gates` is, and whether it can be read.

A record that is not ours by its key (null, another program's, or of a kind that a later release may write) is
passed over. One that is ours counts, so a damaged value is reported and another format version is refused.
"""

from __future__ import annotations

import re
from enum import StrEnum
from typing import NamedTuple

from tables.codec import (
    decode_checkpoint,
    decode_entity,
    decode_heartbeat,
    decode_partial,
)
from tables.experiments.records import decode_experiment, decode_user
from tables.fold.dedupe.chunks import unpack
from tables.gates.records import decode_gate, key_of_record
from tables.keys import FeedFormatError, FeedVersionError

_VIEW = rb"[^:@]{1,200}@[0-9a-f]{8}"
_TOPIC = rb"[A-Za-z0-9._-]{1,249}(?:~" + _VIEW + rb")?"
_FEED_KEY = re.compile(
    rb"c:%(topic)s|d:%(topic)s:-?[0-9]{19,20}|w:%(view)s:%(topic)s:[mh]-?[0-9]{1,12}:[0-9]{1,5}"
    rb"|[ex]:%(view)s:%(topic)s:.+|u:%(view)s:%(topic)s:[0-9a-f]{16}|v:%(view)s:%(topic)s|h:.+"
    % {b"topic": _TOPIC, b"view": _VIEW},
    re.DOTALL,
)
_GATE_KEY = re.compile(rb"[a-z0-9_-]{0,64}\|[A-Z]{3}|[a-z][a-z0-9_]{0,99}/.{0,1000}", re.DOTALL)
SHOWN_KEY_BYTES = 80


class Fault(StrEnum):
    """What is wrong with a record."""

    ALIEN = "alien"
    DAMAGED = "damaged"
    VERSION = "version"


class Problem(NamedTuple):
    """What is wrong with a record, and why, for people: without its value."""

    fault: Fault
    why: str


NOT_OURS = Problem(Fault.ALIEN, "its key is none of Sluice's")


def is_feed_key(key: bytes | None) -> bool:
    """Whether a record of the feed is ours by its key."""
    return key is not None and _FEED_KEY.fullmatch(key) is not None and _is_utf8(key)


def is_gate_key(key: bytes | None) -> bool:
    """Whether a record of the gates' topic is ours by its key."""
    return key is not None and _GATE_KEY.fullmatch(key) is not None and _is_utf8(key)


def _is_utf8(key: bytes) -> bool:
    try:
        return key.isascii() or bool(key.decode())
    except UnicodeDecodeError:
        return False


def value_problem(key: bytes, value: bytes, width: int | None = None) -> Problem | None:
    """What is wrong with the value of a feed record that is ours by its key. `width`: how many sums and
    sketches a group of a windowed record has."""
    try:
        _check_value(key[:1], value, width)
    except FeedVersionError as error:
        return Problem(Fault.VERSION, str(error))
    except FeedFormatError as error:
        return Problem(Fault.DAMAGED, str(error))
    return None


def gate_problem(key: bytes | None, value: bytes | None) -> Problem | None:
    """What is wrong with a record of the gates' topic."""
    if not is_gate_key(key):
        return NOT_OURS
    record = decode_gate(value)
    if value is not None and (record is None or key_of_record(record) != key):
        return Problem(Fault.DAMAGED, "its value is no gate's, or another one's")
    return None


def _check_value(kind: bytes, value: bytes, width: int | None) -> None:
    """Raises `FeedFormatError`."""
    if kind == b"c":
        decode_checkpoint(value)
    elif kind == b"h":
        decode_heartbeat(value)
    elif kind == b"w":
        groups = decode_partial(value)
        if width is not None and any(len(row) != width for _, row in groups):
            raise FeedFormatError(f"a group of a windowed record has not {width} sums and sketches")
    elif kind == b"e":
        decode_entity(value)
    elif kind == b"u":
        decode_user(value)
    elif kind == b"x":
        decode_experiment(value)
    elif kind == b"v":
        return  # one that can't be read is one that this release does not know
    else:
        try:
            unpack(value)
        except (ValueError, IndexError) as error:
            raise FeedFormatError(
                f"a dedupe record of the feed is damaged ({type(error).__name__})"
            ) from None


def shown(key: bytes | None) -> str:
    """A key for logs and reports: escaped and cut."""
    if key is None:
        return "null"
    text = repr(key[:SHOWN_KEY_BYTES])[1:]
    return text if len(key) <= SHOWN_KEY_BYTES else f"{text}…"


def definition(key: bytes) -> bytes | None:
    """`view@definition_hash` of a key that has one; None for the others."""
    return key.split(b":", 2)[1] if key[:1] in (b"w", b"e", b"u", b"x") else None
