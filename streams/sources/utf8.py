"""Text files as UTF-8, whatever Unicode encoding they are in: a byte order mark or the zeros tell it."""

from __future__ import annotations

import codecs
import io
from typing import Any

BYTE_ORDER_MARK = codecs.BOM_UTF8
CHUNK_BYTES = 1 << 18
_MARKS = (
    (codecs.BOM_UTF32_LE, "utf-32-le"),  # before UTF-16: it begins with that mark
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
# Of the first four bytes, which are zero: the first two characters of any text of ours are ASCII.
_ZEROS: dict[tuple[bool, ...], str] = {
    (False, True, True, True): "utf-32-le",
    (True, True, True, False): "utf-32-be",
    (False, True, False, True): "utf-16-le",
    (True, False, True, False): "utf-16-be",
}


def encoding_of(head: bytes) -> tuple[str, int]:
    """(the encoding, how many bytes its byte order mark has) by a text's first four bytes."""
    if head.startswith(BYTE_ORDER_MARK):
        return "utf-8", len(BYTE_ORDER_MARK)
    for mark, encoding in _MARKS:
        if head.startswith(mark):
            return encoding, len(mark)
    return _ZEROS.get(tuple(byte == 0 for byte in head[:4]), "utf-8"), 0


def as_utf8(stream: io.BufferedReader[Any]) -> io.BufferedReader[Any]:
    """The text from here on, without a byte order mark; UTF-8 and what is no Unicode stays as it is.

    What does not fit the encoding raises `UnicodeDecodeError` while it is read.
    """
    encoding, mark_bytes = encoding_of(stream.peek(4)[:4])
    stream.read(mark_bytes)
    if encoding == "utf-8":
        return stream
    return io.BufferedReader(_Recoded(stream, encoding), CHUNK_BYTES)


class _Recoded(io.RawIOBase):
    def __init__(self, stream: io.BufferedReader, encoding: str) -> None:
        self._stream = stream
        self._decode = codecs.getincrementaldecoder(encoding)().decode
        self._ready = b""
        self._ended = False

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: memoryview, /) -> int:  # type: ignore[override]
        while not self._ready and not self._ended:
            chunk = self._stream.read1(CHUNK_BYTES)
            self._ended = not chunk
            self._ready = self._decode(chunk, final=self._ended).encode()
        taken = self._ready[: len(buffer)]
        buffer[: len(taken)] = taken
        self._ready = self._ready[len(taken) :]
        return len(taken)
