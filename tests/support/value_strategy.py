"""What a record's value may be, for property tests of the validation: events, some of them spoilt."""

from __future__ import annotations

import json
from typing import Any

from hypothesis import strategies as st

from schemas.catalogue import EVENTS
from schemas.types import Envelope

NOW_MS = 1_800_000_000_000
PAYLOAD_NAMES = sorted({name for spec in EVENTS.values() for name in spec.payload.model_fields})
Members = list[tuple[bytes, bytes]]


near_instants = st.from_regex(
    r"[0-9]{3}[0-9]-[01][0-9]-[0-3][0-9][Tt _][0-2][0-9]:[0-6][0-9]:[0-6][0-9]"
    r"(\.[0-9]{0,10}|,5)?(Z|z|[+-][0-2][0-9]:?[0-6][0-9]|[+-]0000|\\u005a| Z|)",
    fullmatch=True,
).map(lambda text: b'"' + text.encode() + b'"')

nasty = st.one_of(
    near_instants,
    st.sampled_from(
        [
            *(b"0 -0 1 1.0 1e0 1e2 1e999 -1e999 1e-999 -1 2 0.5 NaN Infinity -Infinity 01 1. .5 +1".split()),
            *(b'true false null nul "" "1" "Z" "z" ":00" "null" {} [] [{}] {"a":1,"a":2} {"a"} [1,]'.split()),
            *(b"9007199254740991 9007199254740992 9007199254740991.0 18446744073709551616 1e15".split()),
            *(b"9223372036854775807 9223372036854775808 18446744073709551615 -9223372036854775809".split()),
            *(b'{"a":1,"A":2} {"":1} {"_KAFKA":1} "a\\"b" [1e999] {"a":[{"b":1e999}]}'.split()),
            b"0." + b"1" * 998,
            b"0." + b"1" * 999,
            b"1" * 400,
            b"1" * 4400,
            b'"' + b"a" * 64 + b'"',
            b'"' + b"a" * 65 + b'"',
            b'"' + b"a" * 128 + b'"',
            b'"' + b"a" * 129 + b'"',
            '"é"'.encode() * 1,
            b'"' + "é".encode() * 128 + b'"',
            b'"' + "💶".encode() * 3 + b'"',
            b'"\\ud83d\\ude00"',
            b'"\\ud83d"',
            b'"\\ude00\\ud83d"',
            b'"\xff"',
            b'"\xed\xa0\x80"',
            b'"\xc0\x80"',
            b'"\x00"',
            b'"\\u0000"',
            b'"\\q"',
            b'"\n"',
            b'"EU\\u0052"',
            b'"EUR\\n"',
            b'"EUR "',
            b'"eur"',
            b'"2026-03-01T12:00:00Z"',
            b'"2026-03-01T12:00:00+05:30"',
            b'"2026-03-01T12:00:00+0530"',
            b'"2026-03-01T12:00:00+05\\u00330"',
            b'"2026-03-01T12:00:00-00\\u00300"',
            b'"2026-03-01T12:00:00\\u005a"',
            b'"2026-03-01T12:00:0\\\\u0030Z"',
            b'"9999-12-31T23:59:59Z"',
            b'"0001-01-01T00:00:00Z"',
            b"[" * 60 + b"]" * 60,
            *(b"[" * depth + b"]" * depth for depth in (61, 62, 63, 64, 65)),
            b'{"a":' * 63 + b"1" + b"}" * 63,
            b'{"a":' * 62 + b"1" + b"}" * 62,
            b"[" * 1500 + b"]" * 1500,
            b"[" * 1500 + b"]" * 1499,
            b'{"a":' * 700 + b"1" + b"}" * 700,
            b'{"a":' * 700 + b"x" + b"}" * 700,
        ]
    ),
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
        max_leaves=6,
    ).map(lambda value: json.dumps(value).encode()),
)


def texts(members: dict[str, Any]) -> Members:
    return [(json.dumps(name).encode(), json.dumps(value).encode()) for name, value in members.items()]


def joined(members: Members) -> bytes:
    return b"{" + b",".join(name + b":" + value for name, value in members) + b"}"


@st.composite
def changed(draw: st.DrawFn, members: Members, names: list[str], most: int) -> Members:
    """Some members replaced, repeated, left out, added and moved."""
    members = list(members)
    for _ in range(draw(st.integers(0, most))):
        change = draw(st.sampled_from(["replace", "replace", "drop", "add", "repeat", "respell", "shuffle"]))
        at = draw(st.integers(0, len(members)))
        if change == "replace" and at < len(members):
            members[at] = (members[at][0], draw(nasty))
        elif change == "drop" and at < len(members):
            del members[at]
        elif change == "repeat" and members:
            members.insert(at, draw(st.sampled_from(members)))
        elif change == "respell" and at < len(members):
            key, value = members[at]
            key = draw(st.sampled_from([key.upper(), key.title(), b'"\\u%04x' % key[1] + key[2:]]))
            if draw(st.booleans()):
                members.insert(draw(st.integers(0, len(members))), (key, value))
            else:
                members[at] = (key, value)
        elif change == "add":
            name = draw(st.sampled_from(names) | st.text(max_size=4))
            odd = [b'"\xff"', b'"\\ud800"', b'"\\u0065vent"', b'"_kafka"', b'"_Kafka"']
            key = draw(st.sampled_from([json.dumps(name).encode(), *odd]))
            members.insert(at, (key, draw(nasty)))
        elif change == "shuffle":
            members = draw(st.permutations(members))
    return members


@st.composite
def records(draw: st.DrawFn) -> bytes:
    spec = EVENTS[draw(st.sampled_from(sorted(EVENTS)))]
    payload = texts(dict(draw(st.sampled_from(spec.examples))))
    envelope = texts(
        {
            "event_id": "evt-1",
            "event": spec.name,
            "version": 1,
            "occurred_at": "2026-03-01T12:00:00.25+05:30",
            "source": "test",
            "city": "new-delhi",
            "trace_id": None,
        }
    )
    members = [*envelope, (b'"payload"', joined(draw(changed(payload, PAYLOAD_NAMES, 3))))]
    record = joined(draw(changed(members, list(Envelope.model_fields), draw(st.sampled_from([0, 1, 3])))))
    if draw(st.integers(0, 9)) == 0:
        at, width = draw(st.integers(0, len(record))), draw(st.integers(0, 3))
        record = record[:at] + draw(st.binary(max_size=3)) + record[at + width :]
    around = draw(
        st.sampled_from(
            [b"%s"] * 8 + [b" %s\r\n\t", b"\xef\xbb\xbf%s", b"%s}", b"%s\x00", b"[%s]", b"\x00%s"]
        )
    )
    return around % record


no_records = st.one_of(st.binary(max_size=20), nasty, st.none())
values = st.integers(0, 9).flatmap(lambda choice: no_records if choice == 9 else records())
