"""Every field of every event, spoilt in each way its declaration allows: the verdict names that field."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import Any, Literal, get_args, get_origin

import pytest
from pydantic.fields import FieldInfo

from schemas.catalogue import EVENTS
from schemas.fields import is_nullable, kind_of, limits_of, pattern_of
from schemas.spec import MISSING, EventSpec
from schemas.validation.fast_path import Event
from schemas.validation.reasons import Code, Quarantined, Reason
from schemas.validation.validator import Validator
from tests.support.events import event

NOW_MS = 1_800_000_000_000
VALIDATOR = Validator()
OF_NO_TYPE: tuple[Any, ...] = ([], {}, [1], {"a": 1})
TEXTS, NUMBERS = ("", "1", "true", "null"), (0, 1, -1, 1.5)


def wrong_types(kind: Any) -> Iterator[Any]:
    yield from OF_NO_TYPE
    if kind is bool:
        yield from (*TEXTS, *NUMBERS)
    elif kind in (int, float):
        yield from (*TEXTS, True, False)
        if kind is int:
            yield from (1.5, 1.0, 2**64)
    else:
        yield from (*NUMBERS, True, False)


def out_of_range(field: FieldInfo) -> Iterator[Any]:
    limits, kind = limits_of(field), kind_of(field)
    if "ge" in limits:
        yield limits["ge"] - 1
    if "le" in limits:
        yield limits["le"] + 1
    if kind is int:
        yield from (-(2**63) - 1, 2**63)
    if "min_length" in limits:
        yield "A" * (limits["min_length"] - 1)
    if "max_length" in limits:
        yield "A" * (limits["max_length"] + 1)


def of_no_such_form(field: FieldInfo) -> Iterator[Any]:
    kind = kind_of(field)
    if get_origin(kind) is Literal:
        for known in get_args(kind):
            yield from (known.upper(), known + " ", known[:-1])
    if kind is datetime:
        yield from (
            "",
            "now",
            "2026-03-04",
            "2026-03-04T00:00:00",
            "2026-13-04T00:00:00Z",
            "20260304T000000Z",
        )
    if pattern_of(field):
        yield from ("eur", "EU1", "ÉUR", "EU\n")


def spoilt(field: FieldInfo) -> Iterator[Any]:
    if field.is_required():
        yield MISSING
    if not is_nullable(field):
        yield None
    yield from wrong_types(kind_of(field))
    yield from out_of_range(field)
    yield from of_no_such_form(field)


FIELDS = [(spec, name) for spec in EVENTS.values() for name in spec.payload.model_fields]


@pytest.mark.parametrize(("spec", "name"), FIELDS, ids=[f"{spec.name}-{name}" for spec, name in FIELDS])
def test_a_field_that_is_wrong_is_named(spec: EventSpec, name: str) -> None:
    good = event(spec.name, 1, spec.examples[0])
    values = [
        event(spec.name, 1, spec.patched({name: value})) for value in spoilt(spec.payload.model_fields[name])
    ]
    assert len(values) > 6
    mixed = [value for bad in values for value in (bad, good)]
    decoded = VALIDATOR.decode_batch([*mixed], [NOW_MS] * len(mixed))
    assert [index for index, _ in decoded.bad] == list(range(0, len(mixed), 2))
    for index, verdict in decoded.bad:
        expected = (Code.EVENT_SCHEMA_INVALID, Reason.PAYLOAD_FIELD, name)
        assert verdict[:3] == expected, mixed[index]
        assert VALIDATOR.validate(mixed[index], NOW_MS) == verdict


@pytest.mark.parametrize("spec", EVENTS.values(), ids=EVENTS)
def test_an_optional_field_may_be_left_out_and_be_null(spec: EventSpec) -> None:
    fields = spec.payload.model_fields
    optional = [name for name, field in fields.items() if not field.is_required()]
    nullable = [name for name, field in fields.items() if is_nullable(field)]
    for name, value in [(name, MISSING) for name in optional] + [(name, None) for name in nullable]:
        accepted = VALIDATOR.validate(event(spec.name, 1, spec.patched({name: value})), NOW_MS)
        assert isinstance(accepted, Event), (name, value)
        assert getattr(accepted.payload, name) == (None if value is None else fields[name].default)


def test_a_verdict_shows_no_value() -> None:
    secret = "4111-1111-1111-1111"
    for spec, name in FIELDS:
        for value in (secret * 10, [secret], {secret: secret}):
            verdict = VALIDATOR.validate(event(spec.name, 1, spec.patched({name: value})), NOW_MS)
            if isinstance(verdict, Quarantined):
                assert secret not in repr(verdict)
