"""A file of secrets that is read again when it changes; while the new one is wrong, the former one counts.

One that cannot be read is tried again each second: what it takes back must not count for longer than that.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from pathlib import Path
from typing import Generic, TypeVar

from streams.text_file import FileChanges, TextFileError, small_text

T = TypeVar("T")

LOOK_SECONDS = 1.0

log = logging.getLogger(__name__)


class KeptFileError(ValueError):
    """A file is wrong: one line that names it, the line and what is allowed; never what is in it."""


class KeptFile(Generic[T]):
    """What a file says, by `read`, which raises `KeptFileError`; so does this for one wrong at first."""

    def __init__(self, path: Path, read: Callable[[Path, str], T]) -> None:
        self._path = path
        self._read = read
        self._changes = FileChanges(path)
        try:
            self._value = read(path, small_text(path))
        except TextFileError as error:
            raise KeptFileError(str(error)) from None
        self._looked = time.monotonic()

    def get(self) -> T:
        """What it says now, as of a second ago at most."""
        now = time.monotonic()
        if now - self._looked >= LOOK_SECONDS:
            self._looked = now
            self._look()
        return self._value

    def _look(self) -> None:
        if not self._changes.pending():
            return
        try:
            text = small_text(self._path)
        except TextFileError as error:  # it may pass without the file being changed: of too many open files
            if self._changes.is_news():
                log.error("%s; what it said before still counts", error)  # noqa: TRY400 - the line is enough
            return
        self._changes.take()
        try:
            self._value = self._read(self._path, text)
        except KeptFileError as error:
            log.error("%s; what it said before still counts", error)  # noqa: TRY400 - the line is enough
        else:
            log.info("read %s again", self._path)
