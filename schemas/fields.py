"""A pydantic field's type and limits, for msgspec, JSON Schema and Avro."""

from __future__ import annotations

import types
from datetime import datetime
from typing import Annotated, Any, Literal, Union, get_args, get_origin

import msgspec
from pydantic.fields import FieldInfo

_LIMITS = ("ge", "gt", "le", "lt", "min_length", "max_length")
_PLAIN = (str, int, float, bool, type(None))


def _members(annotation: Any) -> tuple[Any, ...]:
    """The members of a union, or the annotation alone."""
    return get_args(annotation) if get_origin(annotation) in (Union, types.UnionType) else (annotation,)


def _parts(field: FieldInfo) -> tuple[Any, list[Any]]:
    """A field's own type, without `None` and `Annotated`, and all its metadata."""
    kinds = [kind for kind in _members(field.annotation) if kind is not type(None)]
    if len(kinds) > 1:
        raise TypeError(f"a field of several types is not supported: {field.annotation!r}")
    own = FieldInfo.from_annotation(kinds[0])
    return own.annotation, [*field.metadata, *own.metadata]


def kind_of(field: FieldInfo) -> Any:
    """A field's type: str, int, float, bool, datetime or a Literal. Raises TypeError for any other."""
    kind, _ = _parts(field)
    if get_origin(kind) is not Literal and kind is not datetime and kind not in _PLAIN:
        raise TypeError(f"a payload field cannot be of type {kind!r}: use the types of schemas.types")
    return kind


def is_nullable(field: FieldInfo) -> bool:
    """True if the field may be null."""
    return type(None) in _members(field.annotation)


def metadata_of(field: FieldInfo) -> list[Any]:
    """What a field's type is annotated with: limits, a pattern, validators."""
    return _parts(field)[1]


def pattern_of(field: FieldInfo) -> str | None:
    """The regular expression that the whole text has to match, if the field has one."""
    patterns = (getattr(item, "pattern", None) for item in _parts(field)[1])
    return next((str(pattern) for pattern in patterns if pattern is not None), None)


def limits_of(field: FieldInfo) -> dict[str, Any]:
    """The field's limits (`ge`, `le`, `min_length`, …) by their names, which pydantic and msgspec share."""
    return {
        name: getattr(item, name)
        for item in _parts(field)[1]
        for name in _LIMITS
        if getattr(item, name, None) is not None
    }


def msgspec_type(field: FieldInfo) -> Any:
    """The type that msgspec decodes the field as, with its limits. Instants are read as text; patterns are
    left out (msgspec matches them with Python's `re`, one by one)."""
    kind, limits = kind_of(field), limits_of(field)
    if kind is datetime:
        kind = str
    elif kind in (int, float):
        # What all readers can hold. A float beyond it may be written as an integer that they cannot: the slow
        # path looks at that. As floats 2**63 - 1 and 2**63 are one, so that theirs is nearer.
        bits = 63 if kind is int else 62
        if not limits.keys() & {"ge", "gt"}:
            limits["ge"] = -(2**bits)
        if not limits.keys() & {"le", "lt"}:
            limits["le"] = 2**bits - (kind is int)
    if limits:
        kind = Annotated[kind, msgspec.Meta(**limits)]
    return kind | None if is_nullable(field) else kind
