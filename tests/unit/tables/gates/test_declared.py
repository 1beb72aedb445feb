"""Declarations of gates: the project's own are right, and what is wrong with others is said."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from schemas.extensions import Extension, ExtensionError
from tables.gates.declared import GATES, OWN, PAYOUT_BACKLOG, RECON, checked, with_extensions
from tables.spec.declaration_error import DeclarationError
from tables.spec.gate import Gate, Watch, gate_problems
from tables.views import VIEWS


def test_all_that_are_declared_can_be_evaluated() -> None:
    assert [*GATES] == [*OWN]
    for gate in GATES.values():
        assert list(gate_problems(gate, VIEWS)) == []


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"name": "Re con"}, "gate Re con: its name is not of a-z"),
        ({"view": "ops_recon"}, "gate recon: there is no view ops_recon: name one of"),
        ({"key": ("town", "currency")}, "its key town is no dimension of ops_recon_variance: city, currency"),
        ({"key": ()}, "its key is empty"),
        ({"key": ("city", "currency", "city")}, "or has a dimension twice"),
        ({"key": ("city",)}, "ops_recon_variance has money: add currency to its key"),
        ({"watches": ()}, "it watches nothing: give it a measure of ops_recon_variance"),
        ({"watches": (Watch("variance", "{}"),)}, "variance is no measure of ops_recon_variance"),
        ({"settled": ("charges",)}, "charges is no measure of ops_recon_variance"),
        ({"watches": (Watch("charges_minor", "much"),)}, "charges_minor: says"),
        ({"watches": (Watch("variance_ratio", "{}"),)}, "variance_ratio: says, and of a ratio without"),
        ({"view": "ops_payout_backlog"}, "settled measures are those of a windowed view"),
    ],
)
def test_what_is_wrong_is_named(changes: dict[str, Any], problem: str) -> None:
    assert problem in "\n".join(gate_problems(replace(RECON, **changes), VIEWS))


def test_no_two_gates_have_a_name() -> None:
    with pytest.raises(DeclarationError, match="there are two of that name"):
        checked([RECON, RECON], VIEWS)


def test_an_extension_declares_gates_of_its_own() -> None:
    watched = Watch("quote_success_rate", "{} are taken", without="{} are taken, of none")
    quotes = Gate("quotes", "Whether quotes are taken.", "nothing", "studio_ops", ("city",), (watched,))
    found = with_extensions(OWN, [Extension("acme", "1", (), (), gates=(quotes,))], VIEWS)
    assert found["quotes"] is quotes
    wrong: list[tuple[Any, str]] = [
        (replace(quotes, view="none"), "acme: gate quotes: there is no view none"),
        (replace(PAYOUT_BACKLOG), "acme: gate payout_backlog: there is one of that name"),
    ]
    for gate, said in wrong:
        with pytest.raises(ExtensionError, match=said):
            with_extensions(OWN, [Extension("acme", "1", (), (), gates=(gate,))], VIEWS)
