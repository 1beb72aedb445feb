"""A payload's Struct accepts what its pydantic model accepts, for every kind of field there can be."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, Any, Literal

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import Field, ValidationError

from schemas.fields import kind_of, msgspec_type
from schemas.times import parse_instant
from schemas.types import City, Currency, Id, Instant, Money, Payload, Position
from schemas.validation.fast_path import payload_struct
from tests.support.examples import examples


class Everything(Payload):
    """One field of every kind."""

    id: Id
    money: Money
    currency: Currency
    at: Instant
    position: Position
    score: Annotated[int, Field(ge=0, le=100)]
    bucket: Literal["clear", "watch"]
    covariate: float | None
    valid: bool = True
    quantity: Annotated[int, Field(ge=1)] = 1
    city: City | None = None
    until: Instant | None = None
    choice: Literal["a", "b"] | None = None


GOOD: dict[str, Any] = {
    "id": "i",
    "money": 5,
    "currency": "EUR",
    "at": "2026-03-01T12:00:00Z",
    "position": 0,
    "score": 100,
    "bucket": "clear",
    "covariate": None,
}
STRUCT = payload_struct(Everything)
odd = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-2, 102),
    st.integers(),
    st.floats(allow_nan=False, allow_infinity=False),
    st.sampled_from(
        ["", "a", "clear", "EUR", "EU", "new-delhi", "New", "x" * 128, "x" * 129, "2026-03-01T12:00:00Z"]
    ),
    st.sampled_from(
        ["2026-03-01T12:00:00+0000", "2026-03-01 12:00:00+01:00", "1", 2**53 - 1, 2**53, 10**400]
    ),
    st.just([]),
    st.just({}),
)


def _is_beyond(member: object) -> bool:
    """Whether a number is one of which readers of 64-bit integers may differ."""
    return isinstance(member, int | float) and not -(2**63) <= member <= 2**63 - 1


@examples(500)
@given(st.dictionaries(st.sampled_from([*Everything.model_fields, "unknown"]), odd, max_size=3))
def test_struct_and_model_agree(changes: dict[str, Any]) -> None:
    value = {**GOOD, **changes}
    try:
        from_model = Everything.model_validate(value)
    except ValidationError:
        with pytest.raises(msgspec.ValidationError):
            msgspec.json.decode(msgspec.json.encode(value), type=STRUCT)
        return
    encoded = msgspec.json.encode(value)
    if any(_is_beyond(member) for name, member in changes.items() if name != "unknown"):
        with pytest.raises(msgspec.ValidationError):  # the complete judgement has the say
            msgspec.json.decode(encoded, type=STRUCT)
        return
    decoded = msgspec.json.decode(encoded, type=STRUCT)
    kept = {name: getattr(decoded, name) for name in Everything.model_fields}
    read = {name: parse_instant(kept[name]) for name in ("at", "until") if kept[name] is not None}
    assert {**kept, **read} == dict(from_model)


def test_defaults() -> None:
    decoded: Any = msgspec.json.decode(msgspec.json.encode(GOOD), type=STRUCT)
    assert (decoded.valid, decoded.quantity, decoded.city, decoded.until) == (True, 1, None, None)


class Unsupported(Payload):
    """Fields that cannot be declared."""

    several: int | str
    listed: list[int]


@pytest.mark.parametrize("name", ["several", "listed"])
def test_other_types_are_refused_when_declared(name: str) -> None:
    with pytest.raises(TypeError, match=r"not supported|cannot be of type"):
        msgspec_type(Unsupported.model_fields[name])
    with pytest.raises(TypeError):
        kind_of(Unsupported.model_fields[name])


class Reminded(Payload):
    """With an instant that has a default."""

    id: Id
    at: Instant = datetime(2026, 1, 1, tzinfo=UTC)


def test_an_instant_that_is_absent_is_its_default_as_text() -> None:
    decoded: Any = msgspec.json.decode(b'{"id":"i"}', type=payload_struct(Reminded))
    assert parse_instant(decoded.at) == datetime(2026, 1, 1, tzinfo=UTC)
