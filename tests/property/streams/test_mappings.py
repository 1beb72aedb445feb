"""No mapping ever raises, whatever it is given; and money is exact."""

from __future__ import annotations

import json
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.currencies import decimals_of
from schemas.validation.validator import Validator
from streams.settings import Settings
from streams.sources.mappings.currencies import to_minor
from streams.sources.mappings.declared.load import load
from streams.sources.mappings.envelopes import Envelopes
from streams.sources.mappings.examples import EXAMPLES
from streams.sources.mappings.formats import FORMATS
from streams.sources.mappings.mapping import Mapping, NotForUs, Refused
from streams.sources.mappings.verdicts import Accepted, verdicts

DECLARED = """\
event: charge.succeeded
where: not_null(a, b) || length(to_array(c)) > `1`
event_id: {hash: [a, b]}
occurred_at: {expr: a, time: unix_ms}
city: {expr: b, slug: true}
source: {template: "{a}{to_string(b)}"}
payload:
  charge_id: {expr: "sort(c)[0]", lookup: {"1": x}, default: y}
  booking_id: join('-', c)
  amount_minor: {minor: {amount: max(c), currency: b}}
  currency: {expr: b, upper: true}
"""

scalars = (
    st.none()
    | st.booleans()
    | st.integers(-(10**25), 10**25)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.sampled_from(["", "usd", "USD", "2026-03-01T12:00:00Z", "charge.succeeded", "evt_1", "1.0", "list"])
    | st.text(max_size=8)
)
names = st.sampled_from(["a", "b", "c", "id", "data", "object", "payload", "schema", "after", "op", "type"])
json_values = st.recursive(
    scalars,
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(names | st.text(max_size=4), inner, max_size=6)
    ),
    max_leaves=20,
)


def _mappings(folder: Path) -> list[Mapping]:
    path = folder / "declared.yaml"
    path.write_text(DECLARED)
    settings = Settings.load({})
    return [load(path), Envelopes(), *(make(settings) for make in FORMATS.values())]


@pytest.fixture(scope="module")
def mappings(tmp_path_factory: pytest.TempPathFactory) -> list[Mapping]:
    return _mappings(tmp_path_factory.mktemp("maps"))


def _judged(mapping: Mapping, text: bytes) -> None:
    for value in mapping.values(text):
        (verdict,) = verdicts(mapping, [value], Validator(), -1)
        assert isinstance(verdict, Accepted | Refused | NotForUs)
        if isinstance(verdict, Accepted):
            assert verdict.events


@given(value=json_values)
def test_any_json_has_a_verdict(mappings: list[Mapping], value: Any) -> None:
    for mapping in mappings:
        _judged(mapping, json.dumps(value).encode())


@given(text=st.binary(max_size=40) | st.text(alphabet='{}[]":,\\u0d8f123ab', max_size=40).map(str.encode))
def test_any_bytes_have_a_verdict(mappings: list[Mapping], text: bytes) -> None:
    for mapping in mappings:
        _judged(mapping, text)


shaped = st.sampled_from([(name, example.given) for name, all_of in EXAMPLES.items() for example in all_of])


@given(shown=shaped, data=st.data())
def test_an_example_with_anything_in_the_place_of_a_member_has_a_verdict(
    mappings: list[Mapping], shown: tuple[str, Any], data: st.DataObject
) -> None:
    name, whole = shown
    copy: Any = json.loads(json.dumps(whole))
    places = list(_places(copy))
    if not places:
        return
    holder, key = data.draw(st.sampled_from(places))
    holder[key] = data.draw(json_values)
    (mapping,) = (one for one in mappings if one.name == name)
    _judged(mapping, json.dumps(copy).encode())


def _places(value: Any) -> Any:
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, inner in items:
        yield value, key
        yield from _places(inner)


@pytest.mark.parametrize("depth", [60, 70, 5000])
def test_depth_has_a_verdict(mappings: list[Mapping], depth: int) -> None:
    for mapping in mappings:
        _judged(mapping, b'{"a":' * depth + b"1" + b"}" * depth)
        _judged(mapping, b"[" * depth + b"]" * depth)


@given(
    minor=st.integers(0, 2**53 - 1),
    currency=st.sampled_from(["EUR", "JPY", "KWD", "CLF", "ISK", "MGA", "XXX"]),
)
def test_an_amount_in_decimals_is_the_same_in_minor_units(minor: int, currency: str) -> None:
    decimals = decimals_of(currency)
    written = str(Decimal(minor).scaleb(-decimals))
    assert to_minor(Decimal(written), currency) == minor
    if minor % 10:
        with pytest.raises(ValueError, match="more decimals"):
            to_minor(Decimal(minor).scaleb(-decimals - 1), currency)
