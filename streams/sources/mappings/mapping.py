"""What a mapping is: from one foreign JSON value to events' envelopes, to a refusal, or to "not for us".

A mapping never raises, whatever it is given, and none of its texts shows a value: names of members and types
are told, nothing else.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from collections.abc import Mapping as Members
from decimal import Decimal
from enum import StrEnum
from typing import Any, NamedTuple, Protocol

import msgspec

from schemas.validation.reader_agreement import UnlikeError, check_depth

CODE = "MAPPING_INVALID"
"""The code of what a mapping refuses; what the catalogue refuses has the codes of the quarantine."""

_KIND = re.compile(r"[A-Za-z0-9_.:/\-]{1,80}")
OTHER_KIND = "_other"
"""Stands for a type whose name is no name."""

_decode = msgspec.json.Decoder(float_hook=Decimal).decode
_encode = msgspec.json.Encoder(decimal_format="number").encode
_decode_members = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode
_decode_items = msgspec.json.Decoder(list[msgspec.Raw]).decode
UNREADABLE = (msgspec.DecodeError, UnicodeDecodeError, RecursionError, UnlikeError, ArithmeticError)


class Why(StrEnum):
    """Why a mapping refuses a value."""

    NOT_JSON = "not_json"
    NOT_OBJECT = "not_object"
    WRONG_FORMAT = "wrong_format"
    FIELD = "field"
    NO_EVENT = "no_event"

    @property
    def meaning(self) -> str:
        """In words."""
        return _MEANINGS[self]


_MEANINGS = {
    Why.NOT_JSON: "it is no JSON, or is nested deeper than 64",
    Why.NOT_OBJECT: "it is JSON, but no object",
    Why.WRONG_FORMAT: "it is not of this format",
    Why.FIELD: "a member that is needed is missing or not as it must be; `field` names it",
    Why.NO_EVENT: "something happened that the catalogue has no event for, and that must not go by unseen",
}


class Refused(NamedTuple):
    """Why a value is no event. `code` and `reason` are a mapping's own, or the quarantine's if the catalogue
    refuses what was mapped. `field` is "" where none is to blame; `detail` is for people."""

    code: str
    reason: str
    field: str
    detail: str


class NotForUs(NamedTuple):
    """Something that the catalogue has no event for and needs none: its type, and why."""

    kind: str
    why: str


class Mapped(NamedTuple):
    """The envelopes that a value is, as JSON: one at least."""

    events: tuple[bytes, ...]


Outcome = Mapped | Refused | NotForUs


class StopError(Exception):
    """Ends the mapping of a value with an outcome that is no event."""

    def __init__(self, outcome: Refused | NotForUs) -> None:
        super().__init__(outcome)
        self.outcome = outcome


class Example(NamedTuple):
    """A foreign value, and what it is: envelopes, a refusal, or a type that is not for us. Each is a test."""

    title: str
    given: Any
    expected: tuple[Members[str, Any], ...] | Refused | NotForUs


class Mapping(Protocol):
    """One foreign format."""

    name: str
    """What `--format` and the routes call it."""

    def values(self, value: bytes) -> Sequence[bytes]:
        """The values that one JSON value holds: itself, or those of a list that it wraps."""

    def outcome(self, value: bytes) -> Outcome:
        """What a value is. Never raises."""


def refused(why: Why, detail: str, field: str = "") -> StopError:
    """To be raised: a mapping's refusal."""
    return StopError(Refused(CODE, why, field, detail))


def not_for_us(kind: Any, why: str) -> StopError:
    """To be raised: nothing that the catalogue has an event for."""
    return StopError(NotForUs(kind_of(kind), why))


def kind_of(text: Any) -> str:
    """A type's name as it may be shown and counted; `OTHER_KIND` if it is anything else."""
    return text if isinstance(text, str) and _KIND.fullmatch(text) else OTHER_KIND


def parsed(value: bytes) -> Any:
    """A value's JSON, its fractions as `Decimal`. Raises `StopError`."""
    try:
        check_depth(value)
        return _decode(value)
    except UNREADABLE:
        raise refused(Why.NOT_JSON, "it is no JSON in UTF-8, or is nested deeper than 64") from None


def parsed_object(value: bytes) -> dict[str, Any]:
    """The same of an object."""
    found = parsed(value)
    if not isinstance(found, dict):
        raise refused(Why.NOT_OBJECT, "it is JSON, but no object")
    return found


def members_of(value: bytes) -> dict[str, bytes]:
    """An object's members, byte for byte. Raises `StopError`."""
    try:
        check_depth(value)
        return {name: bytes(member) for name, member in _decode_members(value).items()}
    except msgspec.ValidationError:
        raise refused(Why.NOT_OBJECT, "it is JSON, but no object") from None
    except UNREADABLE:
        raise refused(Why.NOT_JSON, "it is no JSON in UTF-8, or is nested deeper than 64") from None


def items_of(value: bytes) -> list[bytes] | None:
    """The elements of a JSON array, byte for byte; None if it is none.

    How deep they are nested is asked when each is read: of a whole batch it takes most of the time.
    """
    try:
        return [bytes(item) for item in _decode_items(value)]
    except UNREADABLE:
        return None


def encoded(envelope: Members[str, Any]) -> bytes:
    """An envelope as JSON; `Decimal` and `msgspec.Raw` members keep what was written."""
    return _encode(envelope)


def mapped(envelopes: Iterable[Members[str, Any]]) -> Mapped:
    """The outcome for these envelopes."""
    return Mapped(tuple(map(_encode, envelopes)))
