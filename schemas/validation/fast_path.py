"""The fast decoder, derived from the declarations: each pydantic model becomes a msgspec Struct.

What is cheaper for a batch than for single records is left to `schemas.validation.columns` and its caller:
texts that have a pattern, the time, and members that are not declared.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Collection
from datetime import datetime
from functools import cache
from itertools import repeat
from operator import length_hint
from typing import Annotated, Any, ClassVar, Literal, Union, cast, get_origin

import msgspec
from pydantic import BaseModel

from schemas.catalogue import EVENTS
from schemas.fields import is_nullable, kind_of, msgspec_type, pattern_of
from schemas.spec import EventSpec, class_name
from schemas.times import instant_us, parse_instant
from schemas.types import Envelope

ENVELOPE_NAMES = frozenset(Envelope.model_fields)
_MAX_GOOD = 4096


class KnownTexts:
    """Texts that repeat, such as cities and currencies, of a pattern: those seen to match it as a whole.

    `good` holds up to 4,096 of them, and None, for fields that may be null.
    """

    def __init__(self, pattern: str) -> None:
        self._pattern = re.compile(pattern)
        self.good: set[str | None] = {None}

    def matches(self, text: str | None) -> bool:
        """True if the text matches; it is then remembered, while there is room."""
        if text in self.good:
            return True
        if text is None or not self._pattern.fullmatch(text):
            return False
        if len(self.good) < _MAX_GOOD:
            self.good.add(text)
        return True


known_texts = cache(KnownTexts)
"""The known texts of a pattern, shared by all fields that have it."""


class _Absences:
    """Counts the optional members that decoded records did not have.

    The decoder asks for the default of each; what it asks is an iterator that counts how often, in C.
    """

    def __init__(self) -> None:
        self._defaults: dict[tuple[type, Any], repeat[Any]] = {}  # by type, too: True equals 1

    def default(self, value: Any) -> Any:
        """The declaration of a field that is `value` where it is absent."""
        default = self._defaults.setdefault((type(value), value), repeat(value, sys.maxsize))
        return msgspec.field(default_factory=default.__next__)

    def count(self) -> int:
        """How many so far, in all that was decoded or tried to be."""
        return sys.maxsize * len(self._defaults) - sum(map(length_hint, self._defaults.values()))


ABSENCES = _Absences()


class Event(msgspec.Struct, kw_only=True, gc=False):
    """A valid event. Each event of the catalogue has its own class, see `EVENT_TYPES`. Its `payload` has the
    fields declared: absent ones have their defaults, instants are text as it was written."""

    event: ClassVar[str] = ""
    """The event's name."""
    members: ClassVar[int] = 0
    """How many members are declared, the payload's included."""
    tally: ClassVar[int] = 0
    """The same, and `FRACTION` where a declared member is a number of any length: one sum for both."""
    optional: ClassVar[tuple[str, ...]] = ()
    """The names of the payload's members that may be absent."""
    null_if_absent: ClassVar[bool] = True
    """Whether each of these is null then: one with another default looks like one that is there."""
    payload_names: ClassVar[frozenset[str]] = frozenset()
    """The names of the payload's declared members."""
    fixed: ClassVar[frozenset[str]] = frozenset()
    payload_fixed: ClassVar[frozenset[str]] = frozenset()
    """The names of members that every event has, and has not as null."""
    texts: ClassVar[int] = 0
    """How many of these are texts."""
    has_fraction: ClassVar[bool] = False
    """Whether a declared member is a number of any length."""
    instants: ClassVar[tuple[str, ...]] = ()
    """The names of the payload's instants."""
    event_id: str
    version: int
    occurred_text: str
    """`occurred_at` as it was written; most code needs the batch's `times` only."""
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
        default = field.default.isoformat() if isinstance(field.default, datetime) else field.default
        fields.append(
            (own_name, kind) if field.is_required() else (own_name, kind, ABSENCES.default(default))
        )
    return fields


def _patterns() -> dict[str, KnownTexts]:
    patterns: dict[str, str] = {}
    for spec in EVENTS.values():
        for name, field in spec.payload.model_fields.items():
            pattern = pattern_of(field)
            if patterns.setdefault(name, pattern or "") != (pattern or ""):
                raise TypeError(
                    f"{spec.name}: {name} has another pattern in another event: give them one type"
                )
    return {name: known_texts(pattern) for name, pattern in patterns.items() if pattern}


PATTERNS = _patterns()
"""The payloads' fields that have a pattern, by name: a name has one pattern in all payloads. What is decoded
has still to be matched; payloads without such a field have None under its name."""


def _check_of(model: type[BaseModel], patterns: Collection[str]) -> Callable[[Any], None] | None:
    """The `__post_init__` for what msgspec is slow at (patterns, but for these) or judges otherwise
    (instants), if needed."""
    patterned = [
        (name, known_texts(pattern))
        for name, field in model.model_fields.items()
        if (pattern := pattern_of(field)) is not None and name not in patterns
    ]
    instants = [name for name, field in model.model_fields.items() if kind_of(field) is datetime]
    if not patterned and not instants:
        return None

    def check(self: Any) -> None:
        for name, known in patterned:
            if not known.matches(getattr(self, name)):
                raise ValueError(name)
        for name in instants:
            value = getattr(self, name)
            if value is not None:
                instant_us(value)

    return check


def payload_struct(model: type[BaseModel], patterns: Collection[str] = ()) -> type[msgspec.Struct]:
    """The Struct of a payload model. Its constructor raises ValueError for a wrong instant, and for a text
    that does not match its pattern; those of the fields `patterns` are left to others."""
    check = _check_of(model, patterns)
    missing: dict[str, Any] = dict.fromkeys(name for name in patterns if name not in model.model_fields)
    return msgspec.defstruct(
        model.__name__,
        _fields(model, {}),
        namespace=missing | ({"__post_init__": check} if check else {}),
        module=model.__module__,
        kw_only=True,
        gc=False,
    )


def _fixed(model: type[BaseModel]) -> dict[str, bool]:
    """The names of the members that every event has, and not as null, and whether they are texts."""
    fixed: dict[str, bool] = {}
    for name, field in model.model_fields.items():
        if field.is_required() and not is_nullable(field):
            kind = dict if name == "payload" else kind_of(field)
            fixed[name] = kind in (str, datetime) or get_origin(kind) is Literal
    return fixed


FRACTION = 1 << 40
"""Far more than the members of any batch."""


def event_struct(spec: EventSpec, payload: type[msgspec.Struct]) -> type[Event]:
    """The Struct of a whole event: the envelope with this payload."""
    given = {
        "version": ("version", Annotated[int, msgspec.Meta(ge=spec.version, le=spec.version)]),
        "occurred_at": ("occurred_text", str),
        "payload": ("payload", payload),
        "event": ("event", str),
    }
    fields = spec.payload.model_fields
    envelope, payload_fixed = _fixed(Envelope), _fixed(spec.payload)
    members = len(ENVELOPE_NAMES) + len(fields)
    has_fraction = any(kind_of(field) is float for field in fields.values())
    optional = {name: field for name, field in fields.items() if not field.is_required()}
    made = msgspec.defstruct(
        class_name(spec.name) + "Event",
        [field for field in _fields(Envelope, given) if field[0] != "event"],
        bases=(Event,),
        namespace={
            "event": spec.name,
            "members": members,
            "tally": members + has_fraction * FRACTION,
            "optional": tuple(optional),
            "null_if_absent": all(field.default is None for field in optional.values()),
            "payload_names": frozenset(fields),
            "fixed": frozenset(envelope),
            "payload_fixed": frozenset(payload_fixed),
            "texts": sum(envelope.values()) + sum(payload_fixed.values()),
            "has_fraction": has_fraction,
            "instants": tuple(name for name, field in fields.items() if kind_of(field) is datetime),
        },
        module=__name__,
        tag_field="event",
        tag=spec.name,
        rename={"occurred_text": "occurred_at"},
        kw_only=True,
        gc=False,
    )
    return cast("type[Event]", made)


PAYLOAD_TYPES: dict[str, type[msgspec.Struct]] = {
    name: payload_struct(spec.payload, PATTERNS) for name, spec in EVENTS.items()
}
"""Event name to the class of its payload."""

EVENT_TYPES: dict[str, type[Event]] = {
    name: event_struct(spec, PAYLOAD_TYPES[name]) for name, spec in EVENTS.items()
}
"""Event name to its class."""

DECODER: msgspec.json.Decoder[Event] = msgspec.json.Decoder(Union[tuple(EVENT_TYPES.values())])  # noqa: UP007
"""Decodes one JSON record into the class that its `event` member names."""
