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
from streams.sources.looked_at import LOOK_AT, LookedAtFile
from streams.sources.record import NotEventsError, Record


class Ndjson(LookedAtFile):
    """A `Source` of envelopes."""

    def __init__(self, file: InputFile, *, force: bool = False) -> None:
        super().__init__(file, force=force)
        self.tally = Tally()

    def _records(self, *, first_alone: bool) -> Generator[Record]:
        """One record a value; empty lines are left out."""
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
