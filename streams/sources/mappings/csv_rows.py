"""Rows of a CSV file with a header, each as a JSON object of texts: what a mapping reads is JSON alike."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from typing import NamedTuple

import msgspec

from streams.sources.files import Text
from streams.sources.record import SourceError

MAX_FIELD_CHARACTERS = 1 << 20


class Delimiter(NamedTuple):
    """What stands between the columns; None: it is told from the header."""

    character: str | None = None


CANDIDATES = ",;\t|"


def csv_values(text: Text, delimiter: Delimiter) -> Iterator[tuple[int, bytes]]:
    """(line, JSON object) of each row, by the header's names; no empty ones. Raises `SourceError`."""
    csv.field_size_limit(MAX_FIELD_CHARACTERS)
    lines = _decoded(text)
    first = next(lines, None)
    if first is None:
        return
    character = delimiter.character or max(CANDIDATES, key=first.count)
    header = _header(text, next(csv.reader([first], delimiter=character)))
    rows = csv.reader(lines, delimiter=character, strict=True)
    start = 2
    while True:
        try:
            row = next(rows, None)
        except csv.Error as error:
            raise SourceError(text.name, rows.line_num + 1, f"is no CSV ({error})") from None
        if row is None:
            return
        if row and len(row) != len(header):
            raise SourceError(
                text.name,
                start,
                f"has {len(row)} columns, and the header {len(header)}: is the delimiter right?",
            )
        if row:
            yield start, msgspec.json.encode(dict(zip(header, row, strict=True)))
        start = rows.line_num + 2


def _decoded(text: Text) -> Iterator[str]:
    for number, line in enumerate(text.lines(), 1):
        try:
            yield line.decode()
        except UnicodeDecodeError as error:
            raise text.problem(error, number) from None


def _header(text: Text, names: list[str]) -> list[str]:
    header = [name.strip() for name in names]
    twice = sorted({name for name in header if header.count(name) > 1})
    if twice or not all(header):
        wrong = f"has the column {twice[0]!r} twice" if twice else "has a column without a name"
        raise SourceError(text.name, 1, f"the header {wrong}")
    return header
