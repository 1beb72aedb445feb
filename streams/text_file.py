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


def state_of(path: Path) -> FileState | None:
    """What is another one when the file is, or may be read by others than before; None without one."""
    try:
        found = path.stat()
    except OSError:
        return None
    return FileState(found.st_mtime_ns, found.st_ctime_ns, found.st_size, found.st_ino)
