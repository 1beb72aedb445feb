"""Declarations as data: a view written down, so that a later release can go on with it.

A declaration is made of frozen dataclasses, enumerations, tuples and plain values. Each object is written
with the name of its class, and read by that name: of the classes that this release has.
"""

from __future__ import annotations

import dataclasses
import re
from enum import Enum
from typing import Any

import msgspec

from tables.spec.entity_measures import EntityMeasure
from tables.spec.experiment import Experiment, Exposure, UserMetric
from tables.spec.fields import EventTypes, Kind
from tables.spec.measures import Measure, Unit
from tables.spec.problems import problems
from tables.spec.records import Outcome
from tables.spec.tracked import Deadline, Kept, Selection, Stage, Tracked
from tables.spec.view import SHOWN, View
from tables.spec.windowed import Term, WindowedMeasure

PARTS: tuple[type[Any], ...] = (
    *(Tracked, Stage, Kept, Selection, Deadline, Term, Unit, Kind, Exposure, UserMetric, Experiment, Outcome),
)
"""What declarations are made of, besides views and measures."""
ROOTS: tuple[type[Any], ...] = (View, Measure, EntityMeasure, WindowedMeasure)

_CLASS, _ITEMS = "is", "of"
_NAME = re.compile(r"[a-z0-9_]{1,200}")


def encode_view(view: View) -> bytes:
    """A declaration as JSON; the same bytes for the same declaration."""
    return msgspec.json.encode(_written(view))


def decode_view(value: bytes, events: EventTypes) -> View:
    """The declaration. Raises `ValueError` where it is none, or where this release can't compute it: the text
    says what is missing."""
    try:
        view = _read(msgspec.json.decode(value), _classes())
    except (msgspec.MsgspecError, TypeError, KeyError, UnicodeDecodeError, RecursionError) as error:
        raise ValueError(f"it can't be read ({error})") from None
    if not isinstance(view, View) or not _NAME.fullmatch(view.name):
        raise ValueError("it is no view's declaration")
    try:
        wrong = problems(view, events)
        view.definition_hash  # noqa: B018 - a value of another type shows here
    except (TypeError, AttributeError, ValueError) as error:
        raise ValueError(f"it can't be computed ({error})") from None
    if wrong:
        raise ValueError(wrong[0])
    return view


def _written(item: Any) -> Any:
    if isinstance(item, Enum):
        return {_CLASS: type(item).__name__, _ITEMS: item.value}
    if dataclasses.is_dataclass(item) and not isinstance(item, type):
        kept = (field.name for field in dataclasses.fields(item) if SHOWN not in field.metadata)
        fields = {name: _written(getattr(item, name)) for name in kept}
        return {_CLASS: type(item).__name__, _ITEMS: fields}
    if isinstance(item, tuple):
        return [_written(one) for one in item]
    if item is None or type(item) in (str, int, float, bool):
        return item
    raise TypeError(f"{type(item).__name__} is nothing that a declaration is made of")


def _read(item: Any, classes: dict[str, type[Any]]) -> Any:
    if isinstance(item, list):
        return tuple(_read(one, classes) for one in item)
    if not isinstance(item, dict):
        return item
    known = classes.get(item[_CLASS])
    if known is None:
        raise TypeError(f"this release has no {item[_CLASS]}")
    if issubclass(known, Enum):
        return known(item[_ITEMS])
    return known(**{name: _read(value, classes) for name, value in item[_ITEMS].items()})


def _classes() -> dict[str, type[Any]]:
    """By name: all kinds of views and measures that there are, those of extensions too."""
    found = {part.__name__: part for part in PARTS}
    todo = list(ROOTS)
    while todo:
        known = todo.pop()
        found[known.__name__] = known
        todo += known.__subclasses__()
    return found
