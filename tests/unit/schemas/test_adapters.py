"""Adapters: how they are run, and what is said of those that are declared wrong."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from schemas.adapters import AdapterError, payload_by
from schemas.catalogue import OWN
from schemas.problems import problems_of_adapters
from schemas.spec import Adapter, EventSpec

PAID = OWN["payout.paid"]
AFTER = PAID.examples[0]
BEFORE = {name: value for name, value in AFTER.items() if name != "amount_minor"} | {"amount": 12.5}


def minor(event: dict[str, Any]) -> dict[str, Any]:
    payload = event["payload"]
    rest = {name: value for name, value in payload.items() if name != "amount"}
    return {**rest, "amount_minor": round(payload["amount"] * 100)}


def adapter(of: int = 2, to: int = 1, **changed: Any) -> Adapter:
    given: dict[str, Any] = {"adapt": minor, "examples": ((BEFORE, {**AFTER, "amount_minor": 1250}),)}
    return Adapter(of=of, to=to, **{**given, **changed})


def spec(*adapters: Adapter, version: int = 1) -> EventSpec:
    return replace(PAID, adapters=adapters, version=version)


def found(*adapters: Adapter, version: int = 1) -> list[str]:
    return [*problems_of_adapters(spec(*adapters, version=version))]


def same(event: dict[str, Any]) -> Any:
    return event["payload"]


def test_they_are_chained_to_the_declared_version() -> None:
    first, second = adapter(1, 2), adapter(2, 4, adapt=same)
    declared = spec(first, second, adapter(3, 5), version=4)
    assert declared.chain(1) == (first, second)
    assert declared.chain(2) == (second,)
    assert declared.chain(3) == declared.chain(4) == declared.chain(9) == ()
    assert declared.adapted_from == (1, 2)
    event = {"event_id": "e", "version": 1, "payload": BEFORE}
    assert json.loads(payload_by(declared.chain(1), event)) == {**AFTER, "amount_minor": 1250}


def test_each_is_given_the_event_in_its_own_version() -> None:
    seen = []

    def look(event: dict[str, Any]) -> dict[str, Any]:
        seen.append((event["version"], event["payload"], event["city"]))
        return {"n": event["payload"]["n"] + 1}

    steps = [adapter(1, 2, adapt=look), adapter(2, 7, adapt=look), adapter(7, 3, adapt=look)]
    assert payload_by(steps, {"version": 1, "city": "oslo", "payload": {"n": 0}}) == b'{"n":3}'
    assert seen == [(1, {"n": 0}, "oslo"), (2, {"n": 1}, "oslo"), (7, {"n": 2}, "oslo")]


def test_a_circle_leads_nowhere() -> None:
    declared = spec(adapter(2, 3), adapter(3, 2))
    assert declared.chain(2) == ()
    assert declared.adapted_from == ()


def leave(_: dict[str, Any]) -> Any:
    raise SystemExit(3)


@pytest.mark.parametrize(
    ("adapt", "said"),
    [
        (lambda event: event["payload"]["secret"], "failed: KeyError"),
        (lambda event: {"at": float("nan"), **event["payload"]}, "failed: ValueError"),
        (lambda _: {"at": {1, 2}}, "failed: TypeError"),
        (lambda _: None, "returned a NoneType, which is no payload"),
        (lambda event: [event["payload"]], "returned a list, which is no payload"),
        (leave, "failed: SystemExit"),
    ],
)
def test_what_is_no_payload_is_an_error_without_values(adapt: Any, said: str) -> None:
    with pytest.raises(AdapterError) as error:
        payload_by([adapter(adapt=adapt)], {"payload": {"name": "Ada"}})
    assert str(error.value) == f"the adapter from version 2 to 1 {said}"


def test_good_ones_have_no_problems() -> None:
    assert found(adapter()) == []
    chained = adapter(3, 2, adapt=same, examples=((BEFORE, BEFORE),))
    assert found(adapter(), chained) == []


@pytest.mark.parametrize(
    ("adapters", "said"),
    [
        ((adapter(), adapter()), "it has 2 adapters of version 2: leave one"),
        ((adapter(1, 2),), "its adapter of version 1 adapts the declared version"),
        ((adapter(2, 3),), "its adapter of version 2 leads to version 3, from where none leads to 1"),
        ((adapter(examples=()),), "its adapter of version 2 has no examples"),
        ((adapter(examples=(({}, AFTER),)),), "example 1: the adapter from version 2 to 1 failed: KeyError"),
        (
            (adapter(examples=((BEFORE, AFTER),)),),
            "example 1 becomes another payload than it says, in amount_minor",
        ),
        (
            (adapter(adapt=same, examples=((BEFORE, BEFORE),)),),
            "example 1 becomes a payload that is refused for amount_minor",
        ),
    ],
)
def test_what_is_declared_wrong_is_named(adapters: tuple[Adapter, ...], said: str) -> None:
    assert any(said in line for line in found(*adapters)), found(*adapters)
