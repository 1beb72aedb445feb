"""Repairs of bad records before they are sent again: a member set to another value, or the whole edited.

A repair keeps the event_id, and says which members it changed, never to what.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import msgspec
from pydantic import TypeAdapter, ValidationError

from agents.quarantine.masked import name as plain_name
from agents.quarantine.record import QuarantineRecord
from schemas.types import Envelope, EventId
from schemas.validation.reader_agreement import RepeatedError, parse_once

MOST_CHANGED = 50
"""So many names of members an audit record has at most."""
WHOLE = "*"
"""Stands for all of a record that was no JSON object before."""
_FIELDS = tuple(Envelope.model_fields)
_EVENT_ID = TypeAdapter[str](EventId)
_decode = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode
_UNREADABLE = (msgspec.DecodeError, ValueError, RecursionError)


class RepairError(Exception):
    """A record that cannot be repaired. `str()` says why, the same for all records of one kind."""


class Setting(NamedTuple):
    """A member of the envelope or below `payload`, and the JSON that it is set to."""

    path: tuple[str, ...]
    value: bytes

    @classmethod
    def of(cls, text: str) -> Setting:
        """`payload.currency=EUR`. What is no JSON is a text. Raises `ValueError`: it says what is wrong."""
        written, sign, value = text.partition("=")
        path = tuple(written.split("."))
        if not sign or not all(path):
            raise ValueError(f"{written!r} has to be PATH=VALUE, such as payload.currency=EUR")
        if path == ("event_id",):
            raise ValueError("event_id stays: a replay is the same event")
        if path[0] not in _FIELDS or (len(path) > 1 and path[0] != "payload"):
            fields = ", ".join(_FIELDS)
            raise ValueError(f"{written} is no member of an event: these are {fields}, and payload.NAME")
        try:
            msgspec.json.decode(value)
        except (msgspec.DecodeError, UnicodeError, RecursionError):
            return cls(path, msgspec.json.encode(value))
        return cls(path, value.encode())


class Repaired(NamedTuple):
    """A record as it is to be sent. `changed`: the members that are not what they were, sorted."""

    record: QuarantineRecord
    value: bytes | None
    changed: tuple[str, ...] = ()


class Repair(NamedTuple):
    """What is done to records. `edited`: the new value of some, None for the others."""

    settings: Sequence[Setting] = ()
    edited: Callable[[QuarantineRecord], bytes | None] = lambda _: None

    def apply(self, record: QuarantineRecord) -> Repaired:
        """The record, repaired. Raises `RepairError`."""
        edited = self.edited(record)
        value = record.value if edited is None else edited
        if edited is not None:
            _keep_event_id(record.value, edited)
        for setting in self.settings:
            value = _set(value, setting)
        changed = () if value == record.value else _changed(record.value, value)
        return Repaired(record, value, changed)


def members(value: bytes | None) -> dict[str, msgspec.Raw] | None:
    """The members of a JSON object as they are written; None if it is none."""
    try:
        return _decode(value or b"")
    except _UNREADABLE:
        return None


def is_readable(value: bytes | None) -> bool:
    """Whether it is a JSON object in UTF-8, to be edited."""
    try:
        return members(value) is not None and bool((value or b"").decode())
    except UnicodeDecodeError:
        return False


def _set(value: bytes | None, setting: Setting) -> bytes:
    found = members(value)
    if found is None:
        raise RepairError("it is no JSON object, in which nothing can be set: --edit it")
    _refuse_twice(value)
    return _with(found, setting.path, setting.value)


def _with(found: dict[str, msgspec.Raw], path: Sequence[str], value: bytes) -> bytes:
    """The object with a member set; all others as they were written."""
    name, *rest = path
    if rest:
        inner = members(bytes(found.get(name, b"")))
        if inner is None:
            raise RepairError(f"its {plain_name(name)} is no JSON object, in which nothing can be set")
        value = _with(inner, rest, value)
    return msgspec.json.encode({**found, name: msgspec.Raw(value)})


def _refuse_twice(value: bytes | None) -> None:
    """Which of two members of one name would stay is no repair's to say."""
    try:
        parse_once(value or b"")
    except RepeatedError:
        raise RepairError("it has a member twice: --edit it") from None
    except (ValueError, RecursionError):
        raise RepairError("it is not JSON that all readers read: --edit it") from None


def _keep_event_id(before: bytes | None, after: bytes) -> None:
    known = _event_id(members(before))
    if known is not None and _event_id(members(after)) != known:
        raise RepairError("its event_id is another one in the edited record: a replay is the same event")


def _event_id(found: dict[str, msgspec.Raw] | None) -> str | None:
    """The event_id, if it is one that is allowed."""
    try:
        return _EVENT_ID.validate_python(msgspec.json.decode((found or {})["event_id"]), strict=True)
    except (KeyError, ValidationError, *_UNREADABLE):
        return None


def _changed(before: bytes | None, after: bytes | None) -> tuple[str, ...]:
    old, new = members(before), members(after)
    if old is None or new is None:
        return (WHOLE,)
    paths = {plain_name(name) for name in _differing(old, new) - {"payload"}}
    if old.get("payload") != new.get("payload"):
        inner = [members(bytes(one.get("payload", b""))) for one in (old, new)]
        if inner[0] is None or inner[1] is None:
            paths.add("payload")
        else:
            paths |= {f"payload.{plain_name(name)}" for name in _differing(inner[0], inner[1])}
    return tuple(sorted(paths)[:MOST_CHANGED]) or (WHOLE,)


def _differing(old: dict[str, msgspec.Raw], new: dict[str, msgspec.Raw]) -> set[str]:
    return {name for name in old.keys() | new.keys() if old.get(name) != new.get(name)}
