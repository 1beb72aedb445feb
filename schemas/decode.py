"""The fast decoder, derived from the declarations: each pydantic model becomes a msgspec Struct.

Payloads are judged completely here. Of the envelope, what is dear for one record and cheap for a batch is
left to `schemas.validate`: the characters of `event_id` and `city`, the time, and UTF-8 in members that are
not read.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import datetime
from typing import Annotated, Any, ClassVar, Union, get_args

import msgspec
from pydantic import BaseModel

from schemas.catalogue import EVENTS
from schemas.fields import is_nullable, kind_of, msgspec_type, pattern_of
from schemas.instants import parse_instant
from schemas.patterns import KnownTexts, known_texts
from schemas.spec import EventSpec
from schemas.types import Envelope

ENVELOPE_NAMES = frozenset(Envelope.model_fields)
_NO_RECORD = b"no record has this"


class Event(msgspec.Struct, kw_only=True, gc=False):
    """A valid event. Each event of the catalogue has its own class, see `EVENT_TYPES`. Its `payload` has the
    fields declared: absent ones have their defaults, instants are datetimes."""

    event: ClassVar[str] = ""
    """The event's name."""
    quotes: ClassVar[int] = 0
    """The fewest quotes of a record that has every member; negative where that is not known."""
    null_optional: ClassVar[tuple[bytes, bytes, bytes]] = (_NO_RECORD, _NO_RECORD, _NO_RECORD)
    """The payload's optional text as null: at a record's end, without a space, and with one."""
    payload_names: ClassVar[frozenset[str]] = frozenset()
    """The names of the payload's declared members."""
    event_id: str
    version: int
    occurred_text: str
    """`occurred_at` as it was written: few who handle an event need more of it than the batch's `times`."""
    source: str
    city: str | None = None
    trace_id: str | None = None
    payload: Any

    @property
    def occurred_at(self) -> datetime:
        """When it happened, with the offset it was written with."""
        return parse_instant(self.occurred_text)


Field = tuple[str, Any] | tuple[str, Any, Any]


def _fields(model: type[BaseModel], given: dict[str, tuple[str, Any]]) -> list[Field]:
    """A model's fields for `defstruct`; `given` has the name and type of those that are not derived."""
    fields: list[Field] = []
    for name, field in model.model_fields.items():
        own_name, kind = given.get(name) or (name, msgspec_type(field))
        fields.append((own_name, kind) if field.is_required() else (own_name, kind, field.default))
    return fields


def _check_of(model: type[BaseModel]) -> Callable[[Any], None] | None:
    """The `__post_init__` for what msgspec is slow at (patterns) or judges otherwise (instants), if needed.

    Two forms, because the one for payloads with a currency and no more is called for nearly every payment.
    """
    patterned = [
        (name, known_texts(pattern))
        for name, field in model.model_fields.items()
        if (pattern := pattern_of(field)) is not None
    ]
    instants = [name for name, field in model.model_fields.items() if kind_of(field) is datetime]
    if not patterned and not instants:
        return None
    if patterned == [("currency", patterned[0][1])] and not instants:
        return _currency_check(patterned[0][1])

    def check(self: Any) -> None:
        for name, known in patterned:
            if not known.matches(getattr(self, name)):
                raise ValueError(name)
        for name in instants:
            value = getattr(self, name)
            if value is not None:
                setattr(self, name, parse_instant(value))

    return check


def _currency_check(known: KnownTexts) -> Callable[[Any], None]:
    good = known.good

    def check(self: Any) -> None:
        if self.currency not in good and not known.matches(self.currency):
            raise ValueError("currency")

    return check


def payload_struct(model: type[BaseModel]) -> type[msgspec.Struct]:
    """The Struct of a payload model. Its constructor raises ValueError for a wrong text or instant."""
    check = _check_of(model)
    made = msgspec.defstruct(
        model.__name__,
        _fields(model, {}),
        namespace={"__post_init__": check} if check else None,
        module=model.__module__,
        kw_only=True,
        gc=False,
    )
    # The one optional text under a name that is the same for all payloads: read without asking which it is.
    optional = [name for name, field in model.model_fields.items() if not field.is_required()]
    made.optional_text = getattr(made, optional[0]) if optional else True  # type: ignore[attr-defined]
    return made


def _quotes(model: type[BaseModel]) -> int:
    """Quotes of a payload that has every member; far too few where some may be left out in other ways than
    one text that is null by default, or where a number's own text may matter."""
    quotes, optional = 0, 0
    for field in model.model_fields.values():
        kind = kind_of(field)
        is_text = kind in (str, datetime) or all(isinstance(text, str) for text in get_args(kind) or (0,))
        quotes += 4 if is_text else 2
        optional += not field.is_required()
        plain = field.default is None and is_text if not field.is_required() else not is_nullable(field)
        if not plain or kind is float or optional > 1:
            return _NEVER
    return quotes


def _null_optional(model: type[BaseModel]) -> tuple[bytes, bytes, bytes]:
    for name, field in model.model_fields.items():
        if not field.is_required():
            return f'"{name}":null}}}}'.encode(), f'"{name}":null'.encode(), f'"{name}": null'.encode()
    return _NO_RECORD, _NO_RECORD, _NO_RECORD


_NEVER = -(2**40)
_ENVELOPE_QUOTES = 28
"""Eight names and six texts."""


def event_struct(spec: EventSpec, payload: type[msgspec.Struct]) -> type[Event]:
    """The Struct of a whole event: the envelope with this payload."""
    given = {
        "version": ("version", Annotated[int, msgspec.Meta(ge=spec.version, le=spec.version)]),
        "occurred_at": ("occurred_text", str),
        "payload": ("payload", payload),
        "event": ("event", str),
    }
    made: Any = msgspec.defstruct(
        "".join(word.capitalize() for word in re.split(r"[._]", spec.name)) + "Event",
        [field for field in _fields(Envelope, given) if field[0] != "event"],
        bases=(Event,),
        namespace={
            "event": spec.name,
            "quotes": _ENVELOPE_QUOTES + _quotes(spec.payload),
            "null_optional": _null_optional(spec.payload),
            "payload_names": frozenset(spec.payload.model_fields),
        },
        module=__name__,
        tag_field="event",
        tag=spec.name,
        rename={"occurred_text": "occurred_at"},
        kw_only=True,
        gc=False,
    )
    event_type: type[Event] = made
    return event_type


PAYLOAD_TYPES: dict[str, type[msgspec.Struct]] = {
    name: payload_struct(spec.payload) for name, spec in EVENTS.items()
}
"""Event name to the class of its payload."""

EVENT_TYPES: dict[str, type[Event]] = {
    name: event_struct(spec, PAYLOAD_TYPES[name]) for name, spec in EVENTS.items()
}
"""Event name to its class."""

DECODER: msgspec.json.Decoder[Event] = msgspec.json.Decoder(Union[tuple(EVENT_TYPES.values())])  # noqa: UP007
"""Decodes one JSON record into the class that its `event` member names."""
