"""Reading the quarantine topic (docs/contract.md §1): bad records, why they are bad, where they came from."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass
from itertools import chain
from typing import Any, NamedTuple, TypeVar

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import TopicAuthorizationFailedError

import streams.kafka.fetched_bytes  # noqa: F401 - lets aiokafka read whatever names headers have
from agents.quarantine.source_headers import original
from streams.kafka.client import client_kwargs
from streams.kafka.producer import ACCESS, RefusedError, partition_count
from streams.settings import Settings

POLL_MS = 200
LONGEST_NUMBER = 19

T = TypeVar("T", int, None)


class Position(NamedTuple):
    """Where a record is in the quarantine topic; written `partition:offset`."""

    partition: int
    offset: int

    def __str__(self) -> str:
        return f"{self.partition}:{self.offset}"


@dataclass(frozen=True)
class BadRecord:
    """One quarantined record. `topic`, `partition` and `offset` are those of its source.

    `headers`: its producer's own. `truncated`, `key_truncated`: how many bytes its value, its key had before
    they were cut, as they would not fit into the quarantine; None: they are as they came.
    """

    at: Position
    code: str
    reason: str
    field: str
    detail: str
    topic: str
    partition: int
    offset: int
    quarantined_at: str
    key: bytes | None
    value: bytes | None
    headers: tuple[tuple[bytes, bytes | None], ...] = ()
    truncated: int | None = None
    key_truncated: int | None = None

    @property
    def whole(self) -> bool:
        """Whether key and value are as they came."""
        return self.truncated is None and self.key_truncated is None

    @property
    def source(self) -> str:
        """Where it came from: `topic-partition @ offset`."""
        return f"{self.topic}-{self.partition} @ {self.offset}"

    def facts(self) -> dict[str, Any]:
        """All but key and value, for a report."""
        return {
            "id": str(self.at),
            "code": self.code,
            "reason": self.reason,
            "field": self.field,
            "detail": self.detail,
            "topic": self.topic,
            "partition": self.partition,
            "offset": self.offset,
            "quarantined_at": self.quarantined_at,
            "value_bytes": None if self.value is None else len(self.value),
            **({} if self.truncated is None else {"truncated": self.truncated}),
            **({} if self.key_truncated is None else {"key_truncated": self.key_truncated}),
        }


async def bad_records(
    settings: Settings, wanted: Mapping[int, int] | None = None
) -> AsyncGenerator[BadRecord, None]:
    """All committed records of the quarantine topic up to its end of now, partition by partition in order.

    `wanted` reads only these partitions, from these offsets on. Raises `RefusedError` without the topic.
    """
    async with aclosing(committed_records(settings, settings.topic("events.quarantine"), wanted)) as records:
        async for record in records:
            yield _bad_record(record)


async def committed_records(
    settings: Settings, topic: str, wanted: Mapping[int, int] | None = None
) -> AsyncGenerator[Any, None]:
    """A topic's records up to its last stable offset of now, partition by partition in order.

    `wanted` as in `bad_records`. Raises `RefusedError`: without the topic, or without the right to read it.
    """
    known = [TopicPartition(topic, number) for number in range(await partition_count(settings, topic))]
    partitions = [partition for partition in known if wanted is None or partition.partition in wanted]
    if not partitions:
        return
    async with _consumer(settings) as consumer:
        # Assigned once: aiokafka's stop() hangs when an assignment has just been replaced by another.
        consumer.assign(partitions)
        if wanted is None:
            await consumer.seek_to_beginning(*partitions)
        else:
            for partition in partitions:
                consumer.seek(partition, wanted[partition.partition])
        ends = await consumer.end_offsets(partitions)
        for partition in partitions:
            # The position, unlike the records, also passes the marks that end a transaction.
            while await consumer.position(partition) < ends[partition]:
                try:
                    fetched = await consumer.getmany(partition, timeout_ms=POLL_MS)
                except TopicAuthorizationFailedError:
                    raise RefusedError(f"Kafka gives no right to read {topic}{ACCESS}") from None
                for record in chain.from_iterable(fetched.values()):
                    yield record


async def bad_record(settings: Settings, at: Position) -> BadRecord | None:
    """The record at a position; None if there is none. Raises `RefusedError`."""
    async with aclosing(bad_records(settings, {at.partition: at.offset})) as records:
        async for record in records:
            return record if record.at == at else None
    return None


async def first_offsets(settings: Settings) -> dict[int, int]:
    """The first offset that each partition of the quarantine topic still has. Raises `RefusedError`."""
    topic = settings.topic("events.quarantine")
    partitions = [TopicPartition(topic, number) for number in range(await partition_count(settings, topic))]
    async with _consumer(settings) as consumer:
        first = await consumer.beginning_offsets(partitions)
    return {partition.partition: offset for partition, offset in first.items()}


@asynccontextmanager
async def _consumer(settings: Settings) -> AsyncIterator[AIOKafkaConsumer]:
    consumer = AIOKafkaConsumer(
        **client_kwargs(settings),
        client_id="sluice-quarantine",
        isolation_level="read_committed",
        auto_offset_reset="earliest",
        enable_auto_commit=False,
    )
    await consumer.start()
    try:
        yield consumer
    finally:
        await consumer.stop()


def _bad_record(record: Any) -> BadRecord:
    headers = {name: (value or b"").decode(errors="replace") for name, value in reversed(record.headers)}
    return BadRecord(
        at=Position(record.partition, record.offset),
        code=headers.get("code", ""),
        reason=headers.get("reason", ""),
        field=headers.get("field", ""),
        detail=headers.get("detail", ""),
        topic=headers.get("topic", ""),
        partition=_number(headers, "partition", -1),
        offset=_number(headers, "offset", -1),
        quarantined_at=headers.get("quarantined_at", ""),
        key=record.key,
        value=record.value,
        headers=tuple(original(record.headers)),
        truncated=_number(headers, "truncated", None),
        key_truncated=_number(headers, "key_truncated", None),
    )


def _number(headers: Mapping[str, str], name: str, without: T) -> int | T:
    """A header that is a decimal number; others may write to the topic, too."""
    text = headers.get(name, "")
    return int(text) if text.isascii() and text.isdigit() and len(text) <= LONGEST_NUMBER else without
