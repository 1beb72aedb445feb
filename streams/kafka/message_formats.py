"""Record batches of every message format (0, 1 and 2), read from their bytes without trusting any of them.

Slower than aiokafka's readers, and for what those do not read: header names that are not UTF-8, formats 0 and
1, and batches that expand greatly. A batch that cannot be read at all raises `UnreadableBatchError`, or is
replaced by one record: nothing is skipped.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import NamedTuple

from schemas.validation.reasons import Reason, UnreadBatch, quarantined
from streams.kafka.decompression import ExpandError, TooLargeError, expand

NO_TIMESTAMP = -1
_MAGIC_AT = 16
_V2 = struct.Struct(">qiibIhiqqqhii")
_LEGACY = struct.Struct(">qiIbb")
_CODEC, _LOG_APPEND_TIME = 0x07, 0x08
Header = tuple[str, bytes | None]


class UnreadableBatchError(Exception):
    """A batch whose checksum is right cannot be read. `str()` states where it is and why. `reason`: of the
    quarantine record.
    """

    def __init__(self, message: str, reason: Reason = Reason.NOT_JSON) -> None:
        super().__init__(message)
        self.reason = reason


class Record(NamedTuple):
    """A record, with the attributes of aiokafka's. `timestamp`: ms, -1 if it has none.

    Bytes of header names that are not UTF-8 are in `headers` as Python's surrogate escapes.
    """

    offset: int
    timestamp: int
    timestamp_type: int | None
    key: bytes | None
    value: bytes | None
    headers: list[Header]
    checksum: None = None


def read_batch(data: memoryview) -> Iterator[Record]:
    """The records of one batch, in order, including legacy batches, compressed or not.

    Raises `UnreadableBatchError`, before or between them.
    """
    try:
        yield from _v2(data) if data[_MAGIC_AT] >= 2 else _legacy(data)
    except ExpandError as error:
        reason = Reason.TOO_LARGE if isinstance(error, TooLargeError) else Reason.NOT_JSON
        raise UnreadableBatchError(f"the record batch {_where(data)} {error}", reason) from None
    except (struct.error, IndexError, ValueError, OverflowError) as error:
        raise UnreadableBatchError(f"a record of the batch {_where(data)} is malformed: {error}") from None


def in_place_of(data: memoryview, error: UnreadableBatchError) -> Record:
    """The record that replaces the records of a batch that cannot be read, at the offset of the last one.

    Its value is the whole batch as Kafka stores it. One for all: a megabyte can expand to millions.
    """
    (offset,) = struct.unpack_from(">q", data)
    timestamp = NO_TIMESTAMP
    if data[_MAGIC_AT] >= 2:
        head = _V2.unpack_from(data)
        offset, timestamp = offset + head[6], head[8]
    elif data[_MAGIC_AT] == 1 and len(data) >= _LEGACY.size + 8:
        (timestamp,) = struct.unpack_from(">q", data, _LEGACY.size)
    value = UnreadBatch.of(data, quarantined(error.reason, f"{error}; its value here is the whole batch"))
    return Record(offset, timestamp, None, None, value, [])


def _where(data: memoryview) -> str:
    (offset,) = struct.unpack_from(">q", data)
    if data[_MAGIC_AT] >= 2 and len(data) >= _V2.size:
        return f"of offsets {offset} to {offset + _V2.unpack_from(data)[6]}"
    return f"up to offset {offset}"


# --- format 2 ----------------------------------------------------------------------------------------------


def _v2(data: memoryview) -> Iterator[Record]:
    head = _V2.unpack_from(data)
    base_offset, attributes, first_ms, newest_ms, count = head[0], head[5], head[7], head[8], head[12]
    body = data[_V2.size :]
    if attributes & _CODEC:
        body = memoryview(expand(attributes & _CODEC, body))
    kind = 1 if attributes & _LOG_APPEND_TIME else 0
    at = 0
    for _ in range(count):
        length, at = _varint(body, at)
        end = at + length
        if length < 0 or end > len(body):
            raise ValueError("it ends beyond its batch")
        after_ms, at = _varint(body, at + 1)
        delta, at = _varint(body, at)
        key, at = _nullable(body, at, end)
        value, at = _nullable(body, at, end)
        headers, at = _headers(body, at, end)
        if at != end:
            raise ValueError("its length is not that of its parts")
        stamp = newest_ms if kind else _int64(first_ms + after_ms)
        yield Record(base_offset + delta, stamp, kind, key, value, headers)
    if at != len(body):
        raise ValueError(f"{len(body) - at} bytes follow the last one")


def _headers(body: memoryview, at: int, end: int) -> tuple[list[Header], int]:
    count, at = _varint(body, at)
    if count < 0 or count > end - at:
        raise ValueError("it has an impossible number of headers")
    headers: list[Header] = []
    for _ in range(count):
        name, at = _nullable(body, at, end)
        if name is None:
            raise ValueError("a header has no name")
        value, at = _nullable(body, at, end)
        headers.append((name.decode("utf-8", "surrogateescape"), value))
    return headers, at


def _nullable(body: memoryview, at: int, end: int) -> tuple[bytes | None, int]:
    length, at = _varint(body, at)
    if length < 0:
        return None, at
    if at + length > end:
        raise ValueError("a part of it ends beyond it")
    return bytes(body[at : at + length]), at + length


def _varint(body: memoryview, at: int) -> tuple[int, int]:
    """A zigzag varint of up to ten bytes, and the position after it."""
    byte = body[at]
    at += 1
    if byte < 0x80:
        return byte >> 1 ^ -(byte & 1), at
    value, shift = byte & 0x7F, 7
    while True:
        byte = body[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value >> 1 ^ -(value & 1), at
        shift += 7
        if shift > 63:
            raise ValueError("a number has more than ten bytes")


def _int64(value: int) -> int:
    """Wraps around beyond 64 bits, as Kafka's own sums do."""
    return (value + (1 << 63)) % (1 << 64) - (1 << 63)


# --- formats 0 and 1 ---------------------------------------------------------------------------------------


class _Message(NamedTuple):
    offset: int
    magic: int
    attributes: int
    timestamp: int
    key: memoryview | None
    value: memoryview | None
    size: int


def _legacy(data: memoryview) -> Iterator[Record]:
    outer = _message(data, 0)
    codec = outer.attributes & _CODEC
    if not codec:
        yield _legacy_record(outer, outer, 0)
        return
    if outer.value is None:
        raise ValueError("it is compressed and has no value")
    body = memoryview(expand(codec, outer.value, old_lz4=outer.magic == 0))
    inner: list[_Message] = []
    at = 0
    while at < len(body):
        inner.append(_message(body, at))
        at += inner[-1].size
        if inner[-1].attributes & _CODEC:
            raise ValueError("it is compressed twice")
    # The outer offset is that of the last one; those inside count from 0 in format 1.
    first = outer.offset - inner[-1].offset if inner and outer.magic else 0
    for message in inner:
        yield _legacy_record(message, outer, first)


def _message(data: memoryview, at: int) -> _Message:
    offset, length, _, magic, attributes = _LEGACY.unpack_from(data, at)
    end, key_at, timestamp = at + 12 + length, at + _LEGACY.size, NO_TIMESTAMP
    if magic:
        (timestamp,) = struct.unpack_from(">q", data, key_at)
        key_at += 8
    key, value_at = _sized(data, key_at, end)
    value, parsed = _sized(data, value_at, end)
    if parsed != end:
        raise ValueError("its length is not that of its parts")
    return _Message(offset, magic, attributes, timestamp, key, value, end - at)


def _sized(data: memoryview, at: int, end: int) -> tuple[memoryview | None, int]:
    (length,) = struct.unpack_from(">i", data, at)
    at += 4
    if length < 0:
        return None, at
    if at + length > min(end, len(data)):
        raise ValueError("a part of it ends beyond it")
    return data[at : at + length], at + length


def _legacy_record(message: _Message, outer: _Message, first: int) -> Record:
    appended = outer.magic and outer.attributes & _LOG_APPEND_TIME
    stamp = outer.timestamp if appended else message.timestamp
    kind = None if not message.magic else 1 if appended else 0
    key = None if message.key is None else bytes(message.key)
    value = None if message.value is None else bytes(message.value)
    return Record(message.offset + first, stamp, kind, key, value, [])
