"""The fields of events, as declarations name them."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from types import UnionType
from typing import Annotated, Any, Literal, Protocol, Union, get_args, get_origin

import msgspec

CITY = "city"
"""The dimension that comes from the envelope; all others are payload fields. Every state keeps it."""

OTHER = "_other"
"""The value of a dimension that stands for many: of what came when there were too many groups."""

Value = str | int | bool | None
"""What a dimension or a compared field may hold."""

Where = tuple[tuple[str, Value], ...]
"""Payload (or kept) fields, and the value each of them must have."""


class Event(Protocol):
    """A decoded event. Its payload has the fields of its own declaration."""

    event_id: str
    city: str | None
    payload: Any


EventTypes = Mapping[str, type[Any]]
"""Event name → class of the decoded event."""


class Kind(StrEnum):
    """What a kept field holds."""

    TEXT = "text"
    WHOLE = "whole"  # an int
    NUMBER = "number"  # a float, which is shown and not added up
    TIME = "time"  # a datetime in the event, int µs UTC since the epoch in the state


def payload_fields(event_class: type[msgspec.Struct]) -> dict[str, Any]:
    """The fields of an event's payload and their types."""
    (payload,) = (found.type for found in msgspec.structs.fields(event_class) if found.name == "payload")
    return {found.name: found.type for found in msgspec.structs.fields(payload)}


def is_whole(field_type: Any) -> bool:
    """Whether a field is always an int."""
    return field_type is int or (get_origin(field_type) is Annotated and get_args(field_type)[0] is int)


def holds(event_class: type[Any], name: str) -> Kind | None:
    """What a field of an event's payload holds, null aside; None for a boolean."""
    if name in getattr(event_class, "instants", ()):  # texts as they are decoded
        return Kind.TIME
    found = _plain(payload_fields(event_class)[name])
    if get_origin(found) is Literal:
        return Kind.TEXT
    return {str: Kind.TEXT, int: Kind.WHOLE, float: Kind.NUMBER}.get(found)


def is_nullable(event_class: type[Any], name: str) -> bool:
    """Whether a field of an event's payload may be null."""
    return type(None) in get_args(payload_fields(event_class)[name])


def _plain(field_type: Any) -> Any:
    """A field's type without its limits and null."""
    if get_origin(field_type) in (Union, UnionType):
        (field_type,) = (kind for kind in get_args(field_type) if kind is not type(None))
    return get_args(field_type)[0] if get_origin(field_type) is Annotated else field_type
