"""GZIP in pieces: an object's lines are compressed as they arrive, so that a range in memory is small.

The bytes depend only on the lines and on where they were cut, not on time: a range that is read again gives
the same objects. ISA-L takes a quarter of zlib's time at level 1 and compresses better.
"""

from __future__ import annotations

import base64
import struct
from concurrent.futures import Executor, Future
from typing import NamedTuple

import google_crc32c
from isal import isal_zlib

LEVEL = 1
_HEADER = b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\xff"
"""RFC 1952: deflate, no name, no time, unknown system."""
_LAST_BLOCK = b"\x03\x00"
_RAW_DEFLATE_BITS = -15


class _Piece(NamedTuple):
    deflated: bytes
    crc32: int


class GzipPieces:
    """One gzip member, made of pieces that are compressed in `pool`, each separately."""

    def __init__(self, pool: Executor) -> None:
        self._pool = pool
        self._pieces: list[tuple[int, Future[_Piece]]] = []

    def add(self, data: bytes) -> None:
        """Compress a piece in the background."""
        self._pieces.append((len(data), self._pool.submit(_deflate, data)))

    def held_bytes(self) -> int:
        """Bytes in memory: those compressed already, and those still waiting."""
        return sum(len(piece.result().deflated) if piece.done() else size for size, piece in self._pieces)

    def finished(self) -> bytes:
        """The complete member; waits for pieces that are not compressed yet."""
        parts, crc32, data_bytes = [_HEADER], 0, 0
        for size, piece in self._pieces:
            done = piece.result()
            parts.append(done.deflated)
            crc32 = isal_zlib.crc32_combine(crc32, done.crc32, size)
            data_bytes += size
        parts += [_LAST_BLOCK, struct.pack("<II", crc32, data_bytes & 0xFFFFFFFF)]
        return b"".join(parts)


def _deflate(data: bytes) -> _Piece:
    # A sync flush ends a piece at a whole byte, so that pieces can stand behind each other.
    compressor = isal_zlib.compressobj(LEVEL, isal_zlib.DEFLATED, _RAW_DEFLATE_BITS)
    deflated = compressor.compress(data) + compressor.flush(isal_zlib.Z_SYNC_FLUSH)
    return _Piece(deflated, isal_zlib.crc32(data))


def crc32c(data: bytes) -> str:
    """CRC-32C as S3 writes it: base64 of its 4 bytes, big-endian."""
    return base64.b64encode(struct.pack(">I", google_crc32c.value(data))).decode()
