"""Files that hold no events, told for what they are before anything of them is sent."""

from __future__ import annotations

import bz2
import gzip
import io
import json
import zipfile
from pathlib import Path

import pytest

from streams.sources.looked_at import LOOK_AT
from streams.sources.online_retail_csv import HEADER
from streams.sources.record import NotEventsError
from tests.support.input_files import GOOD, event, lines, source, zipped

NOT_EVENTS = {
    "CSV with the columns name, age:": b"name;age\nJohn;3\nAnn;4\n",
    "CSV with 2 columns:": b"John Smith,3\nAnn,4\n",
    "--format online-retail": b"Invoice,StockCode,Description,Quantity,InvoiceDate,Price,CustomerID,Country",
    " with --format online-retail": b"\r".join([",".join(HEADER).encode(), b"1"]),
    "encoded a second time, as text (jq": lines([json.dumps(event(1, x="hidden"))] * 3).encode(),
    "other text before them, as in a log": b"INFO " + lines([event(1, x="hidden")]).encode(),
    "packed a second time: unpack it first": gzip.compress(bz2.compress(b"hidden")),
    "Stripe webhook events:": json.dumps({"object": "event", "type": "a.b", "data": {}}, indent=2).encode(),
    "CloudEvents:": b'{"specversion":"1.0","type":"a","source":"/b","id":"1","data":{}}\n',
    "without an envelope's members (it has a, secret name)": b'{"a":"hidden","secret name":"hidden"}\n',
    "without an envelope's members:": b'{"ann@example.com":1}',
    "binary data": bytes(range(256)),
    "XML or HTML": b"<html></html>",
    "lines of text": b"[2026-01-01 10:00:00] INFO hidden\n",
    "damaged JSON": b'{"event_id":"hidden","event":\n',
    "JSON values that are no objects": b"1\n2\n",
    "an Excel workbook": zipped(b"").replace(b"folder/0.json", b"xl/0.jsonxml!"),
    "a tar archive": b"a".ljust(257, b"\0") + b"ustar".ljust(255, b"\0"),
    "a Parquet file": b"PAR1hidden",
}  # fmt: skip


@pytest.mark.parametrize("said", [key for key in NOT_EVENTS if key != "an Excel workbook"])
@pytest.mark.parametrize("encoding", ["as it is", "utf-16"])
def test_a_file_without_an_event_is_told_for_what_it_is(tmp_path: Path, said: str, encoding: str) -> None:
    data = NOT_EVENTS[said]
    if encoding == "utf-16":
        if not data.isascii() or b"\0" in data or data.startswith(b"PAR1"):
            pytest.skip("no text")
        data = data.decode().encode("utf-16")
    with pytest.raises(NotEventsError) as caught:
        source(tmp_path, data).check()
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)
    assert "hidden" not in str(caught.value)


@pytest.mark.parametrize("wrapped", [False, True])
def test_a_workbook_is_named_and_how_to_convert_it(tmp_path: Path, wrapped: bool) -> None:
    workbook = io.BytesIO()
    with zipfile.ZipFile(workbook, "w") as archive:
        archive.writestr("[Content_Types].xml", "<Types/>")
        archive.writestr("xl/workbook.xml", "<workbook/>")
    data = workbook.getvalue()
    if wrapped:  # as UCI ships it
        outer = io.BytesIO()
        with zipfile.ZipFile(outer, "w") as archive:
            archive.writestr("Online Retail.xlsx", data)
        data = outer.getvalue()
    with pytest.raises(NotEventsError, match="it is an Excel workbook: save it as CSV"):
        source(tmp_path, data).check()


def test_one_event_among_the_first_lines_is_enough_and_force_needs_none(tmp_path: Path) -> None:
    text = b"x\n" * (LOOK_AT - 1) + GOOD + b"y\n" * 5
    assert len(list(source(tmp_path, text).records())) == LOOK_AT + 5
    with pytest.raises(NotEventsError):
        list(source(tmp_path, b"x\n" + text).records())
    assert len(list(source(tmp_path, b"x\n" + text, force=True).records())) == LOOK_AT + 6


def test_each_member_of_an_archive_is_looked_at(tmp_path: Path) -> None:
    short, long = b"read\nme\n", b"a,b\n" * LOOK_AT
    right: list[tuple[bytes, ...]] = [(short, GOOD), (GOOD, short), (short, b"", GOOD, b"", GOOD)]
    for members in right:
        lines_there = b"".join(members).count(b"\n")
        assert len(list(source(tmp_path, zipped(*members)).records())) == lines_there
    wrong: list[tuple[bytes, ...]] = [
        (GOOD, long), (GOOD, short, long), (long, GOOD), (short,) * 10 + (GOOD,), (short,),
    ]  # fmt: skip
    for members in wrong:
        data = zipped(*members)
        with pytest.raises(NotEventsError, match="it looks like"):
            source(tmp_path, data).check()
        source(tmp_path, data, force=True).check()
        assert list(source(tmp_path, data, force=True).records())
    with pytest.raises(NotEventsError, match=r"events: folder/1\.json: it looks like CSV"):
        source(tmp_path, zipped(GOOD, long)).check()
