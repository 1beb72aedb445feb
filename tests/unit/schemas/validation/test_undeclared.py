"""Which records need the complete judgement: those alone of which a second decode does not prove enough."""

from __future__ import annotations

import json
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import msgspec
import pytest

from schemas.spec import EventSpec
from schemas.types import Id, Payload
from schemas.validation.fast_path import ABSENCES, Event, event_struct, payload_struct
from schemas.validation.reasons import Quarantined
from schemas.validation.undeclared import differing
from schemas.validation.validator import Validator

NOW_MS = 1_800_000_000_000


class Measured(Payload):
    """Of a kind whose fewest quotes are not known: a fraction, and several members that may be left out."""

    unit: Id
    share: float
    note: str | None = None
    count: int | None = None


class Flagged(Payload):
    """Of a kind with a default that is no null."""

    unit: Id
    valid: bool = True


def decoder(name: str, payload: type[Payload]) -> Callable[[bytes], Event]:
    spec = EventSpec(name=name, payload=payload, examples=(), counter_examples=())
    return msgspec.json.Decoder(event_struct(spec, payload_struct(payload))).decode


DECODE = decoder("x.measured", Measured)
DECODE_FLAGGED = decoder("x.flagged", Flagged)


def measured(inside: str = "", outside: str = "", share: str = "0.5") -> bytes:
    return (
        '{"event_id":"e","event":"x.measured","version":1,"occurred_at":"2026-03-01T12:00:00Z","source":"s",'
        f'"payload":{{"unit":"u","share":{share}{inside}}}{outside}}}'
    ).encode()


def doubted(*values: bytes, decode: Callable[[bytes], Event] = DECODE) -> list[int]:
    before = ABSENCES.count()
    events = [decode(value) for value in values]
    return list(differing([*values], events, ABSENCES.count() - before, []))


def test_a_kind_with_fractions_and_several_optional_members_is_proved_by_a_second_decode() -> None:
    good = [
        measured(),
        measured(',"note":null,"count":null'),
        measured(',"count":3', ',"city":null,"x":[{"y":"z"}]'),
        measured(',"note":"\\"a\\""'),
        measured(share="1e-40"),
        measured("", ',"x":[0.0,0e30],"id":"0e1"'),
    ]
    assert doubted(*good) == []
    bad = [
        measured(',"note":null,"note":"a"'),
        measured(',"count":1,"count":1'),
        measured(',"Note":"a"'),
        measured(share="0." + "1" * 999),
        measured(share="0e309"),
        measured("", ',"x":"a","x":"\\""'),
        measured(',"note":"\\u0022","x":"\\""'),
    ]
    assert doubted(good[0], *bad, good[1]) == [1, 2, 3, 4, 5, 6, 7]
    for value in bad:
        assert doubted(value) == [0]


def test_a_default_that_is_no_null_pays_for_no_member_that_is_there_twice() -> None:
    def flagged(inside: str = "", outside: str = "") -> bytes:
        record = measured(inside, ',"city":"a","trace_id":"t"' + outside)
        return record.replace(b',"share":0.5', b"").replace(b"measured", b"flagged")

    for value in (flagged(), flagged(',"valid":false'), flagged(outside=',"x":1')):
        assert doubted(value, decode=DECODE_FLAGGED) == []
    for value in (flagged(',"unit":"v"'), flagged(',"Valid":false'), flagged(outside=',"City":"b"')):
        assert doubted(value, decode=DECODE_FLAGGED) == [0]


class Counted(Payload):
    """Of a kind with defaults that are equal and of different types."""

    unit: Id
    valid: bool = True
    count: int = 1
    share: float = 1.0


def test_a_default_that_equals_another_keeps_its_type() -> None:
    counted: Any = msgspec.json.decode(b'{"unit":"u"}', type=payload_struct(Counted))
    assert [counted.valid, counted.count, counted.share] == [True, 1, 1.0]
    assert [type(value) for value in (counted.valid, counted.count, counted.share)] == [bool, int, float]


def charge(**more: object) -> bytes:
    payload = {"charge_id": "c", "booking_id": "b", "amount_minor": 1, "currency": "EUR"}
    envelope = {
        "event_id": "e", "event": "charge.failed", "version": 1, "occurred_at": "2026-03-01T12:00:00Z",
        "source": "s", "payload": payload, **more,
    }  # fmt: skip
    return json.dumps(envelope, separators=(",", ":")).encode()


@pytest.mark.parametrize(
    "value",
    [
        charge(),
        charge(city=None),
        charge(trace_id=None, city="a"),
        charge(x=None),
        charge(x={"a": [1, 0.5, "b"]}),
        charge().replace(b'"EUR"', b'"EUR","reason":null'),
        charge().replace(b'"EUR"', b'"EUR","reason": null, "x":1'),
        charge(text='say "hi"\\'),
        charge(source='a"b'),
        charge(**{'na"me': '"'}),
    ],
)
def test_what_producers_usually_add_needs_no_complete_judgement(
    value: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    validator = Validator()
    batch = [charge(), value, charge(city="london", trace_id="t")]
    expected = [validator.validate_one(one, NOW_MS) for one in batch]
    monkeypatch.delattr(Validator, "validate_one")
    assert validator.decode_batch([*batch], [NOW_MS] * 3).kept == expected


def test_what_one_record_lacks_does_not_pay_for_what_another_has_twice() -> None:
    lacks, has = charge(), charge(city="a")
    twice = has.replace(b'"city":"a"', b'"city":null,"city":"a"')
    odd = charge().replace(b'"EUR"', b'"EUR","":null')
    tail = charge().replace(b'"EUR"', b'"EUR","reason":null')
    for batch in (
        [lacks, twice],
        [tail, twice],
        [charge(city=None), twice],
        [tail, odd],
        [charge(city=None), odd],
    ):
        decoded = Validator().decode_batch([*batch], [NOW_MS] * 2)
        assert [index for index, _ in decoded.bad] == [1]


@pytest.mark.parametrize("colon", [":", ": ", " :", " : ", "\t:", "\n  : "])
@pytest.mark.parametrize("text", ["a", " a", " :", '": ', '":'])
def test_spaces_hide_no_member_that_is_there_twice(colon: str, text: str) -> None:
    def spaced(value: bytes) -> bytes:
        return json.dumps(json.loads(value), separators=(",", colon)).encode()

    good, lacks = spaced(charge(source=text, city="a")), charge()
    twice = good.replace(b'"amount_minor"', b'"amount_minor"' + colon.encode() + b'1,"amount_minor"')
    nulls = spaced(charge(source=text, city=None, trace_id=None))
    decoded = Validator().decode_batch([lacks, good, twice, nulls, lacks], [NOW_MS] * 5)
    assert [index for index, _ in decoded.bad] == [2]


@pytest.mark.parametrize(
    "refused",
    [
        charge(version=7),
        charge(source=None),
        charge(city=7),
        charge(payload={"charge_id": "c", "booking_id": "b", "amount_minor": 1, "currency": "eur"}),
        charge()[:-1],
        charge().replace(b'"version":1,', b"") + b" ",
        None,
        b"",
        b'"":',
    ],
)
def test_what_a_refused_record_lacks_does_not_pay_for_another(refused: bytes | None) -> None:
    twice = charge(city="a", trace_id="b").replace(b'"amount_minor"', b'"amount_minor":1,"amount_minor"')
    for batch in ([refused, twice], [twice, refused], [charge(), refused, refused, twice, refused]):
        decoded = Validator().decode_batch([*batch], [NOW_MS] * len(batch))
        assert [index for index, _ in decoded.bad] == [n for n, one in enumerate(batch) if one != charge()]


def test_two_threads_do_not_count_each_other() -> None:
    """One decodes what lacks members, the other what has them twice."""
    lacks = [charge()] * 2_000
    twice = charge(city="a", trace_id="b").replace(b'"amount_minor"', b'"amount_minor":1,"amount_minor"')
    with ThreadPoolExecutor(2) as pool:
        clean = [pool.submit(Validator().decode_batch, [*lacks], [NOW_MS] * 2_000) for _ in range(20)]
        found = [pool.submit(Validator().decode_batch, [twice], [NOW_MS]) for _ in range(200)]
        assert not any(one.result().bad for one in clean)
        assert all(one.result().bad for one in found)


@pytest.mark.parametrize(("opened", "closed"), [("[", "]"), ('{"a":', "}")])
@pytest.mark.parametrize("depth", [62, 63, 64, 300, 450, 700, 990, 1_010, 20_000])
def test_no_depth_ends_the_look(opened: str, closed: str, depth: int) -> None:
    """Python's and msgspec's own limits are met on the way: what is within them has to end well, too."""
    inside = (opened * depth + "1" + closed * depth).encode()
    for record in (
        charge(x=0).replace(b'"x":0', b'"x":' + inside),
        charge().replace(b'"EUR"', b'"EUR","x":' + inside),
        charge().replace(b'"charge_id":', b'"charge_id":' + inside + b',"charge_id":'),
    ):
        validator = Validator(max_event_bytes=1 << 20)
        verdict = validator.validate(record, NOW_MS)
        assert verdict == validator.validate_one(record, NOW_MS)
        assert isinstance(verdict, Quarantined) or depth < 64
