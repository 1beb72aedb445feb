"""The file of `sluice quarantine replay --edit`: repaired records, a JSON object a line.

Only where each line begins is held in memory; a line is read again when its record is sent.
"""

from __future__ import annotations

import re
from pathlib import Path
from types import TracebackType
from typing import Self

import msgspec

from agents.quarantine.record import Position, QuarantineRecord

_ID = re.compile(r"\d{1,9}:\d{1,18}")


class EditsError(Exception):
    """A file that cannot be taken; the text names the line and how to mend it, without its content."""


class _Line(msgspec.Struct):
    id: str
    value: msgspec.Raw


_decode = msgspec.json.Decoder(_Line).decode


class Edits:
    """The edited records of a file, by their places in the quarantine; open while it is a context.

    Opening raises `EditsError` for the first line that is wrong.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._at: dict[Position, int] = {}

    def __enter__(self) -> Self:
        try:
            self._file = self._path.open("rb")
        except OSError as error:
            raise EditsError(f"{self._path}: {error.strerror}") from None
        try:
            self._index()
        except BaseException:
            self._file.close()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._file.close()

    @property
    def places(self) -> list[Position]:
        """Of which records there are edited ones, sorted."""
        return sorted(self._at)

    def of(self, record: QuarantineRecord) -> bytes | None:
        """The edited value of a record; None if there is none."""
        at = self._at.get(record.at)
        if at is None:
            return None
        self._file.seek(at)
        return bytes(_decode(self._file.readline()).value)

    def _index(self) -> None:
        at = 0
        for number, line in enumerate(self._file, 1):
            if line.strip():
                place = self._place(line, number)
                if place in self._at:
                    raise EditsError(f"{self._path}, line {number}: record {place} is there twice: keep one")
                self._at[place] = at
            at += len(line)
        if not self._at:
            raise EditsError(f"{self._path} has no line: `sluice quarantine list --edit-template` makes one")

    def _place(self, line: bytes, number: int) -> Position:
        where = f"{self._path}, line {number}"
        try:
            found = _decode(line)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            form = '{"id":"2:17","value":{…}}'
            raise EditsError(f"{where} is not {form}: {error}") from None
        if not _ID.fullmatch(found.id):
            raise EditsError(f"{where}: id is not partition:offset, as `sluice quarantine list` shows it")
        if bytes(found.value)[:1] != b"{":
            raise EditsError(f"{where}: value is no JSON object: write the repaired event there")
        partition, offset = found.id.split(":")
        return Position(int(partition), int(offset))
