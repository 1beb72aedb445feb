"""A file of foreign JSON or CSV as a source of events, by a mapping.

All of a replay's files share a tally. What a mapping or the catalogue refuses is counted and left out: it is
still in the file, and a replay of the mended file repeats the ids of what was sent before.
"""

from __future__ import annotations

import contextlib
import itertools
import time
from collections.abc import Generator, Iterable, Iterator
from typing import NamedTuple

from schemas.validation.validator import Validator
from streams.sources.documents import Tally, documents
from streams.sources.files import InputFile, Text
from streams.sources.look import what_it_is
from streams.sources.looked_at import LOOK_AT, LookedAtFile
from streams.sources.mappings.csv_rows import Delimiter, csv_values
from streams.sources.mappings.mapping import Mapping, NotForUs, Refused, Why
from streams.sources.mappings.tally import MappingTally
from streams.sources.mappings.verdicts import Accepted, Verdict, verdicts
from streams.sources.record import NotEventsError, Record

AT_ONCE = 128
FOREIGN = (Why.NOT_JSON, Why.NOT_OBJECT, Why.WRONG_FORMAT)


class _Value(NamedTuple):
    line: int
    value: bytes


class MappedFile(LookedAtFile):
    """A `Source` of what a file is by a mapping. `delimiter`: it is CSV with a header, of this delimiter."""

    def __init__(
        self,
        file: InputFile,
        mapping: Mapping,
        validator: Validator,
        *,
        delimiter: Delimiter | None = None,
        force: bool = False,
    ) -> None:
        super().__init__(file, force=force)
        self.tally = MappingTally()
        self._mapping = mapping
        self._validator = validator
        self._delimiter = delimiter

    def _records(self, *, first_alone: bool) -> Generator[Record]:
        self.tally = MappingTally()
        with contextlib.closing(self._file.texts()) as texts:
            for text in texts:
                values = self._values(text)
                first = list(itertools.islice(values, LOOK_AT))
                judged = self._judged(first)
                if first and not self._force and all(map(_is_foreign, judged)):
                    raise self._not_of_this_format(text.name, first)
                yield from self._taken(text.name, first, judged)
                if first_alone:
                    continue
                while chunk := list(itertools.islice(values, AT_ONCE)):
                    yield from self._taken(text.name, chunk, self._judged(chunk))

    def _values(self, text: Text) -> Iterator[_Value]:
        if self._delimiter is not None:
            yield from itertools.starmap(_Value, csv_values(text, self._delimiter))
            return
        for record in documents(text, Tally()):
            for value in self._mapping.values(record.value or b""):
                yield _Value(record.line, value)

    def _judged(self, values: list[_Value]) -> list[Verdict]:
        now_ms = time.time_ns() // 1_000_000
        return verdicts(self._mapping, [one.value for one in values], self._validator, now_ms)

    def _taken(self, name: str, values: list[_Value], judged: Iterable[Verdict]) -> Iterator[Record]:
        for (line, _), verdict in zip(values, judged, strict=True):
            if isinstance(verdict, Accepted):
                self.tally.mapped += 1
                for event in verdict.events:
                    yield Record(line, event.key, event.value)
            elif isinstance(verdict, NotForUs):
                self.tally.add_not_for_us(verdict.kind)
            else:
                self.tally.add_refused(verdict, f"{name}, line {line}")

    def _not_of_this_format(self, name: str, first: list[_Value]) -> NotEventsError:
        looks = what_it_is([one.value for one in first])
        return NotEventsError(name, f"none of its first values is of --format {self._mapping.name}: {looks}")


def _is_foreign(verdict: Verdict) -> bool:
    return isinstance(verdict, Refused) and verdict.reason in FOREIGN
