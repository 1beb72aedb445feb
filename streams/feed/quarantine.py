"""Writes bad records to the quarantine (docs/contract.md §1), in a transaction: none may block its partition.

A record that Kafka accepts from its producer can be too large for the quarantine: its producer compressed it
better, or the quarantine's limit is lower. Then its value is truncated, its key if that is what does not fit,
and last its producer's headers: what remains says where the full record is.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from hashlib import sha256
from typing import Any

from aiokafka import AIOKafkaProducer, TopicPartition
from aiokafka.errors import KafkaError, MessageSizeTooLargeError

from agents.quarantine.source_headers import PREFIX, TRUNCATED, Header
from streams.kafka.client import send_batch
from streams.kafka.record_size import TOO_LARGE, LargestBatch, forget_refused, name_topic, packed_bytes

log = logging.getLogger(__name__)

Record = tuple[bytes | None, bytes | None, list[Header]]
"""Key, value and headers."""

LARGE_BYTES = 512 << 10
"""Up to this a record is sent without asking what the quarantine takes: less than any Kafka's default."""
DETAIL_BYTES = 64


class QuarantineWriter:
    """Sends to a partition of the quarantine, one batch after the other, in the order of the records.

    A batch that Kafka has refused for its size is not part of the transaction, which continues without it.
    """

    def __init__(self, producer: AIOKafkaProducer, topic: str, partition: int, largest: LargestBatch) -> None:
        self._producer = producer
        self._tp = TopicPartition(topic, partition)
        self._largest = largest
        self.cut = 0

    async def send(self, records: Sequence[Record], now_ms: int) -> None:
        """Returns when all are acknowledged; `cut` counts the truncated ones. Raises Kafka's errors."""
        batch, part = self._producer.create_batch(), list[Record]()
        for record in records:
            if _size(record) > LARGE_BYTES:
                await self._submit(batch, part, now_ms)
                await self._send_alone(record, now_ms)
                batch, part = self._producer.create_batch(), []
                continue
            while not _append(batch, record, now_ms):
                await self._submit(batch, part, now_ms)
                batch, part = self._producer.create_batch(), []
            part.append(record)
        await self._submit(batch, part, now_ms)

    async def _submit(self, batch: Any, part: list[Record], now_ms: int) -> None:
        """Send a batch, and record by record what Kafka refuses as one batch."""
        if not part:
            return
        refused = await self._refused(batch)
        if refused is not None:
            for record in part:
                await self._send_alone(record, now_ms)

    async def _send_alone(self, record: Record, now_ms: int) -> None:
        refused = await self._try(record, now_ms)
        if refused is None:
            return
        for smaller in smaller_ones(record):
            if await self._try(smaller, now_ms) is None:
                self.cut += 1
                return
        raise refused

    async def _try(self, record: Record, now_ms: int) -> KafkaError | None:
        """Send a record in a batch of its own; returns the error if it was refused for its size."""
        if _size(record) > LARGE_BYTES:
            limit = await self._largest.ask()
            if _size(record) > limit and (size := await asyncio.to_thread(packed_bytes, *record)) > limit:
                refused: KafkaError = MessageSizeTooLargeError()
                name_topic(refused, self._tp.topic, size)
                return refused
        batch = self._producer.create_batch()
        _append(batch, record, now_ms)
        return await self._refused(batch)

    async def _refused(self, batch: Any) -> KafkaError | None:
        answer = await send_batch(self._producer, batch, *self._tp)
        try:
            await answer
        except TOO_LARGE as refused:
            error: KafkaError = refused
            forget_refused(self._producer, self._tp, batch.record_count())
            name_topic(error, self._tp.topic, batch.size())
            return error
        except Exception as error:
            name_topic(error, self._tp.topic, batch.size())
            raise
        return None


def smaller_ones(record: Record) -> list[Record]:
    """The record without the largest of value, key and producer's headers, then the next, then any."""
    key, value, headers = record
    sizes = {
        "key": len(key or b""),
        "value": len(value or b""),
        "headers": _size((None, None, _own(headers))),
    }
    made: list[Record] = []
    told: list[Header] = []
    for part in sorted(sizes, key=lambda part: -sizes[part]):
        if part == "value" and value:
            told += [("truncated", _decimal(value)), ("sha256", _digest(value))]
            value = b""
        elif part == "key" and key:
            told += [("key_truncated", _decimal(key)), ("key_sha256", _digest(key))]
            key = None
        elif part == "headers":
            headers = _without_own(headers)
        made.append((key, value, headers + told))
    return made


def _own(headers: list[Header]) -> list[Header]:
    """The producer's headers."""
    return [header for header in headers if header[0].startswith(PREFIX)]


def _without_own(headers: list[Header]) -> list[Header]:
    """Sluice's own headers, as short as possible."""
    missing = sum(int(text or 0) if name == TRUNCATED else name.startswith(PREFIX) for name, text in headers)
    kept = [
        (name, text[:DETAIL_BYTES] if name == "detail" and text else text)
        for name, text in headers
        if not name.startswith(PREFIX) and name != TRUNCATED
    ]
    return kept + ([(TRUNCATED, b"%d" % missing)] if missing else [])


def _append(batch: Any, record: Record, now_ms: int) -> bool:
    key, value, headers = record
    return batch.append(timestamp=now_ms, key=key, value=value, headers=headers) is not None


def _size(record: Record) -> int:
    key, value, headers = record
    return (
        128
        + len(key or b"")
        + len(value or b"")
        + sum(len(name) * 4 + len(text or b"") + 20 for name, text in headers)
    )


def _decimal(data: bytes | None) -> bytes:
    return b"%d" % len(data or b"")


def _digest(data: bytes | None) -> bytes:
    return sha256(data or b"").hexdigest().encode()
