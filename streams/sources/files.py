"""Reading files line by line: plain or packed, or standard input; with the position, for a progress line."""

from __future__ import annotations

import io
import os
import shutil
import stat
import sys
import tempfile
from collections.abc import Generator, Iterator
from functools import partial
from pathlib import Path
from typing import IO, Any

from streams.sources.packed import BUFFER_BYTES, DamagedError, unpacked
from streams.sources.record import SourceError
from streams.sources.utf8 import as_utf8

STDIN = "-"
PIECE_BYTES = 1 << 20
UNREADABLE = (DamagedError, UnicodeDecodeError, OSError)


class Text:
    """A text in UTF-8 on its way, and what to call it in messages."""

    def __init__(self, name: str, stream: io.BufferedReader[Any]) -> None:
        self.name = name
        self._stream = stream

    def pieces(self) -> Iterator[bytes]:
        """Lines with their ends; one of more than 1 MiB comes in pieces. Raises one of `UNREADABLE`."""
        return iter(partial(self._stream.readline, PIECE_BYTES), b"")

    def lines(self) -> Iterator[bytes]:
        """The same as `pieces`, for texts of short lines. Raises `SourceError`."""
        line = 1
        try:
            for piece in self.pieces():
                yield piece
                line += 1
        except UNREADABLE as error:
            raise self.problem(error, line) from None

    def problem(self, error: Exception, line: int) -> SourceError:
        """What one of `UNREADABLE` is to a person: damaged data, a wrong encoding, a bad disk."""
        if isinstance(error, UnicodeDecodeError):
            return SourceError(self.name, line, f"is no text in {error.encoding.upper()} ({error.reason})")
        if isinstance(error, OSError):
            return SourceError(self.name, line, f"cannot be read ({error.strerror or error})")
        return SourceError(self.name, line, str(error))


class InputFile:
    """A file to read, perhaps several times. Whether it is packed, and how, is told by its content.

    `-` is standard input. It is read as it comes, unless `keep` asks for a second reading: then its first
    reading goes through an unnamed temporary file.
    """

    def __init__(self, name: str, keep: bool = False) -> None:
        self.name = name
        self._keep = keep
        self._kept: IO[bytes] | None = None
        self._raw: IO[bytes] | None = None
        self._size_bytes: int | None = None

    @property
    def fraction(self) -> float | None:
        """How much of the file's bytes has been read, 0 to 1; None where the size is unknown."""
        if self._raw is None or not self._size_bytes:
            return None
        return min(1.0, self._raw.tell() / self._size_bytes)

    def check(self) -> bool:
        """Whether it can be read more than once: a pipe, which opens but once, is left alone.

        Raises `SourceError` if the file cannot be opened.
        """
        if self.name == STDIN:
            return self._keep
        try:
            is_pipe = stat.S_ISFIFO(Path(self.name).stat().st_mode)
        except OSError as error:
            raise SourceError(self.name, None, f"cannot be opened ({error.strerror})") from None
        if not is_pipe:
            self._open_raw().close()
        return not is_pipe

    def texts(self) -> Generator[Text]:
        """What is in the file, unpacked and in UTF-8: one text, or one a member of a zip archive.

        Raises `SourceError` if the file cannot be opened or unpacked. Each text is read before the next.
        """
        raw = self._open_raw()
        self._raw = None if self._size_bytes is None else raw
        buffered: io.BufferedReader[Any] = io.BufferedReader(raw, BUFFER_BYTES)
        try:
            for name, stream in unpacked(self.name, buffered):
                yield Text(name, as_utf8(stream))
        finally:
            self._raw = None
            buffered.detach()
            if raw is not self._kept:
                raw.close()

    def _open_raw(self) -> IO[bytes]:
        if self.name == STDIN:
            return self._open_stdin()
        try:
            raw = Path(self.name).open("rb", buffering=0)  # noqa: SIM115 - closed in open()
        except OSError as error:
            raise SourceError(self.name, None, f"cannot be opened ({error.strerror})") from None
        if Path(self.name).is_file():
            self._size_bytes = Path(self.name).stat().st_size
        return raw

    def _open_stdin(self) -> IO[bytes]:
        if not self._keep:
            return os.fdopen(os.dup(sys.stdin.fileno()), "rb", buffering=0)
        if self._kept is None:
            self._kept = tempfile.TemporaryFile(buffering=0)  # noqa: SIM115 - closed in close()
            shutil.copyfileobj(sys.stdin.buffer, self._kept, BUFFER_BYTES)
            self._size_bytes = self._kept.tell()
        self._kept.seek(0)
        return self._kept

    def close(self) -> None:
        """Give back what is kept of standard input."""
        if self._kept is not None:
            self._kept.close()
            self._kept = None
