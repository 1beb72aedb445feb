"""Which decoded records hold more than their declared members, and whether readers agree on the rest.

A record has a name for each declared member, but for those that are absent, which the decoder counts. Where
a few records have no more names than that, none has another member, and none has one twice: nothing in them
is left to look at, and all their texts have been decoded, so that they are UTF-8. Only where the sums differ
is a record looked at by itself, and decoded a second time, now with every member. What is not surely good is
left to `schemas.validation.slow_path`.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping
from operator import attrgetter
from typing import Any, NamedTuple

import msgspec
import numpy as np

from schemas.validation.fast_path import ENVELOPE_NAMES, FRACTION, Event
from schemas.validation.reader_agreement import (
    KAFKA,
    MAX_DEPTH,
    MAX_INTEGER,
    MAX_NAME_CHARS,
    MAX_NUMBER_CHARS,
    MAX_SIGNED,
    MIN_INTEGER,
)

_QUOTE, _COLON, _SPACE = (np.uint8(code) for code in b'": ')
_NAME_END = b'":'
_SPACED = re.compile(rb'"[\x00-\x20]')
"""A name whose colon may be further on, or a text that begins with a space."""
_MAX_SHAPES = 4096
_MAX_SHAPED_BYTES = 4096
_tally = attrgetter("tally")
_decode = msgspec.json.Decoder().decode


def differing(
    values: list[bytes], events: list[Event], absent: int, refused: Collection[int]
) -> Iterator[int]:
    """Indexes of records that are perhaps not read alike.

    `events`: what the values were decoded as; `absent`: how many optional members these did not have;
    `refused`: indexes of records that were not decoded, in whose place stands some other event.
    """
    names = _count_names(b",".join(values))
    tally = sum(map(_tally, events))
    for index in refused:
        tally -= events[index].tally
        if names is not None:
            names -= values[index].count(_NAME_END)
    with_fractions, members = divmod(tally, FRACTION)
    if names != members - absent:
        is_alike = _is_alike
    elif with_fractions:
        is_alike = _has_plain_fractions
    else:
        return
    passed_over = {*refused}
    for index, (value, event) in enumerate(zip(values, events, strict=True)):
        if index not in passed_over and not is_alike(value, event):
            yield index


def _count_names(joined: bytes) -> int | None:
    """How many members' names there are, or more; None if it may be fewer."""
    codes = np.frombuffer(joined, np.uint8)
    if not codes.size:
        return 0
    quotes, behind = codes[:-1] == _QUOTE, codes[1:]
    names = int(np.count_nonzero(quotes & (behind == _COLON)))
    if codes.min() > _SPACE:
        return names
    spaced = quotes & (behind <= _SPACE)
    if not spaced.any():
        return names
    with_colon = int(np.count_nonzero(spaced[:-1] & (codes[2:] == _COLON)))
    return names + with_colon if with_colon == np.count_nonzero(spaced) else None


def _has_plain_fractions(value: bytes, event: Event) -> bool:
    """Whether no declared number of a record is so long, or so far from 1, that readers may differ on it."""
    return not event.has_fraction or (len(value) <= MAX_NUMBER_CHARS and not _FAR.search(value))


def _is_alike(value: bytes, event: Event) -> bool:
    """Whether a record that was decoded as `event` is surely read alike; False where it is not known."""
    surplus = value.count(_NAME_END) - event.members
    if (
        event.null_if_absent
        and surplus <= 0
        and surplus == -_missing(event)
        and not _SPACED.search(value)
        and _has_plain_fractions(value, event)
    ):
        return True
    if len(value) > MAX_NAME_CHARS:
        return False
    try:
        record = _decode(value)
    except (msgspec.MsgspecError, ValueError, RecursionError):
        return False
    shape = _shape_of(record, event.__class__, len(value))
    if shape is None:
        return False
    number = 0 if len(value) <= MAX_NUMBER_CHARS else _UNKNOWN
    quotes = shape.quotes + (number if event.has_fraction else 0) + _varying_quotes(record, shape, number)
    if (quotes >= _ZERO or event.has_fraction) and _FAR.search(value):
        return False
    surplus = value.count(b'"') - (quotes % _ZERO if quotes > 0 else quotes)
    return not surplus or (
        0 < surplus <= len(value)
        and b'\\"' in value
        and b"\\u0022" not in value
        and surplus == _quotes_within(record)
    )


def _is_plain(payload: dict[str, Any], declared: frozenset[str]) -> bool:
    too_large = any(type(member) is int and member > MAX_SIGNED for member in payload.values())
    return not too_large and _known_agreed((*payload,), declared)


def plain_object(value: bytes, payload_names: Mapping[str, frozenset[str]]) -> dict[str, Any] | None:
    """The record's object, if it is surely read alike, and has no escapes; None where it is not known.

    `payload_names`: event name → its payload's declared members. No integer among these is beyond 63 bits.
    """
    if b"\\" in value or len(value) > MAX_NAME_CHARS:
        return None
    try:
        record = _decode(value)
    except (msgspec.MsgspecError, ValueError, RecursionError):
        return None
    if type(record) is not dict or not _known_agreed((*record,), ENVELOPE_NAMES):
        return None
    event, payload = record.get("event"), record.get("payload")
    declared = payload_names.get(event, _NO_NAMES) if type(event) is str else _NO_NAMES
    if type(payload) is dict and not _is_plain(payload, declared):
        return None
    quotes = _inner_quotes(record, 1, 0 if len(value) <= MAX_NUMBER_CHARS else _UNKNOWN)
    if quotes < 0 or (quotes >= _ZERO and _FAR.search(value)) or value.count(b'"') != quotes % _ZERO:
        return None
    return record


def _varying_quotes(record: dict[str, Any], shape: _Shape, number: int) -> int:
    quotes = 0
    for depth, members, names in ((2, record, shape.others), (3, record["payload"], shape.others_of_payload)):
        for name in names:
            member = members[name]
            if type(member) is str:
                quotes += 2
            elif member is not None:
                quotes += _inner_quotes(member, depth, number)
    return quotes


def _missing(event: Event) -> int:
    optional = (event.city, event.trace_id, *(getattr(event.payload, name) for name in event.optional))
    return optional.count(None)


_Names = tuple[str, ...]


class _Shape(NamedTuple):
    """A kind of record. `quotes`: of all names, and of the texts that every event has. `others`: the names of
    all members but those that every event has."""

    quotes: int
    others: _Names
    others_of_payload: _Names


_shapes: dict[tuple[type[Event], _Names, _Names], _Shape | None] = {}
"""By the names of an object and its payload, None where readers do not agree on them: producers send few."""


def _shape_of(record: dict[str, Any], kind: type[Event], size: int) -> _Shape | None:
    names, payload_names = (*record,), (*record["payload"],)
    key = kind, names, payload_names
    try:
        return _shapes[key]
    except KeyError:
        pass
    shape = None
    if _agreed(names, ENVELOPE_NAMES) and _agreed(payload_names, kind.payload_names):
        quotes = 2 * (len(names) + len(payload_names) + kind.texts)
        shape = _Shape(quotes, (*(set(names) - kind.fixed),), (*(set(payload_names) - kind.payload_fixed),))
    if len(_shapes) < _MAX_SHAPES and size <= _MAX_SHAPED_BYTES:
        _shapes[key] = shape
    return shape


def _quotes_within(value: Any) -> int:
    """Quotes in all names and texts: each is written with a backslash, or as an escape of its own."""
    if isinstance(value, str):
        return value.count('"')
    if isinstance(value, dict):
        return sum(map(_quotes_within, (*value, *value.values())))
    return sum(map(_quotes_within, value)) if isinstance(value, list) else 0


def _agreed(names: _Names, declared: Collection[str]) -> bool:
    lowered = {name.lower() for name in names}
    if len(lowered) < len(names) or "" in lowered:
        return False
    others = set(names).difference(declared)
    return not any(name.lower() in declared or name.lower() == KAFKA != name for name in others)


_NO_NAMES: frozenset[str] = frozenset()
_good_names: set[tuple[_Names, frozenset[str]]] = set()
"""Names of objects that readers agree on, with those that are declared."""


def _known_agreed(names: _Names, declared: frozenset[str] = _NO_NAMES) -> bool:
    key = names, declared
    if key in _good_names:
        return True
    agreed = _agreed(names, declared)
    if agreed and len(_good_names) < _MAX_SHAPES and sum(map(len, names)) <= _MAX_SHAPED_BYTES:
        _good_names.add(key)
    return agreed


_ZERO = 2**60
"""Added for a number that is 0, whose text may have an exponent that some readers do not take; more than any
record's quotes."""
_FAR = re.compile(rb"[:,\[\s]-?[0-9][0-9.]*[eE][-+]?[0-9]{3}")
"""A number with such an exponent, or a text that looks like one: hexadecimal ids do not, alone."""
_UNKNOWN = -(2**40)
"""Instead of a count: no record has that few quotes, nor that many more."""


def _inner_quotes(value: Any, depth: int, number: int) -> int:
    """Quotes of a member's value, but for escaped ones; `_UNKNOWN` if readers may differ on it.

    `number`: what a number with a fraction counts, whose text may be too long in a record that is.
    """
    quotes = 0
    if isinstance(value, str):
        quotes = 2
    elif isinstance(value, int):
        quotes = 0 if MIN_INTEGER <= value <= MAX_INTEGER else _UNKNOWN
    elif isinstance(value, float):
        quotes = number if value else number + _ZERO
    elif isinstance(value, dict | list) and depth > MAX_DEPTH:
        quotes = _UNKNOWN
    elif isinstance(value, dict):
        quotes = 2 * len(value) if _known_agreed((*value,)) else _UNKNOWN
        for member in value.values():
            if type(member) is str:
                quotes += 2
            elif member is not None:
                quotes += _inner_quotes(member, depth + 1, number)
    elif isinstance(value, list):
        quotes = sum(_inner_quotes(item, depth + 1, number) for item in value)
    return quotes
