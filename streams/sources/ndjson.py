"""Files of event envelopes (docs/contract.md §1): NDJSON as a rule; JSON arrays and objects in a row too.

Lines go out byte for byte as they came: to judge them is the workers' job, so that a replay of bad events
ends in the quarantine like bad events of any other producer. But a file whose first lines hold no envelope at
all is most likely another file than was meant: it is looked at before anything of it is sent.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass

from streams.sources.documents import Value, documents
from streams.sources.files import InputFile
from streams.sources.look import what_it_is
from streams.sources.record import NotEventsError, Record

LOOK_AT = 20
"""So many values without an envelope among them, at a file's start, are enough."""


@dataclass
class Tally:
    """How many values were read, and how many of them can be no event."""

    read: int = 0
    not_objects: int = 0
    not_envelopes: int = 0


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
            for _ in self.records():
                return

    def records(self) -> Iterator[Record]:
        """One record a value; empty lines are left out. Raises `SourceError`, `NotEventsError`."""
        self.tally = Tally()
        values: Iterator[Value] = (value for text in self._file.texts() for value in documents(text))
        if not self._force:
            values = itertools.chain(self._looked_at(values), values)
        return self._sent(values)

    def _looked_at(self, values: Iterator[Value]) -> Iterator[Value]:
        """The first values, up to the first envelope."""
        first: list[Value] = []
        for value in itertools.islice(values, LOOK_AT):
            first.append(value)
            if value.seen is not None and value.seen.is_envelope:
                yield from first
                return
        if first:
            raise NotEventsError(self.name, what_it_is([value.text for value in first]))

    def _sent(self, values: Iterator[Value]) -> Iterator[Record]:
        tally = self.tally
        for line, text, looks in values:
            tally.read += 1
            if looks is None:
                tally.not_objects += 1
                yield Record(line, None, text)
                continue
            if not looks.is_envelope:
                tally.not_envelopes += 1
            yield Record(line, looks.key, text)
