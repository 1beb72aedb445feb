"""A file of secrets that is read again when it changes; while the new one is wrong, the former one counts."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from pathlib import Path
from typing import Generic, TypeVar

from streams.text_file import TextFileError, small_text

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
        self._state = self._now()
        self._value = read(path, _text(path))
        self._looked = time.monotonic()

    def get(self) -> T:
        """What it says now, as of a second ago at most."""
        now = time.monotonic()
        if now - self._looked >= LOOK_SECONDS:
            self._looked = now
            self._look()
        return self._value

    def _look(self) -> None:
        state = self._now()
        if state == self._state:
            return
        self._state = state
        try:
            self._value = self._read(self._path, _text(self._path))
        except KeptFileError as error:
            log.error("%s; what it said before still counts", error)  # noqa: TRY400 - the line is enough
        else:
            log.info("read %s again", self._path)

    def _now(self) -> tuple[int, int, int] | None:
        try:
            found = self._path.stat()
        except OSError:
            return None
        return found.st_mtime_ns, found.st_size, found.st_ino


def _text(path: Path) -> str:
    try:
        return small_text(path)
    except TextFileError as error:
        raise KeptFileError(str(error)) from None
