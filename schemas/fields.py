"""What a pydantic model says of a field, in the terms of others."""

from __future__ import annotations

import types
from collections.abc import Iterable, Iterator
from datetime import datetime
from typing import Annotated, Any, Literal, Union, get_args, get_origin

import msgspec
from pydantic.fields import FieldInfo

_LIMITS = ("ge", "gt", "le", "lt", "min_length", "max_length")
_PLAIN = (str, int, float, bool, type(None))


def _flat(metadata: Iterable[Any]) -> Iterator[Any]:
    for item in metadata:
        if isinstance(item, FieldInfo):
            yield from item.metadata
        else:
            yield item


def _members(annotation: Any) -> tuple[Any, ...]:
    """The members of a union, or the annotation alone."""
    return get_args(annotation) if get_origin(annotation) in (Union, types.UnionType) else (annotation,)


def _parts(field: FieldInfo) -> tuple[Any, tuple[Any, ...]]:
    """A field's own type, without `None` and `Annotated`, and all its metadata."""
    kinds = [kind for kind in _members(field.annotation) if kind is not type(None)]
    metadata = list(field.metadata)
    if get_origin(kinds[0]) is Annotated:
        kinds[0], *nested = get_args(kinds[0])
        metadata += nested
    if len(kinds) > 1:
        raise TypeError(f"a field of several types is not supported: {field.annotation!r}")
    return kinds[0], tuple(_flat(metadata))


def kind_of(field: FieldInfo) -> Any:
    """A field's type: str, int, float, bool, datetime or a Literal. Raises TypeError for any other."""
    kind, _ = _parts(field)
    if get_origin(kind) is not Literal and kind is not datetime and kind not in _PLAIN:
        raise TypeError(f"a payload field cannot be of type {kind!r}: use the types of schemas.types")
    return kind


def is_nullable(field: FieldInfo) -> bool:
    """True if the field may be null."""
    return type(None) in _members(field.annotation)


def pattern_of(field: FieldInfo) -> str | None:
    """The regular expression that the whole text has to match, if the field has one."""
    for item in _parts(field)[1]:
        pattern = getattr(item, "pattern", None)
        if pattern is not None:
            return str(pattern)
    return None


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
    kind = kind_of(field)
    kind = str if kind is datetime else kind
    limits = limits_of(field)
    if kind in (int, float):
        # What readers hold alike; of a float beyond it the complete judgement sees how it is written.
        if not limits.keys() & {"ge", "gt"}:
            limits["ge"] = -(2**63)
        if not limits.keys() & {"le", "lt"}:
            limits["le"] = 2**63 - 1
    if limits:
        kind = Annotated[kind, msgspec.Meta(**limits)]
    return kind | None if is_nullable(field) else kind
