"""The slow path: complete validation of one record, in the order of docs/contract.md §1. It judges what the
fast decoder or the batch checks refuse: it gives reason and field, or overrules them.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any, NamedTuple, NoReturn

import msgspec
from pydantic import TypeAdapter, ValidationError

from schemas.catalogue import EVENTS
from schemas.spec import EventSpec
from schemas.times import FUTURE_MS, micros
from schemas.types import City, Envelope, Source
from schemas.validation.fast_path import EVENT_TYPES, PAYLOAD_TYPES, Event
from schemas.validation.reader_agreement import (
    MAX_SIGNED,
    Pairs,
    UnlikeError,
    check,
    check_depth,
    parse,
    problem_of_number,
    split,
)
from schemas.validation.reasons import Quarantined, Reason, quarantined
from schemas.validation.undeclared import plain_object

_ENVELOPE = {name: name for name in Envelope.model_fields}
_DECLARED = {
    name: {field.lower(): field for field in spec.payload.model_fields} for name, spec in EVENTS.items()
}
"""Event name to its payload's members, by their names in lower case."""
_PAYLOAD_NAMES = {name: frozenset(spec.payload.model_fields) for name, spec in EVENTS.items()}
_NOT_ALIKE = object()
"""Stands for a member that readers would not read alike: right for no field."""


_SOURCE, _CITY = TypeAdapter[str](Source), TypeAdapter[str](City)


class Told(NamedTuple):
    """Who sent a record and what it is, as in `Quarantined`."""

    event: str = ""
    source: str = ""
    city: str | None = None


class _RefusedError(Exception):
    def __init__(self, reason: Reason, detail: str, field: str = "") -> None:
        super().__init__(detail)
        self.verdict = quarantined(reason, detail, field)


class _Members(NamedTuple):
    """A record's declared members, and the names of those that are there more than once, or in another letter
    case."""

    envelope: dict[str, Any]
    twice: set[str]
    payload_twice: set[str]


def validate_json(value: bytes, timestamp_ms: int) -> Event | Quarantined:
    """Judge a record's JSON: the event, or why it is quarantined. Its size has been checked before."""
    try:
        return _judge(_plain_members(value) or _members(_parsed(value)), timestamp_ms)
    except _RefusedError as refused:
        return refused.verdict
    except UnlikeError as error:
        return quarantined(Reason.NOT_JSON, f"not read alike by all JSON readers: {error}")


def told(value: bytes | None) -> Told:
    """What can be read of the envelope of a bad record that is JSON; of one that is not, nothing."""
    if not value or value[0] == 0:
        return Told()
    try:
        return _told((_plain_members(value) or _members(_parsed(value))).envelope)
    except (_RefusedError, UnlikeError):
        return Told()


def _told(envelope: dict[str, Any]) -> Told:
    event, source, city = (envelope.get(name) for name in Told._fields)
    return Told(
        event if type(event) is str and event in EVENTS else "",
        _fitting(_SOURCE, source) or "",
        _fitting(_CITY, city),
    )


def _fitting(rule: TypeAdapter[str], value: Any) -> str | None:
    """The value if the rule allows it."""
    try:
        return rule.validate_python(value, strict=True)
    except ValidationError:
        return None


def _plain_members(value: bytes) -> _Members | None:
    """What `_members` finds, at a fraction of its price, where no reader can differ; None where it may."""
    record = plain_object(value, _PAYLOAD_NAMES)
    if record is None:
        return None
    payload = record.get("payload")
    if type(payload) is dict:
        event = record.get("event")
        declared = _PAYLOAD_NAMES.get(event, ()) if type(event) is str else ()
        record["payload"] = {name: member for name, member in payload.items() if name in declared}
    return _Members(record, set(), set())


def _parsed(value: bytes) -> Any:
    """What the record's JSON says. Raises `_RefusedError` if it is none, `UnlikeError` if it is too deep."""
    try:
        text = value.decode()
    except UnicodeDecodeError:
        raise _RefusedError(Reason.NOT_JSON, "the record is not UTF-8") from None
    check_depth(value)
    try:
        msgspec.json.decode(value, type=msgspec.Raw)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise _RefusedError(Reason.NOT_JSON, f"the record is not JSON: {error}") from None
    return parse(text)


def _members(record: Any) -> _Members:
    """The declared members of a record and of its payload, once all others have been found good."""
    if not isinstance(record, Pairs):
        check(record)
        raise _RefusedError(Reason.NOT_OBJECT, "the record is JSON, but not an object")
    envelope, twice = split(record, _ENVELOPE, depth=1, inner="payload")
    events = [member for name, member in record if name == "event"]
    declared = _DECLARED.get(events[0], {}) if len(events) == 1 and isinstance(events[0], str) else {}
    payload_twice: set[str] = set()
    for name, member in record:
        if name.lower() == "payload" and isinstance(member, Pairs):
            payload, payload_twice = split(member, declared, depth=2)
            for field, found in payload.items():
                too_large = type(found) is int and found > MAX_SIGNED
                if field in payload_twice or problem_of_number(found) or too_large:
                    payload[field] = _NOT_ALIKE
            envelope["payload"] = payload
    return _Members(envelope | dict.fromkeys(twice, _NOT_ALIKE), twice, payload_twice)


def _judge(members: _Members, timestamp_ms: int) -> Event:
    try:
        return _validate(members, timestamp_ms)
    except _RefusedError as refused:
        refused.verdict = refused.verdict._replace(**_told(members.envelope)._asdict())
        raise


def _validate(members: _Members, timestamp_ms: int) -> Event:
    try:
        envelope = Envelope.model_validate(members.envelope)
    except ValidationError as error:
        _refuse_field(Reason.ENVELOPE_FIELD, error, members.twice)
    spec = EVENTS.get(envelope.event)
    if spec is None:
        raise _RefusedError(Reason.UNKNOWN_EVENT, "the event's name is not in the catalogue")
    return _validate_event(spec, envelope, members, timestamp_ms)


def _validate_event(spec: EventSpec, envelope: Envelope, members: _Members, timestamp_ms: int) -> Event:
    if envelope.version != spec.version:
        raise _RefusedError(Reason.UNKNOWN_VERSION, f"{spec.name} is known in version {spec.version} only")
    try:
        payload = spec.payload.model_validate(envelope.payload)
    except ValidationError as error:
        _refuse_field(Reason.PAYLOAD_FIELD, error, members.payload_twice)
    if is_future(micros(envelope.occurred_at), timestamp_ms):
        raise _RefusedError(
            Reason.IN_FUTURE,
            f"occurred_at is more than {FUTURE_MS // 1000} s after the record's Kafka timestamp",
        )
    known = EVENT_TYPES[spec.name]
    given = members.envelope["payload"]
    written = {name: _written(given.get(name, getattr(payload, name))) for name in known.instants}
    return known(
        event_id=envelope.event_id,
        version=envelope.version,
        occurred_text=members.envelope["occurred_at"],
        source=envelope.source,
        city=envelope.city,
        trace_id=envelope.trace_id,
        payload=PAYLOAD_TYPES[spec.name](**{**dict(payload), **written}),
    )


def _written(instant: Any) -> Any:
    """An instant as text; the default of one is a datetime."""
    return instant.isoformat() if isinstance(instant, datetime) else instant


def is_future(occurred_us: Any, timestamp_ms: Any) -> Any:
    """Whether an event's time (µs) is too far after its record's, if that has one (-1: it has none); of
    numbers or of arrays."""
    return (timestamp_ms >= 0) & (-(-occurred_us // 1000) - FUTURE_MS > timestamp_ms)


def _refuse_field(reason: Reason, error: ValidationError, twice: set[str]) -> NoReturn:
    """Name the first wrong field: pydantic reports them in the order they are declared."""
    first = error.errors(include_url=False, include_context=False, include_input=False)[0]
    field = ".".join(str(part) for part in first["loc"])
    why = "is there twice, or under a name in another letter case" if field in twice else first["msg"]
    raise _RefusedError(reason, f"{field}: {why}", field)
