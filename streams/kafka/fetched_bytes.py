"""A fetched share of one partition, as its bytes and as aiokafka's batches, and every way of reading it.

aiokafka's compiled reader of batches decodes the names of headers while it iterates, and fails at one that is
not UTF-8; it remains the reader of all that it can read. The rest, and formats 0 and 1, are read from the
bytes, which aiokafka does not expose: so they are kept here.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterable, Iterator
from itertools import islice
from typing import Any

from aiokafka import TopicPartition
from aiokafka.consumer import fetcher as aiokafka_fetcher
from aiokafka.errors import CorruptRecordException
from aiokafka.record.default_records import DefaultRecordBatch

from streams.kafka.decompression import ExpandError, expand, surely_fits
from streams.kafka.message_formats import Record, UnreadableBatchError, in_place_of, read_batch

_LENGTH = struct.Struct(">i")
_OFFSET = struct.Struct(">q")
_CRC = struct.Struct(">I")
_LENGTH_AT, _OVERHEAD, _MAGIC_AT = 8, 12, 16
_LEAST_BYTES = 14
_MAGIC_2 = 2
_HEAD_BYTES = 61
"""Of a batch of format 2, before its records."""
_ATTRIBUTES_AT = 21
_CODEC = 0x07


class FetchedBytes:
    """Replaces aiokafka's `MemoryRecords`: it returns the same batches, and keeps their bytes.

    aiokafka's class takes all batches to have the format of the first: it ends where format 0 or 1 changes to
    2.
    """

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._batches: Iterator[tuple[memoryview, Any]] | None = None
        self._next: tuple[memoryview, Any] | None = None

    def size_in_bytes(self) -> int:
        """Of all batches."""
        return len(self._data)

    def batches(self) -> Iterator[tuple[memoryview, Any]]:
        """Each complete batch, after its bytes; the last batch of a fetch may be incomplete.

        Raises `CorruptRecordException`.
        """
        data, size, at = memoryview(self._data), len(self._data), 0
        length_at = _LENGTH.unpack_from
        while at + _OVERHEAD <= size:
            (length,) = length_at(data, at + _LENGTH_AT)
            end = at + _OVERHEAD + length
            if length < _LEAST_BYTES:
                raise CorruptRecordException(f"a record batch of {length} bytes")
            if end > size:
                return
            piece = data[at:end]
            yield piece, DefaultRecordBatch(piece) if piece[_MAGIC_AT] >= _MAGIC_2 else _Legacy(piece)
            at = end

    def has_next(self) -> bool:
        """Whether there is another batch, for aiokafka."""
        if self._batches is not None:
            return self._next is not None
        room = len(self._data) - _OVERHEAD
        return room >= 0 and _LENGTH.unpack_from(self._data, _LENGTH_AT)[0] <= room

    def next_batch(self) -> Any:
        """The next batch, for aiokafka's own iteration (`getmany`), wrapped so that no header ends it."""
        if self._batches is None:
            self._batches = self.batches()
            self._next = next(self._batches)
        assert self._next is not None
        data, batch = self._next
        self._next = next(self._batches, None)
        return batch if batch.is_control_batch else _Wrapped(batch, data)


class _Wrapped:
    """A batch that is iterated once, by any reader that can read it."""

    def __init__(self, batch: Any, data: memoryview) -> None:
        self._batch = batch
        self._data = data

    def __getattr__(self, name: str) -> Any:
        return getattr(self._batch, name)

    def __iter__(self) -> Iterator[Any]:
        count = 0
        try:
            for record in bounded(self._batch, self._data):
                yield record
                count += 1
        except Exception:  # noqa: BLE001 - the lenient reader reports the problem if it also fails
            yield from islice(read_batch(self._data), count, None)


class Batches(list[Any]):
    """The required batches of a fetched share, each to be iterated once; `pieces`: their bytes.

    Iterating raises where aiokafka's reader cannot read a batch; `lenient` or `strict` then read the rest.
    """

    def __init__(self, tp: TopicPartition) -> None:
        super().__init__()
        self._tp = tp
        self.pieces: list[memoryview] = []

    def lenient(self, start: int) -> Iterator[Record]:
        """All records at or above the offset `start`; one in place of those that cannot be read."""
        for piece in self.pieces:
            last = start - 1
            try:
                for record in _from(start, read_batch(piece)):
                    last = record.offset
                    yield record
            except UnreadableBatchError as error:
                # None for what follows the last record: the fast reader has read that already.
                yield from _from(last + 1, [in_place_of(piece, error)])

    def strict(self, start: int) -> Iterator[Record]:
        """All records at or above the offset `start`. Raises `UnreadableBatchError`."""
        try:
            for piece in self.pieces:
                yield from _from(start, read_batch(piece))
        except UnreadableBatchError as error:
            raise UnreadableBatchError(f"{self._tp.topic}-{self._tp.partition}: {error}") from None


def _from(start: int, records: Iterable[Record]) -> Iterator[Record]:
    return (record for record in records if record.offset >= start)


def bounded(batch: Any, data: memoryview) -> Any:
    """The batch, or a replacement if it may expand to more than the memory limit."""
    codec = batch.compression_type
    if not codec or surely_fits(codec, data[_HEAD_BYTES:]):
        return batch
    return _Large(batch.base_offset, data)


class _Legacy:
    """A batch of format 0 or 1. Its first offset is not known before it is read: it may be any.

    `compression_type`: 0, as it is read within bounds anyway.
    """

    base_offset = 0
    producer_id = None
    compression_type = 0
    is_control_batch = is_transactional = False

    def __init__(self, data: memoryview) -> None:
        self._data = data
        self.next_offset: int = _OFFSET.unpack_from(data)[0] + 1

    def validate_crc(self) -> bool:
        """Whether its bytes are those that its producer sent."""
        crc: int = _CRC.unpack_from(self._data, _OVERHEAD)[0]
        return zlib.crc32(self._data[_MAGIC_AT:]) == crc

    def __iter__(self) -> Iterator[Record]:
        return read_batch(self._data)


class _Large:
    """A compressed batch that may expand to more than the memory limit."""

    def __init__(self, base_offset: int, data: memoryview) -> None:
        self.base_offset = base_offset
        self._data = data

    def __iter__(self) -> Iterator[Any]:
        head = bytearray(self._data[:_HEAD_BYTES])
        codec = head[_ATTRIBUTES_AT + 1] & _CODEC
        head[_ATTRIBUTES_AT + 1] &= ~_CODEC & 0xFF
        try:
            body = expand(codec, self._data[_HEAD_BYTES:])
        except ExpandError as error:
            raise UnreadableBatchError(str(error)) from None
        return iter(DefaultRecordBatch(b"".join((head, body))))


# The only place to make aiokafka keep a fetch's bytes: its fetcher creates these objects.
aiokafka_fetcher.MemoryRecords = FetchedBytes
