"""The complete judgement of one record, in the order of docs/contract.md §1. Slow, so it is asked only about
records that the fast decoder or the batch checks refuse: it gives reason and field, or overrules them.
"""

from __future__ import annotations

import re
from datetime import datetime
from typing import Any, NoReturn

import msgspec
from pydantic import ValidationError

from schemas.catalogue import EVENTS
from schemas.decode import EVENT_TYPES, PAYLOAD_TYPES, Event
from schemas.instants import to_seconds
from schemas.reasons import Quarantined, Reason, quarantined
from schemas.spec import EventSpec
from schemas.types import Envelope

FUTURE_SECONDS = 300.0
"""How far `occurred_at` may be ahead of the record's Kafka timestamp, in seconds."""

_MAX_DEPTH = 64
_STRUCTURE = re.compile(rb'"(?:[^"\\]|\\.)*"?|[\[\]{}]', re.DOTALL)
_ENVELOPE_FIELDS = tuple(Envelope.model_fields)
_PAYLOAD_FIELDS = frozenset(name for spec in EVENTS.values() for name in spec.payload.model_fields)
_UNREADABLE = object()
"""Stands for a member whose value Python cannot hold (1e999) or that is no object: right for no field."""


class _RefusedError(Exception):
    def __init__(self, reason: Reason, detail: str, field: str = "") -> None:
        super().__init__(detail)
        self.verdict = quarantined(reason, detail, field)


def judge_json(value: bytes, timestamp_ms: int) -> Event | Quarantined:
    """Judge a record's JSON: the event, or why it is quarantined. Its size has been judged before."""
    try:
        return _judge(_members(_checked(value)), timestamp_ms)
    except _RefusedError as refused:
        return refused.verdict


def judge_object(members: dict[str, Any], timestamp_ms: int) -> Event | Quarantined:
    """Judge a record that was decoded by other means (Avro): the event, or why it is quarantined."""
    try:
        return _judge(members, timestamp_ms)
    except _RefusedError as refused:
        return refused.verdict


def _checked(value: bytes) -> bytes:
    """`value` if it is JSON, with what is nested deeper than any event replaced by null: msgspec recurses."""
    try:
        value.decode()
    except UnicodeDecodeError:
        raise _RefusedError(Reason.NOT_JSON, "the record is not UTF-8") from None
    try:
        try:
            msgspec.json.decode(value, type=msgspec.Raw)
        except RecursionError:
            value, *deeper = _shallow(value)
            for part in (value, *deeper):
                msgspec.json.decode(part, type=msgspec.Raw)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise _RefusedError(Reason.NOT_JSON, f"the record is not JSON: {error}") from None
    return value


def _shallow(value: bytes) -> list[bytes]:
    """Cut nested JSON into parts of limited depth: each that is cut out leaves null in its place. All parts
    are JSON if and only if `value` is. The first part is the outermost."""
    done: list[bytes] = []
    open_parts: list[bytearray] = [bytearray()]
    depth = at = 0
    for token in _STRUCTURE.finditer(value):
        mark = token.group()
        if mark in b"[{":
            depth += 1
            if depth % _MAX_DEPTH == 0:
                open_parts[-1] += value[at : token.start()] + b"null"
                open_parts.append(bytearray())
                at = token.start()
        elif mark in b"]}":
            if depth % _MAX_DEPTH == 0 and depth:
                done.append(bytes(open_parts.pop() + value[at : token.end()]))
                at = token.end()
            depth = max(depth - 1, 0)
    open_parts[-1] += value[at:]
    done.extend(bytes(part) for part in open_parts[1:])
    return [bytes(open_parts[0]), *done]


def _loose(raw: msgspec.Raw) -> Any:
    try:
        return msgspec.json.decode(raw)
    except (msgspec.MsgspecError, ValueError, RecursionError):
        return _UNREADABLE


def _object(value: bytes | msgspec.Raw) -> dict[str, msgspec.Raw] | None:
    """An object's members, undecoded; the last of several with one name. None if it is not an object."""
    try:
        return msgspec.json.decode(value, type=dict[str, msgspec.Raw])
    except msgspec.ValidationError:
        return None


def _members(value: bytes) -> dict[str, Any]:
    """The known members of a JSON record, and of its payload, decoded to whatever they are."""
    raw = _object(value)
    if raw is None:
        raise _RefusedError(Reason.NOT_OBJECT, "the record is JSON, but not an object")
    members = {name: _loose(raw[name]) for name in _ENVELOPE_FIELDS if name in raw and name != "payload"}
    if "payload" in raw:
        payload = _object(raw["payload"])
        members["payload"] = (
            _UNREADABLE
            if payload is None
            else {name: _loose(item) for name, item in payload.items() if name in _PAYLOAD_FIELDS}
        )
    return members


def _judge(members: dict[str, Any], timestamp_ms: int) -> Event:
    try:
        envelope = Envelope.model_validate(members)
    except ValidationError as error:
        _refuse_field(Reason.ENVELOPE_FIELD, error)
    spec = EVENTS.get(envelope.event)
    if spec is None:
        raise _RefusedError(Reason.UNKNOWN_EVENT, "the event's name is not in the catalogue")
    try:
        return _judge_event(spec, envelope, members, timestamp_ms)
    except _RefusedError as refused:
        refused.verdict = refused.verdict._replace(event=spec.name)
        raise


def _judge_event(spec: EventSpec, envelope: Envelope, members: dict[str, Any], timestamp_ms: int) -> Event:
    if envelope.version != spec.version:
        raise _RefusedError(Reason.UNKNOWN_VERSION, f"{spec.name} is known in version {spec.version} only")
    try:
        payload = spec.payload.model_validate(envelope.payload)
    except ValidationError as error:
        _refuse_field(Reason.PAYLOAD_FIELD, error)
    if is_future(to_seconds(envelope.occurred_at), timestamp_ms):
        raise _RefusedError(
            Reason.IN_FUTURE,
            f"occurred_at is more than {FUTURE_SECONDS:g} s after the record's Kafka timestamp",
        )
    return EVENT_TYPES[spec.name](
        event_id=envelope.event_id,
        version=envelope.version,
        occurred_text=_text(members["occurred_at"]),
        source=envelope.source,
        city=envelope.city,
        trace_id=envelope.trace_id,
        payload=PAYLOAD_TYPES[spec.name](**dict(payload)),
    )


def _text(moment: str | datetime) -> str:
    return moment if isinstance(moment, str) else moment.isoformat()


def is_future(occurred_seconds: float, timestamp_ms: int) -> bool:
    """True if an event's time is too far after its record's, if that has one (-1: it has none)."""
    return timestamp_ms >= 0 and occurred_seconds > timestamp_ms / 1000 + FUTURE_SECONDS


def _refuse_field(reason: Reason, error: ValidationError) -> NoReturn:
    """Name the first wrong field: pydantic reports them in the order they are declared."""
    first = error.errors(include_url=False, include_context=False, include_input=False)[0]
    field = ".".join(str(part) for part in first["loc"])
    raise _RefusedError(reason, f"{field}: {first['msg']}", field)
