"""Files of event envelopes (docs/contract.md §1): NDJSON as a rule; JSON arrays and objects in a row too.

Lines go out byte for byte as they came: to judge them is the workers' job, so that a replay of bad events
ends in the quarantine like bad events of any other producer. Left out is a `_kafka` at the top alone: lines
of Bronze have one (`sluice bronze cat`), and it says where another record was. But a file whose first lines
hold no envelope at all is most likely another file than was meant: it is looked at before anything of it is
sent.
"""

from __future__ import annotations

import contextlib
import itertools
from collections.abc import Generator, Iterator

from streams.sources.documents import Tally, documents
from streams.sources.files import InputFile
from streams.sources.look import what_it_is
from streams.sources.record import NotEventsError, Record

LOOK_AT = 20
"""So many values without an envelope among them, at a file's start, are enough."""


class Ndjson:
    """A `Source` of envelopes. `force`: whatever the first lines look like."""

    def __init__(self, file: InputFile, *, force: bool = False) -> None:
        self.tally = Tally()
        self._file = file
        self._force = force

    @property
    def name(self) -> str:
        """The path, or `-`."""
        return self._file.name

    @property
    def fraction(self) -> float | None:
        """How much has been read, 0 to 1; None where the size is unknown."""
        return self._file.fraction

    def check(self) -> None:
        """Look at the first values, if the file can be read again. Raises `SourceError`, `NotEventsError`."""
        if self._file.check():
            with contextlib.closing(self.records()) as records:
                next(records, None)

    def records(self) -> Generator[Record]:
        """One record a value; empty lines are left out. Raises `SourceError`, `NotEventsError`."""
        self.tally = tally = Tally()
        with contextlib.closing(self._file.texts()) as texts:
            records = itertools.chain.from_iterable(documents(text, tally) for text in texts)
            if not self._force:
                yield from self._looked_at(records, tally)
            yield from records

    def _looked_at(self, records: Iterator[Record], tally: Tally) -> Iterator[Record]:
        """The first records, up to the first envelope."""
        first: list[Record] = []
        for record in itertools.islice(records, LOOK_AT):
            first.append(record)
            if len(first) > tally.total:
                yield from first
                return
        if first:
            raise NotEventsError(self.name, what_it_is([record.value or b"" for record in first]))
