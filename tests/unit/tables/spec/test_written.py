"""A declaration that was written down is read only if this release can compute it."""

from __future__ import annotations

from dataclasses import replace

import pytest

from schemas.validation.fast_path import EVENT_TYPES
from tables.spec.measures import Measure, Unit
from tables.spec.view import View
from tables.spec.windowed import Sum, Term
from tables.spec.written import decode_view, encode_view
from tables.views.kpi_gmv import KPI_GMV
from tables.views.ops_payout_backlog import OPS_PAYOUT_BACKLOG


def of(*terms: Term) -> View:
    return replace(KPI_GMV, measures=(Sum("bookings", "", terms),))


@pytest.mark.parametrize(
    ("view", "why"),
    [
        (of(Term("booking.forgotten")), "there is no event booking.forgotten in the catalogue"),
        (of(Term("booking.confirmed", "tip_minor")), "has no field tip_minor"),
        (of(Term("booking.confirmed", "x, __import__('os')")), "has no field x, __import__"),
        (replace(OPS_PAYOUT_BACKLOG, dimensions=("city", "country")), "dimension country is not kept"),
        (replace(KPI_GMV, name="no:name@"), "it is no view's declaration"),
    ],
)
def test_what_it_names_has_to_be_there(view: View, why: str) -> None:
    with pytest.raises(ValueError, match="(?s)^.*" + why.replace("(", r"\(")):
        decode_view(encode_view(view), EVENT_TYPES)


@pytest.mark.parametrize(
    ("value", "why"),
    [
        (b"", "it can't be read"),
        (b"\xff", "it can't be read"),
        (b"[" * 100_000, "it can't be read"),
        (b"3", "it is no view's declaration"),
        (encode_view(KPI_GMV).replace(b'"Windowed"', b'"Graph"'), "this release has no Graph"),
        (encode_view(KPI_GMV).replace(b'"description"', b'"prose"'), "it can't be read"),
        (encode_view(KPI_GMV).replace(b'"minor"', b'"stones"'), "stones"),
        (encode_view(KPI_GMV).replace(b'"dimensions":["city","currency"]', b'"dimensions":7'), "it can't be"),
    ],
)
def test_what_is_no_declaration_is_told(value: bytes, why: str) -> None:
    with pytest.raises(ValueError, match=why):
        decode_view(value, EVENT_TYPES)


def test_only_plain_data_is_written() -> None:
    with pytest.raises(TypeError, match="set is nothing that a declaration is made of"):
        encode_view(replace(KPI_GMV, dimensions={"city"}))  # type: ignore[arg-type]


def test_measures_of_an_extension_are_read_while_it_is_there() -> None:
    class Doubled(Sum):
        """What an extension may declare."""

    measure: Measure = Doubled("bookings", "", (Term("booking.confirmed"),), Unit.COUNT)
    view = replace(KPI_GMV, measures=(measure,))
    assert decode_view(encode_view(view), EVENT_TYPES) == view
