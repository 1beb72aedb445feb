"""The JSON values of a text: one a line, as a rule, and then each line is one, good or bad.

A line that is no object by itself may hold several (`}{`), begin one that goes over many lines, or open an
array: what is whole JSON that way is read as what it is. All else goes on as the line that it was. Memory is
bounded by one value, however long a line or an array is.
"""

from __future__ import annotations

import json
import re
from collections import deque
from collections.abc import Generator, Iterator
from dataclasses import dataclass
from enum import Enum, auto
from typing import NamedTuple

import msgspec

from schemas.validation.members import without_kafka
from streams.sources.envelope import UNREADABLE_JSON, decode_envelope, key_in, members, seen
from streams.sources.files import PIECE_BYTES, UNREADABLE, Text
from streams.sources.record import Record, SourceError

MAX_VALUE_BYTES = 32 << 20
CUT_CHARACTERS = 16
"""A piece without a line end may cut an escape, a number or a word this far before its end."""

# White space, a byte order mark where files were joined, the record separator of RFC 7464.
_BETWEEN = re.compile("[ \t\r\n\ufeff\x1e]*")
_BETWEEN_ELEMENTS = re.compile("[ \t\r\n\ufeff\x1e,]*")
_OPENS_ARRAY = re.compile("\\[[ \t\r\n]*(?:[{\\]]|$)")
_CLOSES = re.compile(rb"([ \t]*)[}\]]")
_INDENT = re.compile("[ \t]*")
# Numbers are only passed over: neither a long integer nor 1e999 may stop that.
_decode = json.JSONDecoder(parse_int=float, parse_constant=float).raw_decode


@dataclass
class Tally:
    """How many values can be no event: they are no JSON object, or one without an envelope's members."""

    not_objects: int = 0
    not_envelopes: int = 0

    @property
    def total(self) -> int:
        """Both."""
        return self.not_objects + self.not_envelopes


class _End(Enum):
    WHOLE = auto()  # all of the text is values
    CUT = auto()  # a value goes on behind the text
    BAD = auto()  # no JSON there


class _Scan(NamedTuple):
    spans: list[tuple[int, int]]
    at: int
    inside: bool
    end: _End


def documents(text: Text, tally: Tally) -> Iterator[Record]:
    """A record for every value from here on; what can be no event is counted. Raises `SourceError`."""
    source = enumerate(text.pieces(), 1)
    pieces = _Pieces(text.name, source)
    inside = False
    number = cut = 0
    try:
        for number, piece in source:  # most are envelopes: these few lines are a replay's speed
            if not inside:
                value = piece.rstrip(b"\r\n")
                try:
                    found = decode_envelope(value)
                except UNREADABLE_JSON:
                    pass
                else:
                    yield Record(number - cut, key_in(found.payload, found.event), without_kafka(value))
                    continue
            pieces.take(number, piece)
            while pieces.given_back:
                inside = yield from _next(pieces, tally, inside=inside)
            cut = pieces.cut
    except UNREADABLE as error:
        raise text.problem(error, max(number - cut, pieces.line) + 1) from None


class _Pieces:
    """A text's lines, long ones in pieces, which can be given back."""

    def __init__(self, name: str, pieces: Iterator[tuple[int, bytes]]) -> None:
        self.name = name
        self.given_back: deque[tuple[int, bytes]] = deque()
        self.cut = 0
        """How many pieces so far ended before their lines did."""
        self.line = 0
        self._pieces = pieces

    def take(self, number: int, piece: bytes) -> None:
        """A piece that was read elsewhere is the next; `number` counts pieces."""
        self.line = number - self.cut
        self.given_back.append((self.line, piece))
        if len(piece) == PIECE_BYTES and not piece.endswith(b"\n"):
            self.cut += 1

    def __iter__(self) -> Iterator[tuple[int, bytes]]:
        while True:
            if not self.given_back:
                fresh = next(self._pieces, None)
                if fresh is None:
                    return
                self.take(*fresh)
            yield self.given_back.popleft()

    def give_back(self, line: int, rest: bytes) -> None:
        """The next to be read: from the line of that number on."""
        lines = rest.split(b"\n")
        given = [(line + index, part + b"\n") for index, part in enumerate(lines[:-1])]
        if lines[-1]:
            given.append((line + len(lines) - 1, lines[-1]))
        self.given_back.extendleft(reversed(given))

    def more(self, least: int, indent: int) -> str | None:
        """At least so many bytes, or up to a line that closes what was indented so far.

        Empty at the end; None before an event: then what was begun before it was no value.
        """
        taken: list[bytes] = []
        length = 0
        for line, piece in self:
            if _is_event(piece):
                self.given_back.appendleft((line, piece))
                if not taken:
                    return None
                break
            taken.append(piece)
            length += len(piece)
            closes = _CLOSES.match(piece)
            if length >= least or (closes is not None and closes.end(1) <= indent):
                break
        return _text(b"".join(taken))

    def rest_of_line(self) -> str:
        """Up to the line's end; more than the longest value if the line has no end before that."""
        taken: list[bytes] = []
        length = 0
        for _, piece in self:
            taken.append(piece)
            length += len(piece)
            if piece.endswith(b"\n") or length > MAX_VALUE_BYTES:
                break
        return _text(b"".join(taken))


def _next(pieces: _Pieces, tally: Tally, *, inside: bool) -> Generator[Record, None, bool]:
    """The values that begin in the next piece; answers whether an array around them is still open."""
    line, piece = next(iter(pieces))
    whole = piece.rstrip(b"\r\n")
    if not inside and members(whole) is not None:
        yield _record(line, whole, tally)
        return False
    inside = yield from _split(pieces, line, _text(piece), tally, inside=inside)
    return inside


def _split(
    pieces: _Pieces, line: int, held: str, tally: Tally, *, inside: bool
) -> Generator[Record, None, bool]:
    while True:
        scan = _scan(held, inside=inside)
        if scan.end is not _End.CUT:
            break
        if inside or scan.inside or ("\n" not in held and len(held) >= PIECE_BYTES):  # what was found is sure
            yield from _values(held, scan.spans, line, tally)
            line += held.count("\n", 0, scan.at)
            held, inside = held[scan.at :], scan.inside
            scan = scan._replace(spans=[], at=0)
        if len(held) > MAX_VALUE_BYTES:
            raise _too_long(pieces, line)
        more = pieces.more(len(held), _indent_at(held, scan.at))
        if more is None:
            scan = scan._replace(end=_End.BAD)
            break
        if not more:
            scan = _at_the_end(held, scan, inside=inside)
            break
        held += more
    if scan.end is _End.BAD and not inside and not scan.inside:
        yield from _one_line(pieces, line, held, tally)
        return False
    yield from _values(held, scan.spans, line, tally)
    if scan.end is _End.WHOLE:
        return scan.inside
    line += held.count("\n", 0, scan.at)
    held = held[scan.at :]
    if scan.end is _End.CUT:  # by the end of the file
        yield from _values(held, [(0, len(held.rstrip()))] if held.strip() else [], line, tally)
    else:
        yield from _one_line(pieces, line, held, tally)
    return scan.inside


def _one_line(pieces: _Pieces, line: int, held: str, tally: Tally) -> Iterator[Record]:
    """The first line as it is; what is behind it is looked at anew."""
    if "\n" not in held:
        held += pieces.rest_of_line()
        if len(held) > MAX_VALUE_BYTES:
            raise _too_long(pieces, line)
    first, ended, rest = held.partition("\n")
    if ended:
        pieces.give_back(line + 1, _bytes(rest))
    value = _bytes(first.rstrip("\r"))
    if value.strip():
        yield _record(line, value, tally)


def _scan(held: str, *, inside: bool) -> _Scan:
    """Where the values of a text lie, as far as they go."""
    spans: list[tuple[int, int]] = []
    at = 0
    while True:
        at = (_BETWEEN_ELEMENTS if inside else _BETWEEN).match(held, at).end()  # type: ignore[union-attr]
        if at == len(held):
            return _Scan(spans, at, inside, _End.WHOLE)
        if inside and held[at] == "]":
            inside, at = False, at + 1
        elif not inside and _OPENS_ARRAY.match(held, at):
            inside, at = True, at + 1
        else:
            try:
                value, end = _decode(held, at)
            except json.JSONDecodeError as error:
                return _Scan(spans, at, inside, _End.CUT if _is_cut(held, error) else _End.BAD)
            except (RecursionError, ValueError):
                return _Scan(spans, at, inside, _End.BAD)
            if not inside and not isinstance(value, dict | list):
                return _Scan(spans, at, inside, _End.BAD)  # words and numbers: a line of text
            spans.append((at, end))
            at = end


def _at_the_end(held: str, scan: _Scan, *, inside: bool) -> _Scan:
    """A value that nothing more comes for was cut; but if that is in its first line, the line is just bad."""
    lines = held[: held.rstrip("\n").rfind("\n") + 1]
    before = _scan(lines, inside=inside)
    is_begun = before.end is _End.CUT and before.at == scan.at
    return scan if is_begun else scan._replace(end=_End.BAD)


def _is_cut(held: str, error: json.JSONDecodeError) -> bool:
    if held.endswith("\n"):  # no value but an object or an array goes over the end of a line
        return error.pos >= len(held.rstrip())
    return error.msg.startswith("Unterminated string") or error.pos >= len(held) - CUT_CHARACTERS


def _values(held: str, spans: list[tuple[int, int]], line: int, tally: Tally) -> Iterator[Record]:
    done = 0
    for start, end in spans:
        line += held.count("\n", done, start)
        done = start
        yield _record(line, _on_one_line(_bytes(held[start:end])), tally)


def _record(line: int, value: bytes, tally: Tally) -> Record:
    looks = seen(value)
    if looks is None:
        tally.not_objects += 1
    elif not looks.is_envelope:
        tally.not_envelopes += 1
    return Record(line, looks and looks.key, without_kafka(value))


def _on_one_line(value: bytes) -> bytes:
    if b"\n" not in value:
        return value
    try:
        return msgspec.json.format(value, indent=-1)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return value


def _indent_at(held: str, at: int) -> int:
    start = held.rfind("\n", 0, at) + 1
    return len(_INDENT.match(held, start)[0])  # type: ignore[index]


def _too_long(pieces: _Pieces, line: int) -> SourceError:
    return SourceError(
        pieces.name,
        line,
        f"a JSON value or line of more than {MAX_VALUE_BYTES >> 20} MiB: no event is that long",
    )


def _is_event(piece: bytes) -> bool:
    try:
        decode_envelope(piece)
    except UNREADABLE_JSON:
        return False
    return True


def _text(value: bytes) -> str:
    return value.decode("utf-8", "surrogateescape")


def _bytes(text: str) -> bytes:
    return text.encode("utf-8", "surrogateescape")
