"""Reading files line by line: plain or gzip, or standard input; with the position, for a progress line."""

from __future__ import annotations

import gzip
import io
import os
import shutil
import stat
import sys
import tempfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from streams.sources.record import SourceError

STDIN = "-"
GZIP_MAGIC = b"\x1f\x8b"
BUFFER_BYTES = 1 << 20


class InputFile:
    """A file to read, perhaps several times. Whether it is gzip is told by its first bytes, not by its name.

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

    def check(self) -> None:
        """Raises `SourceError` if the file cannot be opened. A pipe, which opens but once, is left alone."""
        if self.name == STDIN:
            return
        try:
            is_pipe = stat.S_ISFIFO(Path(self.name).stat().st_mode)
        except OSError as error:
            raise SourceError(self.name, None, f"cannot be opened ({error.strerror})") from None
        if not is_pipe:
            self._open_raw().close()

    @contextmanager
    def open(self) -> Iterator[IO[bytes]]:
        """The unpacked bytes from the start. Raises `SourceError` if the file cannot be opened."""
        raw = self._open_raw()
        self._raw = None if self._size_bytes is None else raw
        buffered = io.BufferedReader(raw, BUFFER_BYTES)  # type: ignore[type-var]
        try:
            packed = buffered.peek(2)[:2] == GZIP_MAGIC
            yield gzip.GzipFile(fileobj=buffered) if packed else buffered  # type: ignore[misc]
        finally:
            self._raw = None
            buffered.detach()
            if raw is not self._kept:
                raw.close()

    def lines(self) -> Iterator[tuple[int, bytes]]:
        """Line numbers (from 1) and lines without their line ends, empty ones left out."""
        number = 0
        with self.open() as stream:
            try:
                for number, line in enumerate(stream, 1):
                    content = line.rstrip(b"\r\n")
                    if content:
                        yield number, content
            except (gzip.BadGzipFile, EOFError, zlib.error) as error:
                raise SourceError(self.name, number + 1, f"the gzip data is damaged ({error})") from None
            except OSError as error:
                problem = f"cannot be read ({error.strerror or error})"
                raise SourceError(self.name, number + 1, problem) from None

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
