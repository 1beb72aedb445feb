"""Whether a raw record is a valid event, judged anew from the words of docs/contract.md §1 and §2.

It shares no code with `schemas`, so that the two can be held against each other: plain Python, one record at
a time, slow. Known limits: JSON nested deeper than Python's own parser goes, and Avro, are not judged here.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any, NamedTuple

MAX_FUTURE_US = 300 * 1_000_000
MAX_MINOR = 2**53 - 1
ENVELOPE = "EVENT_ENVELOPE_INVALID"
SCHEMA = "EVENT_SCHEMA_INVALID"

# The table of §2, as it stands there; `?` = optional, null allowed; `=` = has a default; `!` = may be null.
CATALOGUE = {
    "booking.requested": "booking_id user_id provider_id amount_minor currency accept_by",
    "booking.accepted": "booking_id provider_id",
    "booking.declined": "booking_id provider_id reason?",
    "booking.expired": "booking_id",
    "booking.confirmed": "booking_id user_id provider_id amount_minor currency",
    "booking.cancelled": "booking_id amount_minor currency reason?",
    "charge.succeeded": "charge_id booking_id amount_minor currency",
    "charge.failed": "charge_id booking_id amount_minor currency reason?",
    "refund.succeeded": "refund_id charge_id amount_minor currency",
    "fee.assessed": "fee_id kind amount_minor currency booking_id?",
    "payout.initiated": "payout_id provider_id amount_minor currency due_at booking_id?",
    "payout.paid": "payout_id provider_id amount_minor currency",
    "payout.canceled": "payout_id provider_id amount_minor currency",
    "payout.failed": "payout_id provider_id amount_minor currency reason?",
    "dispute.opened": "dispute_id charge_id amount_minor currency respond_by reason?",
    "dispute.responded": "dispute_id charge_id amount_minor currency",
    "dispute.resolved": "dispute_id charge_id amount_minor currency outcome",
    "search.impression": "session_id listing_id position user_id?",
    "search.click": "session_id listing_id position user_id?",
    "profile.view": "session_id provider_id user_id?",
    "checkout.start": "session_id user_id listing_id?",
    "idv.started": "check_id user_id",
    "idv.passed": "check_id user_id",
    "idv.failed": "check_id user_id reason?",
    "bg.started": "check_id user_id",
    "bg.passed": "check_id user_id",
    "bg.failed": "check_id user_id reason?",
    "risk.scored": "subject_id subject_kind score bucket",
    "promo.impression": "campaign_id session_id valid=",
    "promo.click": "campaign_id session_id valid=",
    "promo.spend": "campaign_id amount_minor currency",
    "promo.budget": "campaign_id amount_minor currency",
    "message.sent": "message_id user_id channel template?",
    "message.delivered": "message_id user_id channel template?",
    "message.bounced": "message_id user_id channel template?",
    "message.complained": "message_id user_id channel template?",
    "message.opted_out": "message_id user_id channel template?",
    "digest.suppressed": "user_id digest reason",
    "studio.verification_requested": "studio_id",
    "studio.verified": "studio_id",
    "studio.rejected": "studio_id",
    "amenity.used": "studio_id amenity quantity=",
    "quote.requested": "quote_id studio_id",
    "quote.accepted": "quote_id studio_id",
    "quote.declined": "quote_id studio_id",
    "quote.expired": "quote_id studio_id",
    "experiment.exposure": "exp_key variant user_id covariate!",
}
MARKS = "?=!"
ENVELOPE_FIELDS = ["event_id", "event", "version", "occurred_at", "source", "city?", "trace_id?", "payload"]


class Bad(NamedTuple):
    """Why a record belongs into the quarantine."""

    code: str
    reason: str
    field: str = ""


class Told(NamedTuple):
    """What can be read of a bad record's envelope, whatever is wrong with the rest."""

    event: str = "_unknown"
    source: str = "_unknown"
    city: str | None = None


class Good(NamedTuple):
    """A valid event: its envelope, its time in µs since the epoch, its payload."""

    event_id: str
    event: str
    occurred_us: int
    city: str | None
    payload: dict[str, Any]
    source: str = ""


def told(value: bytes | None, why: Bad) -> Told:
    """Of a bad record. One that was refused before its envelope was looked at tells nothing."""
    if value is None or why.reason not in (
        "envelope_field", "in_future", "unknown_event", "unknown_version", "payload_field",
    ):  # fmt: skip
        return Told()
    found = json.loads(value, parse_int=_Number, parse_float=_Number, object_pairs_hook=_Object)
    record = _plain(found)
    read = {
        name: record[name]
        for name in ("event", "source", "city")
        if name in record and record[name] is not None and _fits(name, record, _ENVELOPE_RULES, found)
    }
    if read.get("event") not in CATALOGUE:
        read.pop("event", None)
    return Told(**read)


def judge(value: bytes | None, timestamp_ms: int, max_bytes: int = 65_536) -> Good | Bad:  # noqa: PLR0911
    """Size, bytes, JSON, object, envelope fields, event name, version, payload, future: in this order."""
    if value is not None and len(value) > max_bytes:
        return Bad(ENVELOPE, "too_large")
    if value is None or value == b"":
        return Bad(ENVELOPE, "empty")
    if value[0] == 0:
        return Bad(SCHEMA, "avro_undecodable" if len(value) < 5 else "unknown_schema_id")
    try:
        text = value.decode("utf-8")
        hooks = {"parse_int": _Number, "parse_float": _Number, "object_pairs_hook": _Object}
        found = json.loads(text, parse_constant=_no_constant, **hooks)  # type: ignore[arg-type]
    except (UnicodeDecodeError, ValueError, RecursionError):
        return Bad(ENVELOPE, "not_json")
    if any(escape["half"] for escape in _ESCAPE.finditer(text)):
        return Bad(ENVELOPE, "not_json")
    declared = _declared(found)
    if any(_differs(path, item, declared) for path, item in _walk((), found)):
        return Bad(ENVELOPE, "not_json")
    if not isinstance(found, _Object):
        return Bad(ENVELOPE, "not_object")
    record = _plain(found)
    for field in ENVELOPE_FIELDS:
        if not _fits(field, record, _ENVELOPE_RULES, found):
            return Bad(ENVELOPE, "envelope_field", field.rstrip(MARKS))
    return _validate_event(record, timestamp_ms, found)


class _Number(str):
    """A number as it is written."""

    __slots__ = ()


class _Object(list[tuple[str, Any]]):
    """An object's members as they are written."""


_ENVELOPE_NAMES = [field.rstrip(MARKS) for field in ENVELOPE_FIELDS]


def _declared(found: Any) -> list[str]:
    """The payload's declared members, if the record says once of which event it is."""
    named = [value for name, value in found if name == "event"] if isinstance(found, _Object) else []
    fields = CATALOGUE.get(named[0], "") if len(named) == 1 and type(named[0]) is str else ""
    return [field.rstrip(MARKS) for field in fields.split()]


def _walk(path: tuple[str, ...], item: Any) -> Iterator[tuple[tuple[str, ...], Any]]:
    """All values with the names and `[]` that lead to them."""
    yield path, item
    if isinstance(item, list):
        for name, inner in item if isinstance(item, _Object) else [("[]", inner) for inner in item]:
            yield from _walk((*path, name), inner)


def _differs(path: tuple[str, ...], item: Any, declared: list[str]) -> bool:
    """Whether readers differ on a value (its depth, its names), but for what a field is to blame for."""
    if isinstance(item, _Number):
        one_of_ours = (len(path) == 1 and path[0].lower() in _ENVELOPE_NAMES) or (
            len(path) == 2 and path[0].lower() == "payload" and path[1].lower() in declared
        )
        return not one_of_ours and not _is_held_by_all(item)
    if not isinstance(item, list):
        return False
    is_payload = [part.lower() for part in path] == ["payload"]
    ours = declared if is_payload else _ENVELOPE_NAMES if path == () else []
    names = [name for name, _ in item if name.lower() not in ours] if isinstance(item, _Object) else []
    lowered = [name.lower() for name in names]
    return (
        len(path) >= 64
        or len(set(lowered)) < len(lowered)
        or any(name == "" or len(name) > 50_000 for name in names)
        or any(name.lower() == "_kafka" and name != "_kafka" for name in names)
    )


def _is_held_by_all(number: str, largest: int = 2**64 - 1) -> bool:
    if len(number) > 1000:
        return False
    if re.fullmatch("-?[0-9]+", number):
        return -(2**63) <= int(number) <= largest
    return abs(float(number)) != float("inf")


def _plain(item: Any) -> Any:
    """The value as Python has it, the last of several members; a number that is too long is none."""
    if isinstance(item, _Object):
        return {name: _plain(inner) for name, inner in item}
    if isinstance(item, list):
        return [_plain(inner) for inner in item]
    if not isinstance(item, _Number):
        return item
    return float("inf") if len(item) > 1000 else int(item) if re.fullmatch("-?[0-9]+", item) else float(item)


def _validate_event(record: dict[str, Any], timestamp_ms: int, found: _Object) -> Good | Bad:
    if record["event"] not in CATALOGUE:
        return Bad(SCHEMA, "unknown_event")
    if record["version"] != 1:
        return Bad(SCHEMA, "unknown_version")
    payload = record["payload"]
    written = next(value for name, value in found if name == "payload")
    for field in CATALOGUE[record["event"]].split():
        if not _fits(field, payload, _PAYLOAD_RULES, written):
            return Bad(SCHEMA, "payload_field", field.rstrip(MARKS))
    occurred_us = parse_time(record["occurred_at"])
    assert occurred_us is not None
    if timestamp_ms >= 0 and occurred_us > timestamp_ms * 1000 + MAX_FUTURE_US:
        return Bad(ENVELOPE, "in_future")
    return Good(
        record["event_id"], record["event"], occurred_us, record.get("city"), payload, record["source"]
    )


_ESCAPE = re.compile(r"\\(?:u[dD][89abAB]..\\u[dD][c-fC-F]..|(?P<half>u[dD][89a-fA-F]..)|.)")
"""An escape in JSON. `half`: one of a surrogate, not in a pair, which stands for no character."""


def _no_constant(name: str) -> Any:
    raise ValueError(f"{name} is not JSON")


def _fits(field: str, record: dict[str, Any], rules: dict[str, Any], written: _Object) -> bool:
    name = field.rstrip(MARKS)
    if [known for known, _ in written if known.lower() == name] not in ([], [name]):
        return False
    if name not in record:
        return field[-1] in "?="
    value = record[name]
    if value is None:
        return field[-1] in "?!"
    rule = _is_id if field == "reason" else rules.get(name, _is_id)  # a required one is as short as an id
    return bool(rule(value))


def _is_text(value: Any) -> bool:
    return isinstance(value, str)


def _is_id(value: Any) -> bool:
    return isinstance(value, str) and 1 <= len(value) <= 128


def _is_whole(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _is_number(value: Any) -> bool:
    """A double, or an integer of 64 bits with a sign."""
    if isinstance(value, float):
        return abs(value) != float("inf")
    return _is_whole(value) and -(2**63) <= value < 2**63


def _is_money(value: Any) -> bool:
    return _is_whole(value) and 0 <= value <= MAX_MINOR


def _is_currency(value: Any) -> bool:
    return isinstance(value, str) and re.fullmatch("[A-Z]{3}", value) is not None


def _is_time(value: Any) -> bool:
    return isinstance(value, str) and parse_time(value) is not None


_ENVELOPE_RULES = {
    "event_id": lambda v: isinstance(v, str) and re.fullmatch("[A-Za-z0-9_.:-]{1,64}", v),
    "event": _is_text,
    "version": lambda v: _is_whole(v) and v >= 1,
    "occurred_at": _is_time,
    "source": lambda v: isinstance(v, str) and 1 <= len(v) <= 64,
    "city": lambda v: isinstance(v, str) and re.fullmatch("[a-z0-9_-]{1,64}", v),
    "trace_id": _is_text,
    "payload": lambda v: isinstance(v, dict),
}
_PAYLOAD_RULES = {
    "amount_minor": _is_money,
    "currency": _is_currency,
    "accept_by": _is_time,
    "due_at": _is_time,
    "respond_by": _is_time,
    "reason": _is_text,
    "kind": lambda v: v in ("platform", "processing") if isinstance(v, str) else False,
    "outcome": lambda v: v in ("won", "lost", "withdrawn") if isinstance(v, str) else False,
    "position": lambda v: _is_whole(v) and 0 <= v < 2**63,
    "subject_kind": lambda v: v in ("user", "provider", "booking") if isinstance(v, str) else False,
    "bucket": lambda v: v in ("clear", "watch", "action", "critical") if isinstance(v, str) else False,
    "score": lambda v: _is_number(v) and 0 <= v <= 100,
    "valid": lambda v: isinstance(v, bool),
    "channel": lambda v: v in ("email", "sms", "push") if isinstance(v, str) else False,
    "template": _is_text,
    "quantity": lambda v: _is_whole(v) and 1 <= v < 2**63,
    "covariate": _is_number,
}

_TIME = re.compile(
    r"(\d{4})-(\d\d)-(\d\d)[Tt](\d\d):(\d\d):(\d\d)(?:\.(\d+))?(?:([Zz])|([+-])(\d\d):(\d\d))", re.ASCII
)
_DAYS = (31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31)


def parse_time(text: str) -> int | None:
    """RFC 3339 with an offset → µs since the epoch, what is finer cut off; None if it is none, or lies before
    the year 0001 or after 9999."""
    found = _TIME.fullmatch(text)
    if found is None:
        return None
    year, month, day, hour, minute, second = (int(found[n]) for n in range(1, 7))
    leap = year % 4 == 0 and (year % 100 != 0 or year % 400 == 0)
    if not (year >= 1 and 1 <= month <= 12 and hour < 24 and minute < 60 and second < 60):
        return None
    if not 1 <= day <= _DAYS[month - 1] + (leap and month == 2):
        return None
    offset_minutes = 0
    if found[9]:
        if int(found[10]) > 23 or int(found[11]) > 59:
            return None
        offset_minutes = (int(found[10]) * 60 + int(found[11])) * (1 if found[9] == "+" else -1)
    days = _days_before(year) - _days_before(1970) + sum(_DAYS[: month - 1]) + (leap and month > 2) + day - 1
    seconds = ((days * 24 + hour) * 60 + minute - offset_minutes) * 60 + second
    if not _SECONDS[0] <= seconds < _SECONDS[1]:
        return None
    return int(seconds * 10**6 + int((found[7] or "")[:6].ljust(6, "0")))


def _days_before(year: int) -> int:
    past = year - 1
    return past * 365 + past // 4 - past // 100 + past // 400


_SECONDS = (-_days_before(1970) * 86_400, (_days_before(10_000) - _days_before(1970)) * 86_400)
"""The years 0001 to 9999, in seconds since the epoch; the end is exclusive."""
