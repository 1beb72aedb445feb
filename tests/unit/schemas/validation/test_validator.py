"""Every reason of docs/contract.md §1, from real bytes, in its order."""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from typing import Any

import pytest

from schemas.spec import MISSING
from schemas.validation.fast_path import EVENT_TYPES, Event
from schemas.validation.reasons import MAX_DETAIL_BYTES, Code, Quarantined, Reason, quarantined
from schemas.validation.validator import Validator

OCCURRED_MS = 1_772_366_400_000  # 2026-03-01T12:00:00Z
VALIDATOR = Validator()


def envelope(**changes: object) -> dict[str, Any]:
    members = {
        "event_id": "evt-1",
        "event": "booking.expired",
        "version": 1,
        "occurred_at": "2026-03-01T12:00:00Z",
        "source": "test",
        "city": "london",
        "trace_id": None,
        "payload": {"booking_id": "bkg-1"},
        **changes,
    }
    return {name: value for name, value in members.items() if value is not MISSING}


def encoded(**changes: object) -> bytes:
    return json.dumps(envelope(**changes)).encode()


def verdict(value: bytes | None, timestamp_ms: int = OCCURRED_MS) -> tuple[str, str]:
    """(reason, field), or ("accepted", ""); the fast and the complete judgement have to agree."""
    fast = VALIDATOR.validate(value, timestamp_ms)
    assert fast == VALIDATOR.validate_one(value, timestamp_ms)
    if not isinstance(fast, Quarantined):
        return "accepted", ""
    assert fast.code is fast.reason.code
    assert len(fast.detail.encode()) <= MAX_DETAIL_BYTES
    return fast.reason, fast.field


def padded(size: int) -> bytes:
    base = encoded(padding="")
    return encoded(padding="x" * (size - len(base)))


def test_size_limit_is_exact() -> None:
    assert len(padded(65536)) == 65536
    assert verdict(padded(65536)) == ("accepted", "")
    assert verdict(padded(65537)) == ("too_large", "")
    assert verdict(b"\x00" * 65537) == ("too_large", "")


@pytest.mark.parametrize("value", [None, b""])
def test_no_value_is_empty(value: bytes | None) -> None:
    assert verdict(value) == ("empty", "")


@pytest.mark.parametrize(
    "value",
    [
        b" ",
        b"{",
        b"nonsense",
        b"\xef\xbb\xbf" + encoded(),
        encoded() + b"}",
        encoded() + b"\x00",
        encoded()[:-1],
        encoded(z=1).replace(b'"z": 1', b'"z": NaN'),
        encoded(z=1).replace(b'"z": 1', b'"z": 01'),
        encoded(z=1).replace(b'"z": 1', b'"z": "\xff"'),
        encoded(z=1).replace(b'"z"', b'"\xff"'),
        encoded(z=1).replace(b'"z": 1', b'"z": "\xed\xa0\x80"'),
        encoded(z=1).replace(b'"z": 1', b'"z": "\\ud800"'),
        encoded(z=1).replace(b'"z": 1', b'"z": 1,'),
        b"[" * 40000,
        b'{"a":' + b"[" * 20000 + b"]" * 19999 + b"}",
        encoded(z=1).replace(b'"z": 1', b'"z": ' + b'{"a":' * 9000 + b"x" + b"}" * 9000),
    ],
    ids=range(17),
)
def test_not_json(value: bytes) -> None:
    assert verdict(value) == ("not_json", "")


@pytest.mark.parametrize("value", [b"[]", b"5", b'"text"', b"null", b"true", b"1e308", b"[" * 64 + b"]" * 64])
def test_not_an_object(value: bytes) -> None:
    assert verdict(value) == ("not_object", "")


@pytest.mark.parametrize(
    "extra",
    [
        b"1e308",
        b"18446744073709551615",
        b"-9223372036854775808",
        b"0." + b"1" * 998,
        b"-0.0e-999",
        b'"\xc3\xa9\\ud83d\\ude00\\u0000\\"\xef\xbb\xbf"',
        b"[" * 62 + b"]" * 62,
        b'{"a":[{}],"A ":{"a":1}}',
    ],
    ids=range(8),
)
@pytest.mark.parametrize("inside", ["envelope", "payload"])
def test_unknown_members_pass_if_all_read_them_alike(extra: bytes, inside: str) -> None:
    where = b'"version"' if inside == "envelope" else b'"booking_id"'
    assert verdict(encoded().replace(where, b'"unknown": ' + extra + b", " + where)) == ("accepted", "")


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("event_id", MISSING),
        ("event_id", ""),
        ("event_id", "e" * 65),
        ("event_id", "evt 1"),
        ("event_id", "évt"),
        ("event_id", "evt\n"),
        ("event_id", 5),
        ("event", MISSING),
        ("event", None),
        ("event", 5),
        ("version", MISSING),
        ("version", 0),
        ("version", "1"),
        ("version", 1.0),
        ("version", True),
        ("occurred_at", MISSING),
        ("occurred_at", 1772366400),
        ("occurred_at", "2026-03-01T12:00:00"),
        ("occurred_at", "2026-03-01"),
        ("occurred_at", "2026-03-01 12:00:00Z"),
        ("occurred_at", "2026-03-01 17:30:00.123456789+05:30"),
        ("occurred_at", "2026-02-29T12:00:00Z"),
        ("occurred_at", "2026-03-01T12:00:00+0000"),
        ("occurred_at", "2026-03-01T12:00:00-0000"),
        ("occurred_at", "2026-03-01T12:00:00+0530"),
        ("occurred_at", "2026-03-01T12:00:0\\u0030Z"),
        ("occurred_at", "0000-12-31T23:59:59Z"),
        ("occurred_at", "0000-12-31T23:59:59-01:00"),
        ("occurred_at", "0001-01-01T00:59:59+01:00"),
        ("occurred_at", "2026-03-01T12:00:60Z"),
        ("occurred_at", ""),
        ("source", MISSING),
        ("source", ""),
        ("source", "s" * 65),
        ("city", ""),
        ("city", "London"),
        ("city", "c" * 65),
        ("city", 5),
        ("trace_id", 5),
        ("payload", MISSING),
        ("payload", None),
        ("payload", []),
        ("payload", "{}"),
    ],
)
def test_envelope_field_is_named(field: str, value: object) -> None:
    assert verdict(encoded(**{field: value})) == ("envelope_field", field)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("event_id", "A-z_0.9:" * 8),
        ("occurred_at", "2026-03-01t12:00:00z"),
        ("occurred_at", "2026-03-01T17:30:00.123456789+05:30"),
        ("occurred_at", "2026-03-01T12:00:00-00:00"),
        ("occurred_at", "0001-01-01T00:00:00Z"),
        ("occurred_at", "0001-01-01T01:00:00+01:00"),
        ("source", "é" * 64),
        ("city", None),
        ("city", MISSING),
        ("trace_id", "t" * 1000),
        ("trace_id", MISSING),
    ],
)
def test_envelope_field_is_accepted(field: str, value: object) -> None:
    assert verdict(encoded(**{field: value})) == ("accepted", "")


def test_the_first_wrong_field_is_named_whatever_their_order() -> None:
    broken = envelope(version=0, occurred_at="", source="", city="X", payload=None)
    for seed in range(20):
        names = list(broken)
        random.Random(seed).shuffle(names)
        assert verdict(json.dumps({name: broken[name] for name in names}).encode()) == (
            "envelope_field",
            "version",
        )


@pytest.mark.parametrize(
    "extra",
    [
        b"1e999",
        b"-1.7976931348623159e308",
        b"18446744073709551616",
        b"-9223372036854775809",
        b"1" * 5000,
        b"0." + b"1" * 999,
        b"[" * 64 + b"]" * 64,
        b"[" * 20000 + b"]" * 20000,
        b'{"a":' * 1000 + b"1" + b"}" * 1000,
        b'{"a":1,"b":2,"a":1}',
        b'{"a":1,"\\u0061":1}',
        b'[{"a":1,"A":1}]',
        b'{"":1}',
        b'{"' + b"n" * 50_001 + b'":1}',
    ],
    ids=range(14),
)
@pytest.mark.parametrize("inside", ["envelope", "payload"])
def test_what_readers_do_not_read_alike_is_refused_in_unknown_members_too(extra: bytes, inside: str) -> None:
    where = b'"version"' if inside == "envelope" else b'"booking_id"'
    value = encoded().replace(where, b'"unknown": ' + extra + b", " + where)
    assert verdict(value) == ("not_json", "")
    found = VALIDATOR.validate(value, OCCURRED_MS)
    assert isinstance(found, Quarantined)
    assert "not read alike" in found.detail


@pytest.mark.parametrize("name", [b'"event_id"', b'"event"', b'"city"', b'"payload"', b'"booking_id"'])
@pytest.mark.parametrize("spell", [bytes, bytes.upper, lambda name: b'"\\u%04x' % name[1] + name[2:]])
def test_a_declared_member_that_is_there_twice_is_named(name: bytes, spell: Callable[[bytes], bytes]) -> None:
    good = encoded(city="london")
    reason = "payload_field" if name == b'"booking_id"' else "envelope_field"
    for value in (b"1250", b"null", b"{}"):
        before = good.replace(name, spell(name) + b":" + value + b"," + name, 1)
        after = good.replace(name, name + b":" + value + b"," + spell(name), 1)
        assert verdict(before) == verdict(after) == (reason, name.decode().strip('"'))


def test_a_name_in_another_letter_case_is_taken_for_the_declared_one() -> None:
    assert verdict(encoded(City="london")) == ("envelope_field", "city")
    assert verdict(encoded(x=1, X=1)) == ("not_json", "")
    assert verdict(encoded(_kafka={"offset": 1})) == ("accepted", "")
    assert verdict(encoded(_Kafka={"offset": 1})) == ("not_json", "")


def test_members_there_twice_are_told_in_the_order_of_the_fields() -> None:
    good = encoded()
    assert verdict(good[:-1] + b', "source": "x", "event_id": 5}') == ("envelope_field", "event_id")
    assert verdict(good[:-1] + b', "source": "x", "y": 1, "y": 1}') == ("not_json", "")
    unknown = encoded(event="no.such")
    assert verdict(unknown[:-1] + b', "source": "x"}') == ("envelope_field", "source")
    twice = unknown.replace(b'"booking_id"', b'"booking_id": 1, "booking_id"')
    assert verdict(twice) == ("not_json", "")  # no event declares it


def test_a_whole_number_beyond_a_signed_column_is_refused_where_it_is_declared() -> None:
    payload = {"session_id": "s", "listing_id": "l", "position": 2**63}
    assert verdict(encoded(event="search.click", payload=payload)) == ("payload_field", "position")
    assert verdict(encoded(event="search.click", payload=payload | {"position": 2**63 - 1})) == (
        "accepted",
        "",
    )


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"event": "secret.name"}, ("unknown_event", "")),
        ({"event": ""}, ("unknown_event", "")),
        ({"event": "secret.name", "version": 9, "payload": {}}, ("unknown_event", "")),
        ({"version": 2}, ("unknown_version", "")),
        ({"version": 10**30}, ("unknown_version", "")),
        ({"version": 2, "payload": {}}, ("unknown_version", "")),
        ({"payload": {}}, ("payload_field", "booking_id")),
        (
            {"payload": {"booking_id": 5}, "occurred_at": "2036-01-01T00:00:00Z"},
            ("payload_field", "booking_id"),
        ),
        ({"occurred_at": "2026-03-01T12:05:00.001Z"}, ("in_future", "")),
        ({"occurred_at": "2026-03-01T12:05:00Z"}, ("accepted", "")),
    ],
)
def test_order_of_the_later_checks(changes: dict[str, object], expected: tuple[str, str]) -> None:
    assert verdict(encoded(**changes)) == expected


def test_a_record_without_timestamp_has_no_future() -> None:
    assert verdict(encoded(), timestamp_ms=-1) == ("accepted", "")
    assert verdict(encoded(occurred_at="9999-12-31T23:59:59.999999Z"), timestamp_ms=-1) == ("accepted", "")
    late = encoded(occurred_at="9999-12-31T23:59:59.999999-00:01")
    assert verdict(late, timestamp_ms=-1) == ("envelope_field", "occurred_at")


@pytest.mark.parametrize("due_at", ["9999-12-31T23:59:59Z", "0001-01-01T00:00:00Z"])
def test_a_deadline_may_be_never(due_at: str) -> None:
    payout = {"payout_id": "p", "provider_id": "v", "amount_minor": 1, "currency": "EUR", "due_at": due_at}
    assert verdict(encoded(event="payout.initiated", payload=payout)) == ("accepted", "")


def test_a_time_that_is_refused_is_told_which_years_there_are() -> None:
    found = VALIDATOR.validate(encoded(occurred_at="0000-01-01T00:00:00Z"), OCCURRED_MS)
    assert isinstance(found, Quarantined)
    assert "in the years 0001 to 9999" in found.detail


def test_details_never_show_what_the_record_holds() -> None:
    for changes in (
        {"event_id": "SECRET!"},
        {"event": "SECRET"},
        {"occurred_at": "SECRET"},
        {"city": "SECRET"},
        {"payload": {"booking_id": ["SECRET"]}},
        {"event": "fee.assessed", "payload": {"fee_id": "f", "kind": "SECRET"}},
        {
            "event": "charge.succeeded",
            "payload": {"charge_id": "c", "booking_id": "b", "amount_minor": "SECRET"},
        },
    ):
        found = VALIDATOR.validate(encoded(**changes), OCCURRED_MS)
        assert isinstance(found, Quarantined)
        assert "SECRET" not in found.detail


def test_a_long_detail_is_cut_at_a_character() -> None:
    found = quarantined(Reason.NOT_JSON, "x" + "é" * 400)
    assert found.detail == "x" + "é" * 255


def test_codes_of_reasons() -> None:
    schema = {"unknown_event", "unknown_version", "payload_field", "avro_undecodable", "unknown_schema_id"}
    assert {reason for reason in Reason if reason.code is Code.EVENT_SCHEMA_INVALID} == schema


def test_a_batch_keeps_its_order_around_bad_records() -> None:
    values = [encoded(event_id=f"evt-{index}") for index in range(300)]
    bad: dict[int, bytes | None] = {
        0: None,
        7: b"",
        8: b"{",
        130: encoded(event_id="a b"),
        131: encoded(city="X"),
        200: encoded(occurred_at="x"),
        299: b"\x00",
    }
    batch = [bad.get(index, value) for index, value in enumerate(values)]
    decoded = VALIDATOR.decode_batch(batch, [OCCURRED_MS] * 300)
    assert [index for index, _ in decoded.bad] == sorted(bad)
    for index in range(300):
        event = decoded.kept[index]
        assert (event is None) == (decoded.kinds[index] is None) == (index in bad)
        if event is not None:
            assert decoded.kinds[index] is event.__class__
            assert decoded.times[index] == OCCURRED_MS * 1000
            assert decoded.ids[index] == event.event_id.encode() == f"evt-{index}".encode()
            assert decoded.cities[index] == event.city


def test_a_batch_of_nothing_and_of_nothing_good() -> None:
    assert VALIDATOR.decode_batch([], []).kinds == []
    decoded = VALIDATOR.decode_batch([None, b"["], [0, 0])
    assert decoded.kinds == decoded.kept == [None, None]
    assert [found.reason for _, found in decoded.bad] == [Reason.EMPTY, Reason.NOT_JSON]


def test_event_gives_the_time_with_its_offset() -> None:
    event = VALIDATOR.validate(encoded(occurred_at="2026-03-01T17:30:00+05:30"), OCCURRED_MS)
    assert isinstance(event, Event)
    assert event.occurred_at.isoformat() == "2026-03-01T17:30:00+05:30"
    assert event.occurred_at.timestamp() * 1000 == OCCURRED_MS
    assert isinstance(event, EVENT_TYPES["booking.expired"])
