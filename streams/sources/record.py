"""What a source yields, and how it says that a file cannot be read."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple, Protocol


class SourceError(Exception):
    """A file cannot be read. `str(error)` names the file, the line and, if known, the column, in one line."""

    def __init__(self, name: str, line: int | None, problem: str, column: str | None = None) -> None:
        where = name if line is None else f"{name}, line {line}"
        super().__init__(f"{where}, column {column}: {problem}" if column else f"{where}: {problem}")


class NotEventsError(SourceError):
    """A file that can be read, but holds no events: the text says what it looks like and what to do."""

    def __init__(self, name: str, problem: str) -> None:
        super().__init__(name, None, problem)


class Record(NamedTuple):
    """One record to send: the line it came from (1-based), its key, and its value as it goes to Kafka.

    A value of None is a tombstone.
    """

    line: int
    key: bytes | None
    value: bytes | None


class Source(Protocol):
    """Something that can be replayed, more than once if need be."""

    name: str
    """What to call it in messages: the path, or `-`."""

    @property
    def fraction(self) -> float | None:
        """How much of it the running iteration has read, 0 to 1; None where its size is unknown."""

    def records(self) -> Iterator[Record]:
        """All records from the start. Raises `SourceError`."""
