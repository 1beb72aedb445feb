"""Events in every layout, encoding and packing that files come in: the same events, whole and in order."""

from __future__ import annotations

import bz2
import gzip
import io
import json
import lzma
import sys
import tracemalloc
from collections.abc import Callable
from pathlib import Path
from typing import Any
from unittest import mock

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.sources import documents as documents_module
from streams.sources import files as files_module
from streams.sources.documents import Tally, documents
from streams.sources.files import InputFile, Text
from streams.sources.ndjson import Ndjson
from streams.sources.record import Record, SourceError
from tests.support.examples import examples
from tests.support.input_files import GOOD, event, lines, source, zipped

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd


def parts(events: list[Any], size: int) -> list[list[Any]]:
    return [events[at : at + size] for at in range(0, len(events), size)]


LAYOUTS: dict[str, Callable[[list[Any]], str]] = {
    "lines": lines,
    "no last line end": lambda events: lines(events).rstrip("\n"),
    "CRLF": lambda events: lines(events).replace("\n", "\r\n"),
    "CR": lambda events: lines(events).replace("\n", "\r"),
    "empty lines": lambda events: lines(events).replace("\n", "\n\n \n"),
    "in a row": lambda events: lines(events).replace("\n", ""),
    "several a line": lambda events: "\n".join(lines(part).replace("\n", " ") for part in parts(events, 3)),
    "array": json.dumps,
    "array of lines": lambda events: "[\n" + lines(events).rstrip("\n").replace("\n", ",\n") + "\n]\n",
    "pretty array": lambda events: json.dumps(events, indent=2),
    "an array a line": lambda events: lines(parts(events, 2)),
    "pretty": lambda events: "\n".join(json.dumps(each, indent=4) for each in events),
    "pretty in a row": lambda events: "".join(json.dumps(each, indent="\t") for each in events),
    "text sequence": lambda events: "".join(f"\x1e{json.dumps(each)}\n" for each in events),
    "joined files": lambda events: "\ufeff".join(
        (lines(events[:3]), json.dumps(events[3:5], indent=1), lines(events[5:]))
    ),
}  # fmt: skip
ENCODINGS: dict[str, Callable[[str], bytes]] = {
    "utf-8": str.encode,
    "utf-8 marked": lambda text: text.encode("utf-8-sig"),
    "utf-16 marked": lambda text: text.encode("utf-16"),
    "utf-16-le": lambda text: text.encode("utf-16-le"),
    "utf-16-be": lambda text: text.encode("utf-16-be"),
    "utf-16-be marked": lambda text: b"\xfe\xff" + text.encode("utf-16-be"),
    "utf-32 marked": lambda text: text.encode("utf-32"),
    "utf-32-le": lambda text: text.encode("utf-32-le"),
}
PACKINGS: dict[str, Callable[[bytes], bytes]] = {
    "plain": bytes,
    "gzip": gzip.compress,
    "gzip of two members": lambda data: gzip.compress(data[:99]) + gzip.compress(data[99:]),
    "bzip2": bz2.compress,
    "bzip2 of two streams": lambda data: bz2.compress(data[:99]) + bz2.compress(data[99:]),
    "xz": lzma.compress,
    "zstd": zstd.compress,
    "zstd of two frames": lambda data: zstd.compress(data[:99]) + zstd.compress(data[99:]),
    "zstd behind a skippable frame": lambda data: b"\x50\x2a\x4d\x18\x02\0\0\0hi" + zstd.compress(data),
    "zip": zipped,
}


def records_of(data: bytes, tally: Tally | None = None) -> list[Record]:
    return list(documents(Text("it", io.BufferedReader(io.BytesIO(data))), tally or Tally()))


def values(records: list[Record]) -> list[Any]:
    return [json.loads(record.value or b"") for record in records]


@pytest.mark.parametrize("encoding", ENCODINGS)
@pytest.mark.parametrize("layout", LAYOUTS)
def test_the_same_events_come_out_of_every_packing(tmp_path: Path, layout: str, encoding: str) -> None:
    events = [event(number) for number in range(10)]
    data = ENCODINGS[encoding](LAYOUTS[layout](events))
    for name, packed in PACKINGS.items():
        found = source(tmp_path, packed(data))
        list(found.records())
        records = list(found.records())  # it can be read again
        assert values(records) == events, name
        assert [record.key for record in records] == [f"b{number}".encode() for number in range(10)]
        assert found.tally == Tally()
        assert not any(b"\n" in (record.value or b"") for record in records)


@pytest.mark.parametrize("piece_bytes", [7, 64, 300, 1000])
@pytest.mark.parametrize("layout", LAYOUTS)
def test_where_a_piece_ends_changes_nothing(
    monkeypatch: pytest.MonkeyPatch, layout: str, piece_bytes: int
) -> None:
    monkeypatch.setattr(files_module, "PIECE_BYTES", piece_bytes)
    monkeypatch.setattr(documents_module, "PIECE_BYTES", piece_bytes)
    events = [
        event(number, covariate=-1.5e-7, flag=True, none=None, list=[1, '\\\u00e9"']) for number in range(10)
    ]
    assert values(records_of(LAYOUTS[layout](events).encode())) == events


@given(st.lists(st.tuples(st.sampled_from([*LAYOUTS]), st.integers(1, 4)), max_size=6))
def test_layouts_in_a_row_are_read_one_after_the_other(parts: list[tuple[str, int]]) -> None:
    events = [[event(10 * part + number) for number in range(count)] for part, (_, count) in enumerate(parts)]
    text = "\n".join(LAYOUTS[layout](each) for (layout, _), each in zip(parts, events, strict=True))
    assert values(records_of(text.encode())) == [each for part in events for each in part]


BROKEN = st.one_of(
    st.binary(max_size=30).map(lambda data: data.replace(b"\n", b" ")),
    st.text(alphabet='[]{},:"\\ 1a-\t\r\ufeff', max_size=12).map(str.encode),
    st.integers(0, len(GOOD) - 2).map(lambda at: GOOD[:at]),
    st.integers(1, len(GOOD) - 2).map(lambda at: GOOD[at:-1]),
)


@examples(500)
@given(st.lists(st.one_of(st.integers(0, 9), BROKEN), max_size=12), st.sampled_from([1 << 20, 400]))
def test_no_bad_line_takes_a_good_one_along(parts: list[int | bytes], piece_bytes: int) -> None:
    data = b"\n".join(lines([event(each)]).encode()[:-1] if isinstance(each, int) else each for each in parts)
    with (
        mock.patch.object(files_module, "PIECE_BYTES", piece_bytes),
        mock.patch.object(documents_module, "PIECE_BYTES", piece_bytes),
    ):
        found = [record.value for record in records_of(data)]
    good = [lines([event(each)]).encode()[:-1] for each in parts if isinstance(each, int)]
    assert [value for value in found if value in good] == good
    assert len(b"".join(value or b"" for value in found)) <= len(data)  # and nothing twice


@pytest.mark.parametrize("bad", [
    b"not json", b'{"event_id":', b'{"event_id":"cut', b'{"a":\xff}', b'{"a":1} and more', b"{'a':1}",
    b"[1,2", b"]",
    b"1,2,3", b"12 34", b"[2026-01-01] INFO started", b'{"a":1},', b"{" * 2_000, b"[" * 2_000, b'"text"',
    b"null", b"1" * 5_000,
    b'{"a":NaN', b"\x00\x01", b"{}}", b"  x",
])  # fmt: skip
@pytest.mark.parametrize("repeated", [1, 3])
def test_a_bad_line_goes_on_as_it_is_and_takes_no_other_along(bad: bytes, repeated: int) -> None:
    tally = Tally()
    found = records_of(GOOD + (bad + b"\n") * repeated + GOOD + bad, tally)
    assert [record.value for record in found] == [GOOD[:-1], *[bad] * repeated, GOOD[:-1], bad]
    assert tally == Tally(not_objects=repeated + 1)
    assert [record.line for record in found] == [*range(1, repeated + 4)]


def test_in_an_array_a_bad_element_takes_no_other_along() -> None:
    first, second = (json.dumps(event(number)) for number in (1, 2))
    tally = Tally()
    found = records_of(f"[\n{first},\nbroken}},\n17,\n{second}\n]\n{first}\n".encode(), tally)
    assert [record.value for record in found] == [
        first.encode(), b"broken},", b"17", second.encode(), first.encode(),
    ]  # fmt: skip
    assert tally == Tally(not_objects=2)
    assert [record.line for record in found] == [2, 3, 4, 5, 7]


def test_a_value_that_the_files_end_cuts_is_one_bad_record() -> None:
    text = json.dumps(event(2), indent=2).encode()
    tally = Tally()
    found = records_of(GOOD + text[:-3], tally)
    assert [record.value for record in found] == [GOOD[:-1], text[:-3].rstrip()]
    assert tally == Tally(not_objects=1)


def test_numbers_of_any_size_stay_as_they_were_written() -> None:
    text = b'{"event_id":"e","event":"x","payload":{},\n"n":' + b"9" * 5_000 + b',"f":1e999}'
    (record,) = records_of(text)
    assert record.value == text.replace(b"\n", b"")


def test_objects_without_an_envelope_are_counted() -> None:
    tally = Tally()
    records_of(
        b'{"a":1}\n{"event_id":"e","event":"x","version":1}\n{"payload":{"booking_id":"b"}}\n[]\n7\n', tally
    )
    assert tally == Tally(not_objects=1, not_envelopes=2)


def test_memory_is_bounded_by_a_value(tmp_path: Path) -> None:
    path = tmp_path / "array.json"
    one = json.dumps(event(1)).encode()
    with gzip.open(path, "wb", compresslevel=1) as out:
        out.write(b"[" + one)
        for _ in range(60):
            out.write((b"," + one) * 1_000)
        out.write(b"]")
    tracemalloc.start()
    try:
        assert sum(1 for _ in Ndjson(InputFile(str(path))).records()) == 60_001  # of 11 MB, on one line
        assert tracemalloc.get_traced_memory()[1] < 10_000_000
    finally:
        tracemalloc.stop()


def test_a_value_without_an_end_is_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(documents_module, "MAX_VALUE_BYTES", 1 << 20)
    for text in (b'{"events":[' + b"1," * 2_000_000, b"x" * 4_000_000):
        with pytest.raises(SourceError, match=r"events, line 2: a JSON value or line of more than 1 MiB"):
            list(source(tmp_path, GOOD + text).records())


def test_every_text_of_an_archive_has_its_own_encoding_and_name(tmp_path: Path) -> None:
    found = source(tmp_path, zipped(GOOD, GOOD.decode().encode("utf-16"), b"\xef\xbb\xbf" + GOOD))
    assert values(list(found.records())) == [event(1)] * 3
    cut = source(tmp_path, zipped(GOOD, GOOD.decode().encode("utf-16")[:-1]))
    with pytest.raises(SourceError, match=r"events: folder/1\.json, line \d: is no text in UTF-16"):
        list(cut.records())


@pytest.mark.parametrize("packing", [name for name in PACKINGS if name not in ("plain", "zip")])
def test_a_cut_or_damaged_archive_is_named_with_its_kind(tmp_path: Path, packing: str) -> None:
    text = lines([event(number, noise=hash((number, "x"))) for number in range(3_000)]).encode()
    data, kind = PACKINGS[packing](text), packing.split(maxsplit=1)[0]
    for broken in (
        data[: len(data) // 2],
        data[: len(data) // 2] + b"\0\1\2\3" * 9 + data[len(data) // 2 + 36 :],
    ):
        with pytest.raises(SourceError, match=rf"line \d+: the {kind} data is damaged"):
            list(source(tmp_path, broken).records())


def test_a_damaged_or_locked_zip_is_named(tmp_path: Path) -> None:
    whole = zipped(lines([event(number) for number in range(2_000)]).encode())
    locked = bytearray(whole)
    for mark, flags in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        at = whole.rindex(mark)
        locked[at + flags] |= 1
    for data in (whole[:500], whole[:4_000] + bytes(99) + whole[4_099:]):
        with pytest.raises(SourceError, match=r"the zip data is damaged|folder/0\.json"):
            list(source(tmp_path, data).records())
    with pytest.raises(SourceError, match=r"folder/0\.json: it is encrypted: unpack the archive"):
        list(source(tmp_path, bytes(locked)).records())
