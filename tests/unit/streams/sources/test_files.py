"""Reading files line by line, plain and packed, and what is said of one that cannot be read."""

from __future__ import annotations

import gzip
import io
import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from streams.sources.files import InputFile
from streams.sources.ndjson import Ndjson
from streams.sources.record import SourceError

LINES = b'{"a":1}\r\n\n  \nlast'
NUMBERED = [(1, b'{"a":1}'), (3, b"  "), (4, b"last")]


def lines(file: InputFile) -> Iterator[tuple[int, bytes]]:
    """Line numbers and lines without their ends."""
    return ((number, line) for number, line in pieces(file) if line)


def pieces(file: InputFile) -> Iterator[tuple[int, bytes]]:
    for text in file.texts():
        for number, line in enumerate(text.lines(), 1):
            yield number, line.rstrip(b"\r\n")


@pytest.mark.parametrize("name", ["events.ndjson", "events.ndjson.gz", "misnamed.txt"])
def test_lines_come_with_their_numbers_plain_or_packed(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    path.write_bytes(LINES if name.endswith("ndjson") else gzip.compress(LINES))
    assert list(lines(InputFile(str(path)))) == NUMBERED


def test_a_replayed_line_loses_its_kafka_and_nothing_else(tmp_path: Path) -> None:
    path = tmp_path / "bronze.ndjson"
    path.write_bytes(b'{"payload":{"user_id":"u"} ,"a":1.0,"_kafka":{"offset":7}}\n{"_kafka":1\n')
    records = list(Ndjson(InputFile(str(path)), force=True).records())
    assert [record.value for record in records] == [b'{"payload":{"user_id":"u"} ,"a":1.0}', b'{"_kafka":1']
    assert records[0].key == b"u"


def test_an_empty_file_has_no_lines(tmp_path: Path) -> None:
    path = tmp_path / "empty"
    path.touch()
    assert list(lines(InputFile(str(path)))) == []


def test_the_fraction_read_grows_to_one(tmp_path: Path) -> None:
    path = tmp_path / "events"
    path.write_bytes(b"x" * 99 + b"\n" + b"y" * 4_000_000)
    file = InputFile(str(path))
    fractions = [file.fraction or 0.0 for _ in lines(file)]
    assert 0 < fractions[0] < 1
    assert fractions == sorted(fractions)
    assert fractions[-1] == 1.0


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (gzip.compress(os.urandom(9_000))[:4_000], "the gzip data is damaged"),
        (b"\x1f\x8bnot gzip", "line 1: the gzip data is damaged"),
    ],
)
def test_damaged_gzip_is_said_with_name_and_line(tmp_path: Path, content: bytes, said: str) -> None:
    path = tmp_path / "events.gz"
    path.write_bytes(content)
    with pytest.raises(SourceError, match=r"events\.gz") as caught:
        list(lines(InputFile(str(path))))
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)


def test_what_cannot_be_opened_is_said_with_its_name(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match=r"none: cannot be opened \(No such file or directory\)"):
        list(lines(InputFile(str(tmp_path / "none"))))
    with pytest.raises(SourceError, match=r"cannot be opened \(Is a directory\)"):
        list(lines(InputFile(str(tmp_path))))


def test_standard_input_can_be_read_twice_if_it_is_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "piped"
    path.write_bytes(gzip.compress(LINES))
    with path.open() as piped:
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BufferedReader(piped.buffer.raw)))  # type: ignore[attr-defined]
        file = InputFile("-", keep=True)
        assert list(lines(file)) == NUMBERED
        assert list(lines(file)) == NUMBERED
        file.close()


def test_what_cannot_be_opened_is_told_and_a_pipe_is_left_alone(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    for name in ("-", str(pipe)):  # opening a pipe would wait for its writer
        InputFile(name).check()
    for path in (tmp_path, tmp_path / "none"):
        with pytest.raises(SourceError, match="cannot be opened"):
            InputFile(str(path)).check()
