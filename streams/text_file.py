"""Small text files that people write: settings, mappings, lists of tokens."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

SMALL_BYTES = 1 << 20


class TextFileError(ValueError):
    """A file is not there, too large or no text. `str(error)` names it, in one line."""


class FileState(NamedTuple):
    """By what a change of a file is seen."""

    changed_ns: int
    attributes_changed_ns: int
    size_bytes: int
    inode: int


class FileChanges:
    """Whether files are others than when they were last taken. One who takes them is told once of each state
    that it could not take, and may try again: what was wrong may pass without a further change."""

    def __init__(self, *paths: Path | None) -> None:
        """As they are now, which is to be read after this."""
        self._paths = [path for path in paths if path is not None]
        self._taken = self._told = self._seen = self._now()

    def pending(self) -> bool:
        """Look: whether there is something to be taken."""
        self._seen = self._now()
        return self._seen != self._taken

    def take(self) -> None:
        """What was seen last has been taken."""
        self._taken = self._told = self._seen

    def is_news(self) -> bool:
        """What was seen last could not be taken: whether that is to be told."""
        news, self._told = self._seen != self._told, self._seen
        return news

    def _now(self) -> list[FileState | None]:
        return [_state_of(path) for path in self._paths]


def small_text(path: Path, too_large: str = "") -> str:
    """What is in a file of 1 MiB at most, in UTF-8. `too_large`: what a larger one means. Raises
    `TextFileError`."""
    try:
        with path.open("rb") as file:
            data = file.read(SMALL_BYTES + 1)
    except OSError as error:
        raise TextFileError(f"{path}: cannot be read ({error.strerror})") from None
    if len(data) > SMALL_BYTES:
        raise TextFileError(f"{path}: is larger than {SMALL_BYTES >> 20} MiB{too_large}")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise TextFileError(f"{path}: is no text in UTF-8") from None


def _state_of(path: Path) -> FileState | None:
    """What is another one when the file is, or may be read by others than before; None without one."""
    try:
        found = path.stat()
    except OSError:
        return None
    return FileState(found.st_mtime_ns, found.st_ctime_ns, found.st_size, found.st_ino)
