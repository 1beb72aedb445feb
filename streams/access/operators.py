"""Who may decide, not only see: the role `operator`."""

from __future__ import annotations

from pathlib import Path

from streams.access.identity import ANALYST, ANALYST_RULE
from streams.access.kept_file import KeptFile, KeptFileError


class Operators:
    """The analysts who are operators, read again when the file changes. Raises `KeptFileError` for a wrong
    file."""

    def __init__(self, path: Path) -> None:
        self._file = KeptFile(path, read_operators)

    def has(self, analyst: str) -> bool:
        """Whether an analyst is one now."""
        return analyst in self._file.get()


def read_operators(path: Path, text: str) -> frozenset[str]:
    """A line an analyst; empty ones and comments (#) are passed over.

    Raises `KeptFileError`, with the line, for the first that is wrong.
    """
    found = set()
    for number, line in enumerate(text.splitlines(), 1):
        name = line.strip()
        if not name or name.startswith("#"):
            continue
        if not ANALYST.fullmatch(name):
            raise KeptFileError(f"{path}, line {number}: must be an analyst alone, which is {ANALYST_RULE}")
        found.add(name)
    return frozenset(found)
