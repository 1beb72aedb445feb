"""NDJSON files of event envelopes (docs/contract.md §1), one a line, plain or gzip.

Lines go out byte for byte as they came: to judge them is the workers' job, so that a replay of bad events
ends in the quarantine like bad events of any other producer. Left out is a `_kafka` at the top alone: lines
of Bronze have one (`sluice bronze cat`), and it says where another record was.
"""

from __future__ import annotations

from collections.abc import Iterator

from schemas.members import without_kafka
from streams.sources.files import InputFile
from streams.sources.keys import key_of
from streams.sources.record import Record


class Ndjson:
    """A `Source` of envelopes."""

    def __init__(self, file: InputFile) -> None:
        self._file = file

    @property
    def name(self) -> str:
        """The path, or `-`."""
        return self._file.name

    @property
    def fraction(self) -> float | None:
        """How much has been read, 0 to 1; None where the size is unknown."""
        return self._file.fraction

    def records(self) -> Iterator[Record]:
        """One record a line; empty lines are left out. Raises `SourceError`."""
        for number, line in self._file.lines():
            value = without_kafka(line)
            yield Record(number, key_of(value), value)
