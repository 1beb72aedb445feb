"""The fast decoder, derived from the declarations: each pydantic model becomes a msgspec Struct.

What it accepts is a superset, by a little, of what the declarations accept: msgspec's `pattern` runs Python's `re`
for every field, its datetimes may have an offset without a colon, and unknown members may hold bytes that are not
UTF-8. `schemas.validate` checks these for a whole batch at once.
"""

from __future__ import annotations

import re
import types
from collections.abc import Iterable, Iterator
from datetime import datetime
from typing import Annotated, Any, ClassVar, Literal, Union, get_args, get_origin

import msgspec
from pydantic import BaseModel
from pydantic.fields import FieldInfo

from schemas.catalogue import EVENTS
from schemas.spec import EventSpec
from schemas.types import FIRST_YEAR, LAST_YEAR, Envelope

_LIMITS = {"ge": "ge", "gt": "gt", "le": "le", "lt": "lt", "min_length": "min_length", "max_length": "max_length"}


class Event(msgspec.Struct, kw_only=True, gc=False):
    """A decoded, valid event. Each event of the catalogue has its own class, see `EVENT_TYPES`; its `payload` has
    the fields that are declared, absent ones with their defaults."""

    event: ClassVar[str] = ""
    """The event's name."""
    event_id: str
    version: int
    occurred_at: datetime
    source: str
    city: str | None = None
    trace_id: str | None = None
    payload: Any


def _flat(metadata: Iterable[Any]) -> Iterator[Any]:
    for item in metadata:
        if isinstance(item, FieldInfo):
            yield from item.metadata
        else:
            yield item


def _limits(metadata: Iterable[Any]) -> dict[str, Any]:
    """msgspec.Meta's arguments for pydantic's metadata; patterns are left out."""
    return {
        limit: getattr(item, name)
        for item in _flat(metadata)
        for name, limit in _LIMITS.items()
        if getattr(item, name, None) is not None
    }


def msgspec_type(annotation: Any, metadata: Iterable[Any] = ()) -> Any:
    """The msgspec type for a field's annotation and metadata. Raises TypeError for one that has no counterpart."""
    origin = get_origin(annotation)
    if origin is Annotated:
        inner, *more = get_args(annotation)
        return msgspec_type(inner, (*more, *metadata))
    if origin in (Union, types.UnionType):
        return Union[tuple(msgspec_type(arg, () if arg is type(None) else metadata) for arg in get_args(annotation))]
    limits = _limits(metadata)
    if annotation is datetime:
        limits["tz"] = True
    if origin is Literal or annotation in (str, int, float, bool, datetime, type(None)):
        return Annotated[annotation, msgspec.Meta(**limits)] if limits else annotation
    raise TypeError(f"a payload field cannot be of type {annotation!r}: use the types of schemas.types")


def pattern_of(field: FieldInfo) -> str | None:
    """The regular expression that a text field has to match as a whole, if it has one."""
    nested = [item for arg in get_args(field.annotation) for item in get_args(arg)[1:]]
    for item in _flat((*field.metadata, *nested)):
        pattern = getattr(item, "pattern", None)
        if pattern is not None:
            return str(pattern)
    return None


def _base_type(field: FieldInfo) -> Any:
    """The annotation without `Annotated` and `None`."""
    kind = field.annotation
    if get_origin(kind) in (Union, types.UnionType):
        kind = next(arg for arg in get_args(kind) if arg is not type(None))
    return get_args(kind)[0] if get_origin(kind) is Annotated else kind


def _fields(model: type[BaseModel], replaced: dict[str, Any]) -> list[tuple[str, Any] | tuple[str, Any, Any]]:
    fields: list[tuple[str, Any] | tuple[str, Any, Any]] = []
    for name, field in model.model_fields.items():
        kind = replaced.get(name) or msgspec_type(field.annotation, field.metadata)
        fields.append((name, kind) if field.is_required() else (name, kind, field.default))
    return fields


def _payload_patterns(specs: Iterable[EventSpec]) -> dict[str, re.Pattern[str]]:
    """Payload field → its pattern. Raises ValueError if two events give a field of one name different ones: the
    batch check goes by the name alone."""
    found: dict[str, set[str | None]] = {}
    for spec in specs:
        for name, field in spec.payload.model_fields.items():
            found.setdefault(name, set()).add(pattern_of(field))
    for name, patterns in found.items():
        if len(patterns) > 1:
            raise ValueError(f"payload field {name} has different patterns in different events")
    return {name: re.compile(text) for name, (text,) in found.items() if text is not None}


PAYLOAD_PATTERNS = _payload_patterns(EVENTS.values())
"""Patterned payload fields. Payloads without such a field have it as a class attribute that is None, so that a
batch's values can be collected without asking each event for its type."""


def _check_years(names: tuple[str, ...]) -> Any:
    """A `__post_init__` that refuses payload instants in years that are not allowed."""

    def __post_init__(self: Any) -> None:
        for name in names:
            value = getattr(self, name)
            if value is not None and not FIRST_YEAR <= value.year <= LAST_YEAR:
                raise ValueError(name)

    return __post_init__


def payload_struct(model: type[BaseModel]) -> type[msgspec.Struct]:
    """The Struct of a payload model."""
    namespace: dict[str, Any] = {name: None for name in PAYLOAD_PATTERNS if name not in model.model_fields}
    instants = tuple(name for name, field in model.model_fields.items() if _base_type(field) is datetime)
    if instants:
        namespace["__post_init__"] = _check_years(instants)
    return msgspec.defstruct(
        model.__name__, _fields(model, {}), namespace=namespace, module=model.__module__, kw_only=True, gc=False
    )


def event_struct(spec: EventSpec) -> type[Event]:
    """The Struct of a whole event: the envelope with this payload."""
    version = Annotated[int, msgspec.Meta(ge=spec.version, le=spec.version)]
    fields = _fields(Envelope, {"version": version, "payload": payload_struct(spec.payload)})
    return msgspec.defstruct(  # type: ignore[return-value]
        "".join(word.capitalize() for word in re.split(r"[._]", spec.name)) + "Event",
        [field for field in fields if field[0] != "event"],
        bases=(Event,),
        namespace={"event": spec.name},
        module=__name__,
        tag_field="event",
        tag=spec.name,
        kw_only=True,
        gc=False,
    )


EVENT_TYPES: dict[str, type[Event]] = {name: event_struct(spec) for name, spec in EVENTS.items()}
"""Event name → its class."""

DECODER: msgspec.json.Decoder[Event] = msgspec.json.Decoder(Union[tuple(EVENT_TYPES.values())])
"""Decodes one JSON record into the class that its `event` member names."""
