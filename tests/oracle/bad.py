"""Bad records of every reason of docs/contract.md §1, as real bytes, each with what is to be said of it."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any

from tests.oracle.judge import ENVELOPE, SCHEMA, Bad

Case = tuple[bytes | None, Bad]
LIMIT = 65_536
_CHARGE = {"charge_id": "chg-1", "booking_id": "bkg-1", "amount_minor": 100, "currency": "EUR"}


def at(timestamp_ms: int, seconds: float = 0.0) -> str:
    """RFC 3339 of a Kafka timestamp plus so many seconds."""
    moment = datetime.fromtimestamp(0, UTC) + timedelta(milliseconds=timestamp_ms, seconds=seconds)
    return moment.isoformat().replace("+00:00", "Z")


def event(name: str, model: dict[str, Any], timestamp_ms: int, /, **envelope: Any) -> dict[str, Any]:
    """An envelope; members given as `...` are left out."""
    members = {
        "event_id": "bad-1", "event": name, "version": 1, "occurred_at": at(timestamp_ms),
        "source": "test", "payload": model, **envelope,
    }  # fmt: skip
    return {key: value for key, value in members.items() if value is not ...}


def padded(size: int, timestamp_ms: int, **envelope: Any) -> bytes:
    """A valid charge of exactly `size` bytes: an unknown member fills it up."""
    start = json.dumps(event("charge.succeeded", _CHARGE, timestamp_ms, **envelope, pad=""))
    assert size >= len(start)
    return (start[:-2] + "x" * (size - len(start)) + start[-2:]).encode()


def bad_records(timestamp_ms: int) -> list[Case]:
    """Every reason at least once; `timestamp_ms` is the Kafka timestamp they will have."""
    return [*_not_events(), *_envelopes(timestamp_ms), *_events(timestamp_ms), *_too_large(timestamp_ms)]


def _not_events() -> list[Case]:
    said = [
        (None, "empty"), (b"", "empty"),
        (b"{", "not_json"), (b"\xff\xfe{}", "not_json"), (b'{"a": NaN}', "not_json"), (b"{} {}", "not_json"),
        (b'{"a": "\x01"}', "not_json"), (b"[" * 3000, "not_json"), (b"\xef\xbb\xbf{}", "not_json"),
        (b'{"a": "\xc3("}', "not_json"), (b" ", "not_json"), (b"event", "not_json"),
        (b'{"a": "\\ud83d"}', "not_json"), (b'{"\\ude00\\ud83d": 1}', "not_json"),
        (b"[]", "not_object"), (b"null", "not_object"), (b'"x"', "not_object"), (b"12", "not_object"),
    ]  # fmt: skip
    avro = [(b"\x00", "avro_undecodable"), (b"\x00\x00\x01", "avro_undecodable")]
    avro += [(b"\x00\x00\x00\x00\x07abc", "unknown_schema_id")]
    return [(value, Bad(ENVELOPE, reason)) for value, reason in said] + [
        (value, Bad(SCHEMA, reason)) for value, reason in avro
    ]


def _envelopes(timestamp_ms: int) -> list[Case]:
    wrong: list[tuple[str, Any]] = [
        ("event_id", ...), ("event_id", ""), ("event_id", "a" * 65), ("event_id", "a b"), ("event_id", "é"),
        ("event_id", 7), ("event", ...), ("event", None), ("event", 5),
        ("version", ...), ("version", 0), ("version", "1"), ("version", True), ("version", 1.5),
        ("occurred_at", ...), ("occurred_at", "2026-01-01T00:00:00"), ("occurred_at", "2026-01-01 noon"),
        ("occurred_at", "2026-01-01 00:00:00Z"), ("occurred_at", "2016-12-31T23:59:60Z"),
        ("occurred_at", "2026-13-01T00:00:00Z"), ("occurred_at", "2026-02-29T00:00:00Z"),
        ("occurred_at", 1_750_000_000), ("occurred_at", "2026-01-01T00:00:00+0100"),
        ("source", ...), ("source", ""), ("source", "s" * 65),
        ("city", "Berlin"), ("city", ""), ("city", 4), ("city", "a" * 65), ("trace_id", 3),
        ("payload", ...), ("payload", None), ("payload", []), ("payload", "{}"),
    ]  # fmt: skip
    found = [
        (event("charge.succeeded", _CHARGE, timestamp_ms, **{field: value}), field) for field, value in wrong
    ]
    # Of several, the first in the order of §1; and the envelope goes before the name and the payload.
    found.append((event("no.such", {}, timestamp_ms, source=1, city=2, event_id=3), "event_id"))
    found.append((event("charge.succeeded", {}, timestamp_ms, version=2, trace_id=[]), "trace_id"))
    future = event("charge.succeeded", _CHARGE, timestamp_ms, occurred_at=at(timestamp_ms, 300.001))
    return [(_bytes(members), Bad(ENVELOPE, "envelope_field", field)) for members, field in found] + [
        (_bytes(future), Bad(ENVELOPE, "in_future"))
    ]


def _events(timestamp_ms: int) -> list[Case]:
    late = at(timestamp_ms, 900)
    unknown = [
        (event("no.such", {}, timestamp_ms), "unknown_event"), (event("", {}, timestamp_ms), "unknown_event"),
        (event("Charge.succeeded", _CHARGE, timestamp_ms), "unknown_event"),
        (event("no.such", {}, timestamp_ms, version=9, occurred_at=late), "unknown_event"),
        (event("charge.succeeded", {}, timestamp_ms, version=2), "unknown_version"),
        (event("charge.failed", _CHARGE, timestamp_ms, version=2**70, occurred_at=late), "unknown_version"),
    ]  # fmt: skip
    wrong: list[tuple[str, Any]] = [
        ("charge_id", ...), ("charge_id", ""), ("charge_id", "c" * 129), ("booking_id", None),
        ("amount_minor", "100"), ("amount_minor", -1), ("amount_minor", 2**53), ("amount_minor", 1.5),
        ("amount_minor", True), ("amount_minor", ...),
        ("currency", "eur"), ("currency", "EURO"), ("currency", 1),
    ]  # fmt: skip
    cases: list[tuple[dict[str, Any], str]] = [
        (event("charge.succeeded", _without({**_CHARGE, field: value}), timestamp_ms), field)
        for field, value in wrong
    ]
    fee = {"fee_id": "f", "kind": "other", "amount_minor": 1, "currency": "EUR"}
    payout = {"payout_id": "p", "provider_id": "v", "amount_minor": 1, "currency": "EUR", "due_at": "soon"}
    cases += [
        (event("fee.assessed", fee, timestamp_ms), "kind"),
        (event("payout.initiated", payout, timestamp_ms), "due_at"),
        (
            event("search.click", {"session_id": "s", "listing_id": "l", "position": -1}, timestamp_ms),
            "position",
        ),
        (event("charge.failed", {**_CHARGE, "reason": 5}, timestamp_ms), "reason"),
        (
            event("charge.succeeded", {**_CHARGE, "amount_minor": "1"}, timestamp_ms, occurred_at=late),
            "amount_minor",
        ),
        (event("charge.succeeded", {"currency": "x", "charge_id": "c"}, timestamp_ms), "booking_id"),
    ]
    return [(_bytes(members), Bad(SCHEMA, reason)) for members, reason in unknown] + [
        (_bytes(members), Bad(SCHEMA, "payload_field", field)) for members, field in cases
    ]


def _too_large(timestamp_ms: int) -> list[Case]:
    too_large = Bad(ENVELOPE, "too_large")
    return [
        (padded(LIMIT + 1, timestamp_ms), too_large),
        (b"\xff" * (LIMIT + 1), too_large),
        (b"\x00" * 200_000, too_large),
    ]


def _without(payload: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in payload.items() if value is not ...}


def _bytes(members: dict[str, Any]) -> bytes | None:
    return json.dumps(members, ensure_ascii=False).encode()
