"""Which decoded records hold more than their declared members, and whether readers agree on the rest.

A record needs two quotes for the name of each declared member it has, and two more for a text. One that has
no more quotes than that, but for those of declared members that are null, has no other member and none twice:
nothing in it is left to look at. A chunk of records is counted in one go; only where the sums differ is a
record looked at by itself, and decoded a second time, now with every member. What is not surely good is left
to `schemas.judge`.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from itertools import compress, repeat
from operator import attrgetter, contains, methodcaller, not_
from typing import Any, NamedTuple

import msgspec
import numpy as np

from schemas.alike import KAFKA, MAX_DEPTH, MAX_INTEGER, MAX_NAME_CHARS, MAX_NUMBER_CHARS, MIN_INTEGER
from schemas.decode import ENVELOPE_NAMES, EVENT_TYPES, Event

_QUOTE = ord('"')
_TEXT_QUOTES = 4
"""Quotes of an optional text: its name's and its own."""
_NULL_QUOTES = 2
_ENVELOPE_NULLS = (b'"city":null', b'"city": null'), (b'"trace_id":null', b'"trace_id": null')
_MAX_SHAPES = 4096
_MAX_SHAPED_BYTES = 4096
_quotes, _trace_id, _optional = (
    attrgetter("quotes"),
    attrgetter("trace_id"),
    attrgetter("payload.optional_text"),
)
_decode = msgspec.json.Decoder().decode
_ends_in_null = methodcaller("endswith", tuple({kind.null_optional[0] for kind in EVENT_TYPES.values()}))


def differing(
    joined: bytes,
    values: list[bytes],
    events: list[Event],
    cities: list[str | None],
    refused: Collection[int],
) -> Iterator[int]:
    """Indexes of records that are perhaps not read alike.

    `joined`: the values, with one byte in between; events and their cities are aligned with them. `refused`:
    indexes of records that were not decoded, in whose place stands some other event; ascending.
    """
    optional = cities, list(map(_trace_id, events)), list(map(_optional, events))
    surplus = int(np.count_nonzero(np.frombuffer(joined, np.uint8) == _QUOTE)) - sum(map(_quotes, events))
    # An empty text counts as absent: then the surplus is too large, and the record is looked at by itself.
    surplus += _TEXT_QUOTES * sum(map(_absent, optional))
    for index in refused:
        surplus -= values[index].count(b'"') - _least_quotes(events[index])
    if surplus and not _are_nulls(surplus, values, events, optional, refused):
        passed_over = {*refused}
        for index, (value, event) in enumerate(zip(values, events, strict=True)):
            if index not in passed_over and not _is_alike(value, event):
                yield index


def _absent(texts: list[str | None]) -> int:
    return 0 if all(texts) else len(texts) - len(list(filter(None, texts)))


def _least_quotes(event: Event) -> int:
    present = bool(event.city) + bool(event.trace_id) + bool(_optional(event))
    return event.quotes - _TEXT_QUOTES * (3 - present)


_Optional = tuple[list[str | None], list[str | None], list[str | None]]
"""The events' cities, trace ids, and their payloads' optional texts."""


def _are_nulls(
    surplus: int, values: list[bytes], events: list[Event], optional: _Optional, refused: Collection[int]
) -> bool:
    """Whether so many quotes are those of optional members that are there as null.

    Such a null accounts for the quotes of its name, and for no more than are there.
    """
    if refused:
        values = values.copy()
        for index in refused:
            values[index] = b""
    envelope = sum(
        _count_nulls(values, texts, null)
        for texts, null in zip(optional[:2], _ENVELOPE_NULLS, strict=True)
        if not all(texts)
    )
    # The usual one ends its record, and then no other name can be meant that is declared and there.
    ends = sum(map(_ends_in_null, compress(values, map(not_, optional[2]))))
    return surplus == _NULL_QUOTES * (envelope + ends) or surplus == _NULL_QUOTES * (
        envelope + sum(_payload_nulls(values, events, optional[2]))
    )


def _count_nulls(values: list[bytes], texts: list[str | None], written: tuple[bytes, bytes]) -> int:
    """How many of the records without this text have it as null, written in one of these ways."""
    near, far = written
    without = list(compress(values, map(not_, texts)))
    found = list(map(contains, without, repeat(near)))
    if all(found):
        return len(found)
    return sum(found) + sum(map(contains, compress(without, map(not_, found)), repeat(far)))


def _payload_nulls(values: list[bytes], events: list[Event], texts: list[str | None]) -> Iterator[bool]:
    if all(texts):
        return
    for value, text, event in zip(values, texts, events, strict=True):
        if text is None:
            tail, near, far = event.null_optional
            yield value.endswith(tail) or near in value or far in value


def _is_alike(value: bytes, event: Event) -> bool:
    """Whether a record that was decoded as `event` is surely read alike; False where it is not known."""
    optional = event.city, event.trace_id, _optional(event)
    missing = optional.count(None)
    surplus = value.count(b'"') - event.quotes + _TEXT_QUOTES * missing
    if not surplus:
        return True
    if surplus == _NULL_QUOTES and optional[2] is None and value.endswith(event.null_optional[0]):
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
    if event.quotes <= 0:  # then the shape has all members as others
        surplus, missing = value.count(b'"') - _NULL_QUOTES, 0
    number = 0 if len(value) <= MAX_NUMBER_CHARS else _UNKNOWN
    others, others_of_payload, absent = shape
    # Optional members that the shape has and the event has not are there as null.
    surplus -= _NULL_QUOTES * (missing - absent + len(others) + len(others_of_payload))
    for name in others:
        member = record[name]
        surplus -= 2 if type(member) is str else _inner_quotes(member, 2, number)
    if others_of_payload:
        payload = record["payload"]
        for name in others_of_payload:
            member = payload[name]
            surplus -= 2 if type(member) is str else _inner_quotes(member, 3, number)
    return not surplus or (
        surplus > 0 and b'\\"' in value and b"\\u0022" not in value and surplus == _quotes_within(record)
    )


_Names = tuple[str, ...]


class _Shape(NamedTuple):
    """The names of a kind of record. `others`: those not declared (all but the payload's, where the kind's
    `quotes` are not known); `absent`: how many optional texts are not there."""

    others: _Names
    others_of_payload: _Names
    absent: int


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
        envelope, payload = ENVELOPE_NAMES, kind.payload_names
        if kind.quotes <= 0:
            envelope, payload = frozenset({"payload"}), frozenset()
        absent = len(envelope.difference(names)) + len(payload.difference(payload_names))
        others, others_of_payload = set(names).difference(envelope), set(payload_names).difference(payload)
        shape = _Shape((*others,), (*others_of_payload,), absent)
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


_good_names: set[_Names] = set()
"""Names of objects within members that readers agree on."""


def _agreed_within(names: _Names) -> bool:
    if names in _good_names:
        return True
    agreed = _agreed(names, ())
    if agreed and len(_good_names) < _MAX_SHAPES and sum(map(len, names)) <= _MAX_SHAPED_BYTES:
        _good_names.add(names)
    return agreed


_UNKNOWN = -(2**40)
"""Instead of a count: no record has that few quotes."""


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
        quotes = number
    elif isinstance(value, dict):
        quotes = 2 * len(value) if depth <= MAX_DEPTH and _agreed_within((*value,)) else _UNKNOWN
        quotes += sum(_inner_quotes(member, depth + 1, number) for member in value.values())
    elif isinstance(value, list):
        quotes = 0 if depth <= MAX_DEPTH else _UNKNOWN
        quotes += sum(_inner_quotes(item, depth + 1, number) for item in value)
    return quotes
