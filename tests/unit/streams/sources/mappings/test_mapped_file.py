"""Files of foreign values as sources: what is yielded, counted and refused."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

import pytest

from schemas.validation.validator import Validator
from streams.sources.files import InputFile
from streams.sources.looked_at import LOOK_AT
from streams.sources.mappings.csv_rows import Delimiter
from streams.sources.mappings.declared.load import load
from streams.sources.mappings.examples.stripe import STRIPE
from streams.sources.mappings.mapped_file import MappedFile
from streams.sources.mappings.mapping import OTHER_KIND, Refused
from streams.sources.mappings.stripe.mapping import Stripe
from streams.sources.mappings.tally import MOST_KINDS, MappingTally
from streams.sources.record import NotEventsError, SourceError
from tests.support.input_files import zipped
from tests.support.paths import ROOT

GIVEN = {example.title: example.given for example in STRIPE}
CHARGE, CUSTOMER, NOBODY = GIVEN["a charge"], GIVEN["a customer"], GIVEN["a payout to nobody"]
FEES = """\
input: csv
event: fee.assessed
event_id: {template: "fee:{id}"}
occurred_at: at
payload:
  fee_id: id
  kind: {const: platform}
  amount_minor: {minor: {amount: '"a b"', currency: c}}
  currency: c
"""
HEADER, ROW = "id,at,a b,c", "1,2026-03-01T12:00:00Z,1.50,EUR"


def stripe_file(tmp_path: Path, data: bytes, *, force: bool = False) -> MappedFile:
    path = tmp_path / "webhooks"
    path.write_bytes(data)
    return MappedFile(InputFile(str(path)), Stripe(), Validator(), force=force)


def csv_file(tmp_path: Path, data: str, encoding: str = "utf-8", delimiter: str | None = None) -> MappedFile:
    (tmp_path / "fees.yaml").write_text(FEES)
    path = tmp_path / "fees.csv"
    path.write_bytes(data.encode(encoding))
    mapping = load(tmp_path / "fees.yaml")
    return MappedFile(InputFile(str(path)), mapping, Validator(), delimiter=Delimiter(delimiter))


def ids(source: MappedFile) -> list[str]:
    return [json.loads(record.value or b"")["event_id"] for record in source.records()]


def test_values_are_events_refused_or_not_for_us_and_all_are_counted(tmp_path: Path) -> None:
    lines = [json.dumps(one) for one in (CUSTOMER, CHARGE, NOBODY, NOBODY, CUSTOMER)]
    source = stripe_file(tmp_path, "\n".join([*lines, "no json"]).encode())
    source.check()
    records = list(source.records())
    assert [(record.line, record.key) for record in records] == [(2, b"b-7")]
    report = source.tally.report()
    assert (report["mapped"], report["not_for_us"]) == (1, {"customer.created": 2})
    told = [(one["reason"], one["count"], one["first"].rpartition(", ")[2]) for one in report["refused"]]
    assert told == [("field", 2, "line 3"), ("not_json", 1, "line 6")]
    assert list(source.records()) == records  # a second reading counts anew
    assert source.tally.report() == report


@pytest.mark.parametrize(
    "packed",
    [
        lambda text: text.encode("utf-16"),
        lambda text: gzip.compress(text.encode()),
        lambda text: zipped(text.encode()),
        lambda text: json.dumps(json.loads(text), indent=2).encode(),
        lambda text: f"[{text},{text}]".encode(),
        lambda text: json.dumps({"object": "list", "data": [json.loads(text)]}, indent=1).encode(),
    ],
)
def test_files_come_as_those_of_envelopes_do(tmp_path: Path, packed: Any) -> None:
    assert set(ids(stripe_file(tmp_path, packed(json.dumps(CHARGE))))) == {"ch_1:charge.succeeded"}


def test_a_file_of_another_format_is_not_sent(tmp_path: Path) -> None:
    cloud = b'{"specversion":"1.0","type":"a","source":"/b","id":"hidden","data":{}}\n'
    with pytest.raises(NotEventsError, match="CloudEvents: replay it with --format cloudevents") as error:
        stripe_file(tmp_path, cloud).check()
    assert "hidden" not in str(error.value)
    forced = stripe_file(tmp_path, cloud + json.dumps(CHARGE).encode(), force=True)
    assert ids(forced) == ["ch_1:charge.succeeded"]
    late = stripe_file(tmp_path, cloud * (LOOK_AT - 1) + json.dumps(CHARGE).encode())
    late.check()
    assert ids(late) == ["ch_1:charge.succeeded"]


def test_csv_is_read_by_its_header(tmp_path: Path) -> None:
    text = f'{HEADER}\n{ROW}\n\n"2","2026-03-01T12:00:00Z","3","EUR"\n3,x,1,EUR\n'
    source = csv_file(tmp_path, text)
    assert ids(source) == ["fee:1", "fee:2"]
    assert [cause.first.rpartition(", ")[2] for cause in source.tally.refused.values()] == ["line 5"]
    for character in ";\t|":
        other = f"{HEADER}\n{ROW}\n".replace(",", character)
        assert ids(csv_file(tmp_path, other, "utf-16")) == ["fee:1"]
        assert ids(csv_file(tmp_path, other, delimiter=character)) == ["fee:1"]
    assert ids(csv_file(tmp_path, f'{HEADER}\n"1\n2",2026-03-01T12:00:00Z,1,EUR\n{ROW}\n')) == ["fee:1"]
    assert ids(csv_file(tmp_path, f"\ufeff{HEADER}\r\n{ROW}\r\n")) == ["fee:1"]
    assert ids(csv_file(tmp_path, "")) == []


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (f"{HEADER}\n{ROW}\n1,2\n", "line 3: has 2 columns, and the header 4"),
        (f'{HEADER}\n{ROW}\n"1"x,2,3,4\n', "line 3: is no CSV"),
        ("a,b,a\n1,2,3\n", "line 1: the header has the column 'a' twice"),
        ("a,,b\n1,2,3\n", "line 1: the header has a column without a name"),
        (f'{HEADER}\n"{"x" * (2 << 20)}",1,2,3\n', "is no CSV"),
    ],
)
def test_what_is_no_csv_is_told_with_its_line(tmp_path: Path, text: str, said: str) -> None:
    with pytest.raises(SourceError, match=said):
        list(csv_file(tmp_path, text).records())


def test_counts_are_bounded() -> None:
    tally, other = MappingTally(), MappingTally()
    for number in range(3 * MOST_KINDS):
        tally.add_not_for_us(f"k{number}")
        tally.add_refused(Refused("C", "r", f"f{number}", "d"), "here")
        other.add_not_for_us(f"o{number}", 2)
        other.add_refused(Refused("C", "r", f"o{number}", "d"), "there", 2)
    tally.add(other)
    assert sum(tally.not_for_us.values()) == tally.refusals == 9 * MOST_KINDS
    assert len(tally.not_for_us) == len(tally.refused) == MOST_KINDS + 1
    assert tally.not_for_us[OTHER_KIND] == 8 * MOST_KINDS


def test_the_mapping_file_of_the_documentation_does_what_it_says(tmp_path: Path) -> None:
    page = (ROOT / "docs/sources.md").read_text("utf-8")
    path = tmp_path / "orders.yaml"
    path.write_text(page.partition("```yaml\n")[2].partition("```")[0], encoding="utf-8")
    mapping = load(path)
    assert len(mapping.examples) == 2
    assert mapping.wrong_examples(Validator()) == []
