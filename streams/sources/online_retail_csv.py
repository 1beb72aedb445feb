"""The Online Retail CSV as it is usually distributed: with commas, semicolons or tabs, in UTF-8 or Latin-1,
under the header of the first set or of "Online Retail II", with ISO times or a spreadsheet's.

What cannot be told apart is not guessed: a slash date is month first (as in the set itself), a dotted one day
first, and a file with points and commas before pence is refused. All of a file is read before any is sent.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from functools import lru_cache

from streams.sources.files import PIECE_BYTES, Text
from streams.sources.record import NotEventsError, SourceError

HEADER = (
    "InvoiceNo", "StockCode", "Description", "Quantity", "InvoiceDate", "UnitPrice", "CustomerID", "Country",
)  # fmt: skip
DELIMITERS = ",;\t"
_OTHER_NAMES = {"invoice": "invoiceno", "price": "unitprice"}  # of Online Retail II
_AFTER_RETURN = re.compile(rb"(?<=\r)(?![\n]|\Z)")
"""Not at the end of a piece: what follows may be a line feed."""
_PRICE = re.compile(r"-?\d{1,9}(?:([.,])\d{1,6})?")

_TIMES = (
    (re.compile(r"\d{4}-\d\d-\d\d[ T]\d\d:\d\d:\d\d"), "%Y-%m-%d %H:%M:%S"),
    (re.compile(r"\d{4}-\d\d-\d\d[ T]\d\d:\d\d"), "%Y-%m-%d %H:%M"),
    (re.compile(r"\d{1,2}/\d{1,2}/\d{4} \d{1,2}:\d\d"), "%m/%d/%Y %H:%M"),
    (re.compile(r"\d{1,2}/\d{1,2}/\d{4} \d{1,2}:\d\d:\d\d"), "%m/%d/%Y %H:%M:%S"),
    (re.compile(r"\d{1,2}/\d{1,2}/\d\d \d{1,2}:\d\d"), "%m/%d/%y %H:%M"),
    (re.compile(r"\d{1,2}\.\d{1,2}\.\d{4} \d{1,2}:\d\d"), "%d.%m.%Y %H:%M"),
    (re.compile(r"\d{1,2}\.\d{1,2}\.\d{4} \d{1,2}:\d\d:\d\d"), "%d.%m.%Y %H:%M:%S"),
)


def columns_of(header: Sequence[str]) -> bool:
    """Whether these are the set's columns, under one of their names."""
    plain = [re.sub(r"[\s_]", "", name).lower() for name in header]
    return tuple(_OTHER_NAMES.get(name, name) for name in plain) == tuple(name.lower() for name in HEADER)


def rows(text: Text) -> Iterator[tuple[int, list[str]]]:
    """Line numbers and rows without the header, each of eight columns. Raises `SourceError`."""
    lines = _lines(text)
    first = next(lines, "")
    found = next((each for each in DELIMITERS if _is_header(first, each)), None)
    if found is None:
        if first.lstrip().startswith(("{", "[")):
            raise NotEventsError(text.name, "it looks like JSON: replay it with --format ndjson")
        raise SourceError(text.name, 1, f"the header must be {','.join(HEADER)}")
    extra = _fields(first, found)[:1] == [""]  # the index of a data frame
    reader = csv.reader(lines, delimiter=found)
    try:
        for row in reader:
            line = reader.line_num + 1
            if len(row) != len(HEADER) + extra:
                raise SourceError(text.name, line, f"{len(row)} columns instead of {len(HEADER) + extra}")
            yield line, row[extra:]
    except csv.Error as error:
        raise SourceError(text.name, reader.line_num + 1, f"cannot be read ({error})") from None


def _lines(text: Text) -> Iterator[str]:
    for line in _ended(text.lines()):
        try:
            yield line.decode()
        except UnicodeDecodeError:
            yield line.decode("latin-1")


def _ended(pieces: Iterator[bytes]) -> Iterator[bytes]:
    """Lines that end as old Macintoshes' do, too: with a carriage return alone."""
    rest = b""
    for piece in pieces:
        rest += piece
        if rest.count(b"\r") > rest.endswith(b"\r\n"):
            *whole, rest = _AFTER_RETURN.split(rest)
            yield from whole
        if rest.endswith(b"\n") or len(rest) >= PIECE_BYTES:
            yield rest
            rest = b""
    if rest:
        yield rest


def _fields(line: str, delimiter: str) -> list[str]:
    try:
        return next(csv.reader([line], delimiter=delimiter), [""])
    except csv.Error:  # a quote without an end
        return [""]


def _is_header(line: str, delimiter: str) -> bool:
    fields = _fields(line, delimiter)
    return columns_of(fields) or (fields[:1] == [""] and columns_of(fields[1:]))


class RowReader:
    """Reads the values of one text, which writes them all alike."""

    def __init__(self) -> None:
        self._point: str | None = None
        self._format: str | None = None

    def price(self, text: str) -> Decimal:
        """Raises `ValueError`, which says what is allowed."""
        found = _PRICE.fullmatch(text)
        if found is None:
            raise ValueError("a decimal number")
        point = found[1]
        if point is not None:
            self._point = self._point or point
            if self._point != point:
                raise ValueError(f"a decimal number with {self._point!r} as those before it")
        return Decimal(text.replace(",", "."))

    def time(self, text: str) -> datetime:
        """Raises `ValueError`, which says what is allowed."""
        written = next((each for pattern, each in _TIMES if pattern.fullmatch(text)), None)
        if written is None:
            raise ValueError("a time such as 2010-12-01 08:26:00 or 12/1/2010 8:26")
        kind = written[:6]
        self._format = self._format or kind
        if self._format != kind:
            raise ValueError("a time written as those before it")
        try:
            return _time(text, written)
        except ValueError:
            order = "month first" if written.startswith("%m") else "as the others"
            raise ValueError(f"a time that exists ({order})") from None


@lru_cache(maxsize=4096)
def _time(text: str, written: str) -> datetime:
    return datetime.strptime(text.replace("T", " "), written).replace(tzinfo=UTC)
