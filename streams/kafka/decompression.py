"""The payload of a compressed record batch, decompressed within bounds.

A megabyte of zstd can expand to 32 GiB: what a batch may expand to is known, or limited, before memory is
allocated for it.
"""

from __future__ import annotations

import struct
import zlib

import cramjam
from xxhash import xxh32_intdigest

LARGEST_BATCH_BYTES = 256 << 20
"""What a batch may have decompressed. Kafka's default limit for one compressed is 1 MiB."""

GZIP, SNAPPY, LZ4, ZSTD = 1, 2, 3, 4
_GZIP_FACTOR, _LZ4_FACTOR = 1032, 255
"""What one byte can expand to at most."""
_GZIP_PIECE_BYTES = 4 << 20
_ZSTD_MAGIC, _LZ4_MAGIC = 0xFD2FB528, 0x184D2204
_ZSTD_BLOCK_BYTES = 128 << 10
_XERIAL = b"\x82SNAPPY\x00"
_XERIAL_HEADER_BYTES = 16


class ExpandError(Exception):
    """A payload cannot be decompressed. `str()` states why.

    While it is handled it keeps the frames that raised it, which therefore release their memory first.
    """


class TooLargeError(ExpandError):
    """The payload expands to more than the memory limit."""


def surely_fits(codec: int, data: memoryview) -> bool:
    """Whether the payload is known to expand to `LARGEST_BATCH_BYTES` at most, without decompressing it."""
    if codec == GZIP:
        return len(data) * _GZIP_FACTOR <= LARGEST_BATCH_BYTES
    if codec == LZ4:
        return len(data) * _LZ4_FACTOR <= LARGEST_BATCH_BYTES
    try:
        if codec == ZSTD:
            return _zstd_bound(data) <= LARGEST_BATCH_BYTES
        return codec == SNAPPY and sum(map(_snappy_size, _snappy_blocks(data))) <= LARGEST_BATCH_BYTES
    except (ExpandError, IndexError, struct.error):
        return False


def expand(codec: int, data: memoryview, *, old_lz4: bool = False) -> bytes:
    """The payload decompressed. Raises `ExpandError`.

    `old_lz4`: the framing of message format 0, whose header checksum is not LZ4's.
    """
    try:
        if codec == GZIP:
            return _gunzip(data)
        if codec == SNAPPY:
            return _unsnap(data)
        if codec == LZ4:
            return _into(cramjam.lz4, _with_right_checksum(data) if old_lz4 else data, _LZ4_FACTOR)
        if codec == ZSTD:
            return _into(cramjam.zstd, data, 0)
    except (cramjam.DecompressionError, zlib.error, IndexError, struct.error, ValueError) as error:
        raise ExpandError(f"does not decompress ({type(error).__name__})") from None
    raise ExpandError(f"has the unknown codec {codec}")


def _too_large() -> TooLargeError:
    return TooLargeError(f"expands to more than {LARGEST_BATCH_BYTES >> 20} MiB")


def _into(codec: object, data: memoryview, factor: int) -> bytes:
    if (factor and len(data) * factor <= LARGEST_BATCH_BYTES) or (not factor and surely_fits(ZSTD, data)):
        return bytes(codec.decompress(bytes(data)))  # type: ignore[attr-defined]
    room = bytearray(LARGEST_BATCH_BYTES + 1)  # the system allocates only what is written of it
    try:
        size = codec.decompress_into(bytes(data), room)  # type: ignore[attr-defined]
    except cramjam.DecompressionError as error:
        room.clear()
        if "whole buffer" in str(error):
            raise _too_large() from None
        raise
    if size > LARGEST_BATCH_BYTES:
        room.clear()
        raise _too_large()
    return bytes(memoryview(room)[:size])


def _gunzip(data: memoryview) -> bytes:
    """A piece at a time: zlib takes twice the memory to return everything at once."""
    parts: list[bytes] = []
    left, rest = LARGEST_BATCH_BYTES, bytes(data)
    while rest:
        member = zlib.decompressobj(wbits=31)
        while not member.eof:
            part = member.decompress(rest, _GZIP_PIECE_BYTES)
            rest = member.unconsumed_tail
            if not part and not rest and not member.eof:
                raise ExpandError("does not decompress (it ends too early)")
            left -= len(part)
            if left < 0:
                parts.clear()
                raise _too_large()
            parts.append(part)
        rest = member.unused_data
    return parts[0] if len(parts) == 1 else b"".join(parts)


def _snappy_blocks(data: memoryview) -> list[memoryview]:
    """The raw blocks: of a stream as the Java library writes it, or the whole payload as one block."""
    if bytes(data[: len(_XERIAL)]) != _XERIAL:
        return [data]
    blocks, at = [], _XERIAL_HEADER_BYTES
    while at < len(data):
        (size,) = struct.unpack_from(">i", data, at)
        if size < 0 or at + 4 + size > len(data):
            raise ExpandError("does not decompress (a block ends beyond it)")
        blocks.append(data[at + 4 : at + 4 + size])
        at += 4 + size
    return blocks


def _snappy_size(block: memoryview) -> int:
    size = shift = 0
    for byte in block[:5]:
        size |= (byte & 0x7F) << shift
        shift += 7
        if byte < 0x80:
            return size
    raise ExpandError("does not decompress (a block has no length)")


def _unsnap(data: memoryview) -> bytes:
    blocks = _snappy_blocks(data)
    if sum(map(_snappy_size, blocks)) > LARGEST_BATCH_BYTES:
        raise _too_large()
    return b"".join(bytes(cramjam.snappy.decompress_raw(bytes(block))) for block in blocks)


def _zstd_bound(data: memoryview) -> int:
    """What the frames' blocks can expand to at most (RFC 8878, 3.1.1)."""
    bound = at = 0
    while at < len(data):
        (magic,) = struct.unpack_from("<I", data, at)
        if magic & 0xFFFFFFF0 == 0x184D2A50:  # a frame to be skipped
            at += 8 + int(struct.unpack_from("<I", data, at + 4)[0])
            continue
        if magic != _ZSTD_MAGIC:
            raise ExpandError("does not decompress (no zstd frame)")
        descriptor = data[at + 4]
        single = descriptor >> 5 & 1
        content_size = (single, 2, 4, 8)[descriptor >> 6]
        at += 5 + (1 - single) + (0, 1, 2, 4)[descriptor & 3] + content_size
        last = False
        while not last:
            header = data[at] | data[at + 1] << 8 | data[at + 2] << 16
            last, kind, size = bool(header & 1), header >> 1 & 3, header >> 3
            bound += _ZSTD_BLOCK_BYTES if kind == 2 else size
            at += 3 + (1 if kind == 1 else size)
            if bound > LARGEST_BATCH_BYTES:
                return bound
        at += 4 * (descriptor >> 2 & 1)
    return bound


def _with_right_checksum(data: memoryview) -> memoryview:
    """An LZ4 frame of message format 0, with the header checksum that LZ4 requires and Kafka got wrong."""
    magic, flags = struct.unpack_from("<IB", data)
    if magic != _LZ4_MAGIC:
        raise ExpandError("does not decompress (no LZ4 frame)")
    at = 6 + (8 if flags & 0x08 else 0) + (4 if flags & 0x01 else 0)
    mended = bytearray(data)
    mended[at] = xxh32_intdigest(bytes(data[4:at])) >> 8 & 0xFF
    return memoryview(mended)
