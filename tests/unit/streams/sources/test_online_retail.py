"""The Online Retail set as events: exact sums, the rules for lines, what is said of bad rows."""

from __future__ import annotations

import itertools
import json
import os
import zipfile
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest

from streams.sources import files, online_retail_csv
from streams.sources.files import InputFile
from streams.sources.fixture import FIXTURE, derive
from streams.sources.online_retail import OnlineRetail, read_invoices
from streams.sources.online_retail_csv import HEADER
from streams.sources.record import SourceError
from streams.sources.slugs import slug

AT = "2011-08-24 10:00:00"


def csv_file(tmp_path: Path, *lines: str, header: str = ",".join(HEADER)) -> InputFile:
    path = tmp_path / "retail.csv"
    path.write_text("\n".join([header, *lines, ""]), encoding="utf-8")
    return InputFile(str(path))


def line(
    invoice: str, quantity: str, price: str, stock_code: str = "85123A", at: str = AT, **more: str
) -> str:
    country, customer = more.get("country", "United Kingdom"), more.get("customer", "")
    return f'{invoice},{stock_code},"A ""nice"", thing",{quantity},{at},{price},{customer},{country}'


def events(file: InputFile) -> list[dict[str, Any]]:
    return [json.loads(record.value or b"") for record in OnlineRetail(file).records()]


def totals(found: Iterable[dict[str, Any]]) -> dict[str, tuple[int, int]]:
    """{event: (how many, sum of amount_minor)}."""
    count: Counter[str] = Counter()
    amount: Counter[str] = Counter()
    for event in found:
        count[event["event"]] += 1
        amount[event["event"]] += event["payload"]["amount_minor"]
    return {name: (count[name], amount[name]) for name in count}


def test_an_invoice_becomes_one_event_of_each_kind_at_its_last_line(tmp_path: Path) -> None:
    found = events(csv_file(
        tmp_path,
        line("1", "6", "2.55", customer="17850.0"),
        line("1", "3", "0.005", at="2011-08-24 10:01:00"),
        line("1", "5", "0"),
        line("1", "-2", "1.10"),
        line("1", "-1", "100.5", "AMAZONFEE"),
        line("1", "-1", "7", "BANK CHARGES"),
        line("1", "1", "3", "AMAZONFEE"),
    ))  # fmt: skip
    assert [(e["event"], e["payload"]["amount_minor"], e["payload"].get("kind")) for e in found] == [
        ("booking.confirmed", 1832, None),  # 15.30 + 0.015 + 3.00, half to even
        ("charge.succeeded", 1832, None),
        ("refund.succeeded", 220, None),
        ("fee.assessed", 10050, "platform"),
        ("fee.assessed", 700, "processing"),
    ]
    assert {e["occurred_at"] for e in found} == {"2011-08-24T10:01:00Z"}
    assert {e["city"] for e in found} == {"united-kingdom"}
    assert found[0]["payload"]["user_id"] == "customer-17850"
    assert len({e["event_id"] for e in found}) == len(found)


def test_events_come_in_time_order_even_if_an_invoice_comes_back(tmp_path: Path) -> None:
    late = line("1", "1", "1", at="2011-08-24 10:02:00")
    file = csv_file(tmp_path, line("1", "1", "1"), line("2", "1", "1", at="2011-08-24 10:01:00"), late)
    found = events(file)
    assert [e["event_id"].split(":")[1] for e in found] == ["2", "2", "1", "1"]
    assert totals(found)["charge.succeeded"] == (2, 300)


def test_reading_again_gives_the_same_records(tmp_path: Path) -> None:
    file = csv_file(tmp_path, line("C1", "-1", "1"), line("2", "1", "1"))
    assert list(OnlineRetail(file).records()) == list(OnlineRetail(file).records())


@pytest.mark.parametrize(
    ("country", "city"),
    [
        ("United Kingdom", "united-kingdom"),
        ("EIRE", "eire"),
        ("Côte d'Ivoire", "cote-d-ivoire"),
        ("  ", None),
    ],
)
def test_a_country_becomes_a_slug(country: str, city: str | None) -> None:
    assert slug(country) == city


@pytest.mark.parametrize(
    ("bad", "said"),
    [
        (line("1", "six", "1"), "line 3, column Quantity: 'six' is not a whole number"),
        (line("1", "1", "1e5"), "line 3, column UnitPrice: '1e5' is not a decimal number"),
        (line("1", "1", "NaN"), "column UnitPrice"),
        (
            line("1", "1", "1", at="1 Dec 2010"),
            "column InvoiceDate: '1 Dec 2010' is not a time such as 2010-12-01 08:26:00 or 12/1/2010 8:26",
        ),
        (
            line("1", "1", "1", at="12/1/2010 8:26"),
            "'12/1/2010 8:26' is not a time written as those before it",
        ),
        (
            line("1", "1", '"1,5"') + "\n" + line("1", "1", "1.5"),
            "line 4, column UnitPrice: '1.5' is not a decimal number with ',' as",
        ),
        (line("a b", "1", "1"), "column InvoiceNo"),
        ("1,2,3", "line 3: 3 columns instead of 8"),
    ],
)
def test_a_bad_row_is_named_with_line_and_column(tmp_path: Path, bad: str, said: str) -> None:
    with pytest.raises(SourceError, match=r"retail\.csv") as caught:
        events(csv_file(tmp_path, line("0", "1", "1"), bad))
    assert said in str(caught.value)


@pytest.mark.parametrize("header", ["", "a,b", ",".join(reversed(HEADER)), "a\rb" * 9, "x" * 200_000])
def test_a_wrong_header_is_said(tmp_path: Path, header: str) -> None:
    with pytest.raises(SourceError, match="line 1: the header must be InvoiceNo,"):
        events(csv_file(tmp_path, header=header))


def test_a_byte_order_mark_is_no_part_of_the_header(tmp_path: Path) -> None:
    path = tmp_path / "retail.csv"
    path.write_text("\ufeff" + ",".join(HEADER) + "\n" + line("1", "1", "1") + "\n", encoding="utf-8")
    assert totals(events(InputFile(str(path))))["charge.succeeded"] == (1, 100)


@pytest.mark.parametrize("piece_bytes", [500, 1 << 20])
def test_where_a_piece_ends_takes_no_line_apart(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, piece_bytes: int
) -> None:
    for module in (files, online_retail_csv):
        monkeypatch.setattr(module, "PIECE_BYTES", piece_bytes)
    path = tmp_path / "retail.csv"
    for end, inner in itertools.product(("\r", "\r\n", "\n"), ("\r", "\n")):
        rows = [line(str(number), "1", "1").replace("A ", f"A{inner}", 1) for number in range(50)]
        path.write_bytes(end.join([",".join(HEADER), *rows, ""]).encode())
        assert totals(events(InputFile(str(path))))["charge.succeeded"] == (50, 5_000), (end, inner)


AMOUNTS = {"charge.succeeded": (2, 1833), "booking.confirmed": (2, 1833), "refund.succeeded": (1, 150)}
TIMES = (
    "2010-12-13 08:26:00", "2010-12-13T08:26:00", "2010-12-13 08:26", "12/13/2010 8:26", "12/13/2010 8:26:00",
    "12/13/10 8:26", "13.12.2010 08:26",
)  # fmt: skip
FIRST = ("536365", "6", "2.55"), ("536365", "1", "1.234"), ("536366", "1", "1.80"), ("C536379", "-1", "1.50")


@pytest.mark.parametrize("header", [
    ",".join(HEADER),
    "Invoice,StockCode,Description,Quantity,InvoiceDate,Price,Customer ID,Country",
    "invoice_no,stock_code,description,quantity,invoice_date,unit_price,customer_id,country",
    ",Invoice,StockCode,Description,Quantity,InvoiceDate,Price,Customer ID,Country",
])  # fmt: skip
@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
def test_it_is_read_as_it_is_usually_distributed(tmp_path: Path, header: str, delimiter: str) -> None:
    for at, point, encoding in itertools.product(TIMES, ".,", ("utf-8", "utf-8-sig", "latin-1", "utf-16")):
        lines = [header.replace(",", delimiter)]
        for number, (invoice, quantity, price) in enumerate(FIRST):
            description = f'"£ or ""é"", in{delimiter}one"'
            before = [str(number)] if header.startswith(",") else []
            before += [invoice, "1", description, quantity, at, f'"{price.replace(".", point)}"']
            lines.append(delimiter.join([*before, "17850.0", "United Kingdom"]))
        path = tmp_path / "retail.csv"
        end = "\r" if at == TIMES[0] else "\r\n"  # a spreadsheet's "CSV (Macintosh)"
        path.write_bytes(end.join([*lines, ""]).encode(encoding))
        found = events(InputFile(str(path)))
        assert totals(found) == AMOUNTS, (at, point, encoding)
        assert {event["occurred_at"] for event in found} == {"2010-12-13T08:26:00Z"}
        assert {event["city"] for event in found} == {"united-kingdom"}
        assert {event["payload"].get("user_id") for event in found} == {"customer-17850", None}


@pytest.mark.parametrize(
    ("lines_", "said"),
    [
        (["12/1/2010 8:26", "13/1/2010 8:26"], "'13/1/2010 8:26' is not a time that exists (month first)"),
        (["12/1/2010 8:26", "13.1.2010 8:26"], "is not a time written as those before it"),
        (["2010-12-01 08:26:00", "12/1/2010 8:26"], "is not a time written as those before it"),
        (["2010-02-30 08:26:00"], "is not a time that exists"),
    ],
)
def test_times_that_cannot_be_told_are_refused(tmp_path: Path, lines_: list[str], said: str) -> None:
    file = csv_file(tmp_path, *(line("1", "1", "1", at=at) for at in lines_))
    with pytest.raises(SourceError) as caught:
        events(file)
    assert said in str(caught.value)


def test_years_that_overlap_in_an_archive_repeat_their_ids(tmp_path: Path) -> None:
    path = tmp_path / "retail.zip"
    with zipfile.ZipFile(path, "w") as archive:
        for year in (1, 2):
            rows = [
                ",".join(HEADER),
                line("9", "1", "2"),
                line(str(year), "1", "1", at="2011-08-23 10:00:00"),
            ]
            archive.writestr(f"{year}.csv", "\n".join(rows))
    found = events(InputFile(str(path)))
    assert [event["occurred_at"] for event in found] == sorted(event["occurred_at"] for event in found)
    by_id = {event["event_id"]: event for event in found}
    assert totals(by_id.values())["charge.succeeded"] == (3, 400)


def test_the_fixture_has_its_known_totals() -> None:
    file = InputFile(str(FIXTURE))
    assert [len(read_invoices(text)) for text in file.texts()] == [250]
    assert totals(events(file)) == {
        "charge.succeeded": (197, 9_848_926),
        "booking.confirmed": (197, 9_848_926),
        "refund.succeeded": (41, 205_363),
        "fee.assessed": (4, 1_135_162),
    }


def test_the_fixture_holds_no_text_and_no_person() -> None:
    rows = [row.decode().split(",") for text in InputFile(str(FIXTURE)).texts() for row in text.lines()][1:]
    assert {(row[2], row[6]) for row in rows} == {("", "")}
    assert "10.24432/C5BW33" in FIXTURE.with_name("ATTRIBUTION.md").read_text()


@pytest.fixture
def whole_file() -> InputFile:
    """The whole data set, where `ONLINE_RETAIL_CSV` says it is."""
    path = os.environ.get("ONLINE_RETAIL_CSV")
    if not path:
        pytest.skip("ONLINE_RETAIL_CSV does not name the whole file")
    return InputFile(path)


def test_the_whole_file_has_its_known_totals(whole_file: InputFile) -> None:
    assert totals(events(whole_file)) == {
        "charge.succeeded": (19_960, 1_066_668_454),
        "booking.confirmed": (19_960, 1_066_668_454),
        "refund.succeeded": (3_781, 67_631_438),
        "fee.assessed": (57, 24_262_223),
    }


def test_the_fixture_is_what_its_command_derives(whole_file: InputFile) -> None:
    assert FIXTURE.read_bytes() == derive(whole_file)
