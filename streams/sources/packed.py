"""Unpacking by content, not by name: gzip, bzip2, xz, Zstandard and zip, each as a stream of bounded memory.

What is packed but holds no lines of text (an Excel workbook, a tar archive, a Parquet file) is refused.
"""

from __future__ import annotations

import bz2
import contextlib
import gzip
import io
import lzma
import shutil
import sys
import tempfile
import zipfile
import zlib
from collections.abc import Callable, Iterator
from typing import IO, Any

from streams.sources.record import NotEventsError, SourceError

if sys.version_info >= (3, 14):
    from compression.zstd import ZstdError, ZstdFile
else:
    from backports.zstd import ZstdError, ZstdFile

BUFFER_BYTES = 1 << 20
HEAD_BYTES = 512
ENCRYPTED = 0x01
"""The flag of a zip archive's member."""

GZIP, BZIP2, XZ, ZSTD = b"\x1f\x8b", b"BZh", b"\xfd7zXZ\x00", b"\x28\xb5\x2f\xfd"
ZIP = (b"PK\x03\x04", b"PK\x05\x06")
_STREAMS: dict[bytes, tuple[str, Callable[[IO[bytes]], IO[bytes]]]] = {
    GZIP: ("gzip", lambda packed: gzip.GzipFile(fileobj=packed)),  # type: ignore[dict-item,return-value]
    BZIP2: ("bzip2", bz2.BZ2File),
    XZ: ("xz", lzma.LZMAFile),
    ZSTD: ("zstd", ZstdFile),  # type: ignore[dict-item]
}
_DAMAGED = (
    gzip.BadGzipFile, EOFError, zlib.error, lzma.LZMAError, ZstdError, zipfile.BadZipFile,
    RuntimeError,  # a zip's password, or (NotImplementedError) its method
)  # fmt: skip

WORKBOOK = "an Excel workbook: save it as CSV (soffice --convert-to csv FILE does) and replay that"
_REFUSED = (
    (b"PAR1", "a Parquet file: read it as a table and write its rows as NDJSON"),
    (b"Obj\x01", "an Avro container file: write its records as NDJSON"),
    (b"ORC", "an ORC file: write its rows as NDJSON"),
    (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "an old Excel workbook: save it as CSV and replay that"),
    (b"7z\xbc\xaf\x27\x1c", "a 7z archive: unpack it first"),
    (b"Rar!\x1a\x07", "a RAR archive: unpack it first"),
    (b"\x04\x22\x4d\x18", "an lz4 file: unpack it first"),
    (b"\xff\x06\x00\x00sNaPpY", "a snappy file: unpack it first"),
    (b"\x1f\x9d", "a compress (.Z) file: unpack it first"),
    (b"%PDF-", "a PDF"),
)


def unpacked(name: str, packed: io.BufferedReader[Any]) -> Iterator[tuple[str, io.BufferedReader[Any]]]:
    """The texts of a file: (what to call it, its bytes). A zip has one a member, everything else has one.

    Raises `SourceError` for damaged data, also while a stream is read: take `damage_named` around that.
    """
    head = packed.peek(HEAD_BYTES)[:HEAD_BYTES]
    if head.startswith(ZIP):
        yield from _members(name, packed)
        return
    stream: io.BufferedReader[Any] = packed
    for magic, (kind, opened) in _STREAMS.items():
        if head.startswith(magic) or (magic is ZSTD and _is_skippable_frame(head)):
            stream = io.BufferedReader(_Named(kind, opened(packed)), BUFFER_BYTES)
            break
    _refuse(name, stream)
    if stream is not packed:
        _refuse_packed(name, stream, "unpack it first")
    yield name, stream


def _is_skippable_frame(head: bytes) -> bool:
    return head[1:4] == b"\x2a\x4d\x18" and head[0] & 0xF0 == 0x50


class _Named(io.RawIOBase):
    """A decompressor whose errors say which kind of data is damaged."""

    def __init__(self, kind: str, stream: IO[bytes]) -> None:
        self._kind = kind
        self._stream = stream

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: memoryview, /) -> int:  # type: ignore[override]
        try:
            return self._stream.readinto(buffer)  # type: ignore[attr-defined,no-any-return]
        except _DAMAGED as error:
            raise DamagedError(self._kind, error) from None
        except OSError as error:
            if error.errno is None:  # bzip2 has no error of its own
                raise DamagedError(self._kind, error) from None
            raise


class DamagedError(Exception):
    """Packed data that cannot be unpacked, or ends too early."""

    def __init__(self, kind: str, error: Exception) -> None:
        super().__init__(
            f"the {kind} data is damaged ({' '.join(str(error).split()) or type(error).__name__})"
        )


def _refuse(name: str, stream: io.BufferedReader[Any]) -> None:
    try:
        head = stream.peek(HEAD_BYTES)[:HEAD_BYTES]
    except DamagedError as error:
        raise SourceError(name, 1, str(error)) from None
    for magic, what in _REFUSED:
        if head.startswith(magic):
            raise NotEventsError(name, f"it is {what}")
    if head[257:262] == b"ustar":
        raise NotEventsError(name, "it is a tar archive: unpack it first (tar -xOf FILE | sluice replay -)")


def _members(name: str, packed: io.BufferedReader[Any]) -> Iterator[tuple[str, io.BufferedReader[Any]]]:
    """Every file in a zip archive, in its order."""
    with contextlib.ExitStack() as opened:
        seekable: IO[bytes] = packed
        if not packed.seekable():  # a zip's directory is at its end
            seekable = opened.enter_context(tempfile.TemporaryFile())
            shutil.copyfileobj(packed, seekable, BUFFER_BYTES)
        try:
            archive = opened.enter_context(zipfile.ZipFile(seekable))
        except (zipfile.BadZipFile, OSError) as error:
            raise SourceError(name, None, str(DamagedError("zip", error))) from None
        if "xl/workbook.xml" in archive.namelist():
            raise NotEventsError(name, f"it is {WORKBOOK}")
        for member in archive.infolist():
            if not member.is_dir() and not _is_clutter(member.filename):
                yield from _member(f"{name}: {member.filename}", archive, member)


def _member(
    called: str, archive: zipfile.ZipFile, member: zipfile.ZipInfo
) -> Iterator[tuple[str, io.BufferedReader[Any]]]:
    if member.flag_bits & ENCRYPTED:
        raise SourceError(called, None, "it is encrypted: unpack the archive with its password first")
    try:
        raw = archive.open(member)
    except _DAMAGED as error:
        raise SourceError(called, None, str(DamagedError("zip", error))) from None
    with raw, io.BufferedReader(_Named("zip", raw), BUFFER_BYTES) as stream:
        _refuse(called, stream)
        head = stream.peek(HEAD_BYTES)
        if head.startswith(ZIP):
            is_workbook = (
                member.filename.lower().endswith((".xlsx", ".xlsm")) or b"[Content_Types].xml" in head
            )
            nested = "an archive in an archive: unpack the outer one first"
            raise NotEventsError(called, f"it is {WORKBOOK if is_workbook else nested}")
        _refuse_packed(called, stream, "unpack the archive first")
        yield called, stream


def _refuse_packed(name: str, stream: io.BufferedReader[Any], mend: str) -> None:
    if stream.peek(HEAD_BYTES).startswith((*_STREAMS, *ZIP)):
        raise NotEventsError(name, f"it is packed a second time: {mend}")


def _is_clutter(path: str) -> bool:
    """What the Macintosh's Finder puts into archives."""
    return path.startswith("__MACOSX/") or path.rpartition("/")[2] == ".DS_Store"
