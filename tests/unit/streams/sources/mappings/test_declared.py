"""What mapping files make of JSON and CSV."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from schemas.validation.validator import Validator
from streams.sources.mappings.declared.load import MappingFile, load
from streams.sources.mappings.mapping import NotForUs, Refused
from streams.sources.mappings.verdicts import Accepted, verdicts

FEE = """\
source: books
event: fee.assessed
event_id: {template: "fee:{id}"}
occurred_at: at
payload:
  fee_id: id
  kind: {expr: kind, lookup: {P: platform, "7": processing}}
  amount_minor: {minor: {amount: amount, currency: currency}}
  currency: {expr: currency, upper: true}
"""
ROW = {"id": 12, "at": "2026-03-01T12:00:00Z", "kind": "P", "amount": "12.50", "currency": "eur"}


def mapping_of(tmp_path: Path, text: str, name: str = "fees") -> MappingFile:
    path = tmp_path / f"{name}.yaml"
    path.write_text(text, encoding="utf-8")
    return load(path)


def verdict_on(mapping: MappingFile, text: str) -> Any:
    (verdict,) = verdicts(mapping, [text.encode()], Validator(), -1)
    return verdict


def events_of(mapping: MappingFile, given: Any) -> list[Any]:
    verdict = verdict_on(mapping, given if isinstance(given, str) else json.dumps(given))
    assert isinstance(verdict, Accepted), verdict
    return [json.loads(event.value) for event in verdict.events]


def refused_field(mapping: MappingFile, text: str) -> str:
    verdict = verdict_on(mapping, text)
    assert isinstance(verdict, Refused), verdict
    return verdict.field


def test_an_object_is_the_event_that_is_declared(tmp_path: Path) -> None:
    assert events_of(mapping_of(tmp_path, FEE), ROW) == [
        {
            "source": "books",
            "event_id": "fee:12",
            "occurred_at": "2026-03-01T12:00:00Z",
            "event": "fee.assessed",
            "version": 1,
            "payload": {"fee_id": "12", "kind": "platform", "amount_minor": 1250, "currency": "EUR"},
        }
    ]


@pytest.mark.parametrize(
    ("amount", "currency", "minor"),
    [
        ('"12.50"', "EUR", 1250), ("12.50", "eur", 1250), ("0.07", "USD", 7), ("8.10", "USD", 810),
        ("1.15", "USD", 115), ("4503599627370496.11", "EUR", 450359962737049611), ("500", "JPY", 500),
        ("500.00", "JPY", 500), ("5.124", "KWD", 5124), ("1e3", "EUR", 100000), ('" 3 "', "EUR", 300),
        ("1.2345", "CLF", 12345),
    ],
)  # fmt: skip
def test_money_is_exact(tmp_path: Path, amount: str, currency: str, minor: int) -> None:
    text = json.dumps({**ROW, "currency": currency}).replace('"12.50"', amount)
    mapping = mapping_of(tmp_path, FEE)
    if minor > 2**53 - 1:
        assert refused_field(mapping, text) == "amount_minor"
    else:
        assert events_of(mapping, text)[0]["payload"]["amount_minor"] == minor


@pytest.mark.parametrize(
    ("amount", "currency"),
    [
        ("12.505", "EUR"), ("0.5", "JPY"), ('"12,50"', "EUR"), ('"1_0"', "EUR"), ("true", "EUR"),
        ("null", "EUR"), ("1e400", "EUR"), ("1e-400", "EUR"), ('"NaN"', "EUR"), ("[1]", "EUR"),
        ("1", "euro"), ("1", ""), ('"٣"', "EUR"),
    ],
)  # fmt: skip
def test_what_is_no_amount_is_refused(tmp_path: Path, amount: str, currency: str) -> None:
    text = json.dumps({**ROW, "currency": currency}).replace('"12.50"', amount)
    assert refused_field(mapping_of(tmp_path, FEE), text) == "payload.amount_minor"


@pytest.mark.parametrize(
    ("how", "given", "time"),
    [
        ("unix", 1772366400, "2026-03-01T12:00:00Z"),
        ("unix", "1772366400", "2026-03-01T12:00:00Z"),
        ("unix", 1772366400.25, "2026-03-01T12:00:00.250000Z"),
        ("unix_ms", 1772366400123, "2026-03-01T12:00:00.123000Z"),
        ("unix_us", 1772366400123456, "2026-03-01T12:00:00.123456Z"),
        ("unix_ns", 1772366400123456789, "2026-03-01T12:00:00.123456Z"),
        ("'%d/%m/%Y %H:%M', zone: Europe/Madrid", "01/07/2026 12:00", "2026-07-01T10:00:00Z"),
        ("'%Y-%m-%d', zone: UTC", "2026-03-01", "2026-03-01T00:00:00Z"),
        ("'%Y-%m-%d %H:%M:%S %z'", "2026-03-01 13:00:00 +0100", "2026-03-01T12:00:00Z"),
    ],
)
def test_times_of_many_forms(tmp_path: Path, how: str, given: Any, time: str) -> None:
    mapping = mapping_of(tmp_path, FEE.replace("occurred_at: at", f"occurred_at: {{expr: at, time: {how}}}"))
    assert events_of(mapping, {**ROW, "at": given})[0]["occurred_at"] == time


@pytest.mark.parametrize("given", [True, "x", [], {}, 1e30, -(10**20), "٣", "2026-03-01"])
@pytest.mark.parametrize("how", ["unix", "'%d/%m/%Y', zone: UTC"])
def test_what_is_no_time_is_refused(tmp_path: Path, how: str, given: Any) -> None:
    mapping = mapping_of(tmp_path, FEE.replace("occurred_at: at", f"occurred_at: {{expr: at, time: {how}}}"))
    assert refused_field(mapping, json.dumps({**ROW, "at": given})) == "occurred_at"


def test_a_lookup_has_a_default_or_refuses(tmp_path: Path) -> None:
    mapping = mapping_of(tmp_path, FEE)
    assert events_of(mapping, {**ROW, "kind": 7})[0]["payload"]["kind"] == "processing"
    assert refused_field(mapping, json.dumps({**ROW, "kind": "Q"})) == "payload.kind"
    with_default = mapping_of(tmp_path, FEE.replace("processing}}", "processing}, default: platform}"))
    assert events_of(with_default, {**ROW, "kind": None})[0]["payload"]["kind"] == "platform"


def test_a_hash_is_the_same_for_the_same_and_another_for_anything_else(tmp_path: Path) -> None:
    text = FEE.replace('{template: "fee:{id}"}', "{hash: [id, amount]}")
    mapping = mapping_of(tmp_path, text)

    def id_of(given: Any, by: MappingFile = mapping) -> Any:
        return events_of(by, given)[0]["event_id"]

    assert id_of(ROW) == id_of({**ROW, "kind": 7})
    assert len({id_of(ROW), id_of({**ROW, "id": 13}), id_of(ROW, mapping_of(tmp_path, text, "others"))}) == 3
    assert refused_field(mapping, json.dumps({**ROW, "id": None, "amount": None})) == "event_id"


def test_a_template_needs_all_its_parts(tmp_path: Path) -> None:
    for given in json.loads('[null, "", true, [], {}]'):
        assert refused_field(mapping_of(tmp_path, FEE), json.dumps({**ROW, "id": given})) == "event_id"


def test_several_events_and_conditions(tmp_path: Path) -> None:
    text = """\
events:
  - where: status == 'paid'
    event: booking.accepted
    event_id: {template: "{id}:accepted"}
    occurred_at: at
    payload: {booking_id: id, provider_id: {const: "12"}}
  - where: contains(['paid', 'old'], status) && age > `3`
    event: booking.expired
    event_id: {template: "{id}:expired"}
    occurred_at: at
    payload: {booking_id: id}
"""
    mapping = mapping_of(tmp_path, text, "a b")

    def names(**more: Any) -> list[str]:
        return [event["event"] for event in events_of(mapping, {"id": "x", "at": ROW["at"], **more})]

    assert names(status="paid", age=3) == ["booking.accepted"]
    assert names(status="old", age=3.5) == ["booking.expired"]
    assert names(status="paid", age=4) == ["booking.accepted", "booking.expired"]
    assert events_of(mapping, {"id": "x", "at": ROW["at"], "status": "paid"})[0]["source"] == "a-b"
    assert isinstance(verdict_on(mapping, '{"status": "new"}'), NotForUs)


def test_functions_take_exact_numbers(tmp_path: Path) -> None:
    text = FEE.replace("amount: amount", "amount: sum(parts)").replace(
        "fee_id: id", "fee_id: to_string(max(parts))"
    )
    found = events_of(mapping_of(tmp_path, text), json.dumps({**ROW, "parts": [0.1, 0.2, 3]}))
    assert found[0]["payload"]["amount_minor"] == 330


def test_what_an_expression_cannot_take_is_refused_without_showing_it(tmp_path: Path) -> None:
    mapping = mapping_of(tmp_path, FEE.replace("fee_id: id", "fee_id: join(',', id)"))
    verdict = verdict_on(mapping, json.dumps({**ROW, "id": "hidden"}))
    assert isinstance(verdict, Refused)
    assert "hidden" not in "".join(verdict)


def test_texts_of_csv_become_what_their_fields_are(tmp_path: Path) -> None:
    text = """\
input: csv
event: promo.click
event_id: id
occurred_at: at
payload: {campaign_id: campaign, session_id: session, valid: valid}
"""
    mapping = mapping_of(tmp_path, text)
    given = {"id": "1", "at": ROW["at"], "campaign": "c", "session": "s", "valid": "False"}
    assert events_of(mapping, given)[0]["payload"]["valid"] is False
    assert refused_field(mapping, json.dumps({**given, "valid": "no"})) == "valid"


def test_examples_are_run(tmp_path: Path) -> None:
    text = FEE + """\
examples:
  - in: {id: 1, at: "2026-03-01T12:00:00Z", kind: P, amount: 1.5, currency: eur}
    out: {event_id: "fee:1", payload: {fee_id: "1", kind: platform, amount_minor: 150, currency: EUR}}
  - title: wrong
    in: {id: 1, at: "2026-03-01T12:00:00Z", kind: P, amount: 1.5, currency: eur}
    out: {event_id: "fee:2"}
  - {in: {id: 1}, refused: payload.kind}
  - {in: {id: 1}, refused: payload.fee_id}
  - {in: {id: 1}, not_for_us: true}
"""  # fmt: skip
    wrong = mapping_of(tmp_path, text).wrong_examples(Validator())
    assert [line.partition(": the example")[0].rpartition(", ")[2] for line in wrong] == [
        "line 13",
        "line 17",
        "line 18",
    ]
    assert "'wrong' is otherwise in event_id of event 1" in wrong[0]
