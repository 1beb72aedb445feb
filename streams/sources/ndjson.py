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
"""So many values without an envelope among them, at the start of a file or a zip's member, are enough."""


class Ndjson:
    """A `Source` of envelopes. `force`: whatever the first lines look like."""

    def __init__(self, file: InputFile, *, force: bool = False) -> None:
        self.name = file.name
        self.tally = Tally()
        self._file = file
        self._force = force

    @property
    def fraction(self) -> float | None:
        """How much has been read, 0 to 1; None where the size is unknown."""
        return self._file.fraction

    def check(self) -> None:
        """Look at the first values, if the file can be read again. Raises `SourceError`, `NotEventsError`."""
        if self._file.check():
            with contextlib.closing(self._records(first_alone=True)) as records:
                for _ in records:
                    pass

    def records(self) -> Generator[Record]:
        """One record a value; empty lines are left out. Raises `SourceError`, `NotEventsError`."""
        return self._records(first_alone=False)

    def _records(self, *, first_alone: bool) -> Generator[Record]:
        """`first_alone`: of each text no more than was looked at."""
        self.tally = tally = Tally()
        held: list[Record] = []  # of texts too short to be told, before the first event
        found = self._force
        with contextlib.closing(self._file.texts()) as texts:
            for text in texts:
                records = documents(text, tally)
                first, holds_event = _looked_at(records, tally, 1 if self._force else LOOK_AT)
                held += first
                found = found or holds_event
                if not holds_event and len(held) >= LOOK_AT:
                    raise _no_events(text.name, held)
                if found:
                    yield from held
                    held = []
                    if not first_alone:
                        yield from records
        if held:
            raise _no_events(self.name, held)


def _looked_at(records: Iterator[Record], tally: Tally, most: int) -> tuple[list[Record], bool]:
    """The first records, up to the first envelope, and whether there is one."""
    first: list[Record] = []
    before = tally.total
    for record in itertools.islice(records, most):
        first.append(record)
        if len(first) > tally.total - before:
            return first, True
    return first, False


def _no_events(name: str, first: list[Record]) -> NotEventsError:
    return NotEventsError(name, what_it_is([record.value or b"" for record in first]))
