"""What a fetch brought of one partition, as its bytes and as aiokafka's batches, and every way of reading it.

aiokafka's compiled reader decodes the names of headers while it iterates a batch, and ends at one that is not
UTF-8; of formats 0 and 1 it answers `None` for a timestamp and has no base offset. It stays the reader of all
that it reads. For the rest there are the bytes, which it does not give out: so they are kept here.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from itertools import islice
from typing import Any

from aiokafka import TopicPartition
from aiokafka.consumer import fetcher as aiokafka_fetcher
from aiokafka.record.default_records import DefaultRecordBatch
from aiokafka.record.memory_records import MemoryRecords

from streams.bus.careful import Record, UnreadableBatchError, read_batch
from streams.bus.expand import ExpandError, expand, surely_fits

_HEAD_BYTES = 61
_ATTRIBUTES_AT = 21
_CODEC = 0x07


class FetchedBytes:
    """In the place of aiokafka's `MemoryRecords`: it hands out the same batches, and keeps their bytes."""

    def __init__(self, data: bytes) -> None:
        batches = MemoryRecords(data)
        self.size_in_bytes = batches.size_in_bytes
        self.has_next = batches.has_next
        self._next_batch = batches.next_batch
        self._data = data
        self._count = 0
        self._slices: list[memoryview] | None = None

    def next_numbered(self) -> tuple[int, Any]:
        """The next batch, and its number for `bytes_of`."""
        number = self._count
        self._count += 1
        return number, self._next_batch()

    def next_batch(self) -> Any:
        """The next batch, for aiokafka's own iteration (`getmany`), wrapped so that no header ends this."""
        number, batch = self.next_numbered()
        return batch if batch.is_control_batch else _Wrapped(batch, self.bytes_of(number))

    def bytes_of(self, number: int) -> memoryview:
        """A batch's bytes."""
        if self._slices is None:
            self._slices = list(_slices(memoryview(self._data)))
        return self._slices[number]


def _slices(data: memoryview) -> Iterator[memoryview]:
    at = 0
    while at + 12 <= len(data):
        (length,) = struct.unpack_from(">i", data, at + 8)
        end = at + 12 + length
        if length < 0 or end > len(data):
            return
        yield data[at:end]
        at = end


class _Wrapped:
    """A batch that is iterated once, by whichever reader can."""

    def __init__(self, batch: Any, data: memoryview) -> None:
        self._batch = batch
        self._data = data

    def __getattr__(self, name: str) -> Any:
        return getattr(self._batch, name)

    @property
    def base_offset(self) -> int:
        return getattr(self._batch, "base_offset", 0)

    def __iter__(self) -> Iterator[Any]:
        count = 0
        try:
            for record in _fast(self._batch, self._data):
                yield record
                count += 1
        except Exception:  # noqa: BLE001 - the careful reader says what is wrong, if it cannot read it either
            yield from islice(read_batch(self._data), count, None)


class Batches(list[Any]):
    """The batches of a fetched share that are wanted, each to be iterated once.

    Iterating raises where a batch is not for aiokafka's reader; `careful` then reads what is left.
    """

    def __init__(self, tp: TopicPartition, source: FetchedBytes) -> None:
        super().__init__()
        self._tp = tp
        self._source = source
        self._numbers: list[int] = []

    def add(self, number: int, batch: Any) -> None:
        """Take the next batch of the source; `number`: which one it is there."""
        self._numbers.append(number)
        if type(batch) is DefaultRecordBatch and not batch.compression_type:
            self.append(batch)
        else:
            self.append(_fast(batch, self._source.bytes_of(number)))

    def careful(self, start: int) -> Iterator[Record]:
        """All records at or above the offset `start`. Raises `UnreadableBatchError`."""
        try:
            for number in self._numbers:
                for record in read_batch(self._source.bytes_of(number)):
                    if record.offset >= start:
                        yield record
        except UnreadableBatchError as error:
            raise UnreadableBatchError(f"{self._tp.topic}-{self._tp.partition}: {error}") from None


def _fast(batch: Any, data: memoryview) -> Any:
    """What of the batch is iterated first: itself, where aiokafka reads it in bounded memory."""
    if type(batch) is not DefaultRecordBatch:
        return _Legacy(data)
    codec = batch.compression_type
    if not codec or surely_fits(codec, data[_HEAD_BYTES:]):
        return batch
    return _Large(batch.base_offset, data)


class _Legacy:
    """A batch of format 0 or 1. Its first offset is not known before it is read: it may be any."""

    base_offset = 0

    def __init__(self, data: memoryview) -> None:
        self._data = data

    def __iter__(self) -> Iterator[Record]:
        return read_batch(self._data)


class _Large:
    """A compressed batch that may expand to more than memory is taken for."""

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


# The one place where aiokafka can be made to keep a fetch's bytes: its fetcher makes these objects.
aiokafka_fetcher.MemoryRecords = FetchedBytes
