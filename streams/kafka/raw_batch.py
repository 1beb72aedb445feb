"""A record batch with a header name that is not UTF-8, which aiokafka's builder does not accept."""

from __future__ import annotations

import struct
from collections.abc import Sequence

from aiokafka.record.util import calc_crc32c, encode_varint

RawHeader = tuple[bytes, bytes | None]
_HEAD = struct.Struct(">qiibI")
_REST = struct.Struct(">hiqqqhii")
_AFTER_LENGTH = 12
_TRANSACTIONAL = 0x10


class RawBatch:
    """One record as a batch that `AIOKafkaProducer.send_batch` accepts: full, and not compressed."""

    def __init__(
        self,
        timestamp_ms: int,
        key: bytes | None,
        value: bytes | None,
        headers: Sequence[RawHeader],
        *,
        transactional: bool = False,
    ) -> None:
        self._attributes = _TRANSACTIONAL if transactional else 0
        self._timestamp_ms = timestamp_ms
        self._record = _record(key, value, headers)
        self._producer = (-1, -1, -1)
        self._built: bytearray | None = None

    def append(self, **_: object) -> None:
        """No more records fit."""

    def close(self) -> None:
        """No-op: it is closed from the beginning."""

    def closed(self) -> bool:
        """Always."""
        return True

    def record_count(self) -> int:
        """One."""
        return 1

    def size(self) -> int:
        """Bytes of the batch."""
        return _HEAD.size + _REST.size + len(self._record)

    def _set_producer_state(self, producer_id: int, producer_epoch: int, base_sequence: int) -> None:
        self._producer = (producer_id, producer_epoch, base_sequence)

    def _build(self) -> bytearray:
        if self._built is None:
            times = self._timestamp_ms, self._timestamp_ms
            rest = _REST.pack(self._attributes, 0, *times, *self._producer, 1) + self._record
            crc = calc_crc32c(rest)
            head = _HEAD.pack(0, _HEAD.size + len(rest) - _AFTER_LENGTH, -1, 2, crc)
            self._built = bytearray(head + rest)
        return self._built


def _record(key: bytes | None, value: bytes | None, headers: Sequence[RawHeader]) -> bytes:
    body = bytearray(3)  # attributes, and no distance to the batch's time and offset
    for part in (key, value):
        _add(body, part)
    encode_varint(len(headers), body.append)
    for name, text in headers:
        _add(body, name)
        _add(body, text)
    whole = bytearray()
    encode_varint(len(body), whole.append)
    return bytes(whole + body)


def _add(body: bytearray, part: bytes | None) -> None:
    encode_varint(-1 if part is None else len(part), body.append)
    body += part or b""
