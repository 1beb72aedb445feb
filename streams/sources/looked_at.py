"""A file of events that is looked at before anything of it is sent: it may be another one than was meant."""

from __future__ import annotations

import contextlib
from abc import ABC, abstractmethod
from collections.abc import Generator

from streams.sources.files import InputFile
from streams.sources.record import Record

LOOK_AT = 20
"""So many values at the start of a file or a zip's member, none of them of the kind, are enough to tell."""


class LookedAtFile(ABC):
    """A `Source` of one file. `force`: whatever its first values look like."""

    def __init__(self, file: InputFile, *, force: bool = False) -> None:
        self.name = file.name
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
        """Its events, in their order. Raises `SourceError`, `NotEventsError`."""
        return self._records(first_alone=False)

    @abstractmethod
    def _records(self, *, first_alone: bool) -> Generator[Record]:
        """`first_alone`: of each text no more than was looked at."""
