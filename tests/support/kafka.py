"""What tests need of a Kafka: topics, raw records in, committed records out, and waiting without sleeping."""

from __future__ import annotations

import asyncio
import inspect
import time
from collections.abc import Awaitable, Callable, Iterable, Iterator
from typing import Any, NamedTuple, TypeVar

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewTopic

import streams.kafka.fetched_bytes  # noqa: F401 - what is read back may have any headers and be of any format
from streams.embedded.broker import EmbeddedKafka
from streams.kafka.client import started
from tests.support.patience import PATIENCE

POLL_SECONDS = 0.02


class Raw(NamedTuple):
    """A record to send as it is: bytes, and a Kafka timestamp in ms (None: now)."""

    value: bytes | None
    key: bytes | None = None
    timestamp_ms: int | None = None
    partition: int = 0
    headers: tuple[tuple[str, bytes | None], ...] = ()


class Read(NamedTuple):
    """A record as it was read back."""

    partition: int
    offset: int
    timestamp_ms: int
    key: bytes | None
    value: bytes | None
    headers: tuple[tuple[str, bytes | None], ...]


async def create_topics(bootstrap: str, *names: str, partitions: int = 1, **config: str | int) -> None:
    """Make topics, with settings such as `cleanup_policy="compact"` (underscores for dots)."""
    settings = {name.replace("_", "."): str(value) for name, value in config.items()}
    topics = [NewTopic(name, partitions, 1, topic_configs=settings) for name in names]
    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap)
    await admin.start()
    try:
        answer = await admin.create_topics(topics)
    finally:
        await admin.close()
    errors = [error for error in answer.topic_errors if error[1] != 0]
    assert not errors, f"topics not made: {errors}"


async def produce(bootstrap: str, topic: str, records: Iterable[Raw], **producer_kwargs: Any) -> list[int]:
    """Send the records in order, each to its partition; returns their offsets once all are acknowledged."""
    producer = await started(AIOKafkaProducer(bootstrap_servers=bootstrap, acks="all", **producer_kwargs))
    try:
        sent = [
            await producer.send(
                topic, record.value, key=record.key, partition=record.partition,
                timestamp_ms=record.timestamp_ms, headers=list(record.headers),
            )
            for record in records
        ]  # fmt: skip
        return [metadata.offset for metadata in await asyncio.gather(*sent)]
    finally:
        await producer.stop()


async def read_all(bootstrap: str, topic: str, *, isolation_level: str = "read_committed") -> list[Read]:
    """The topic's records from the first to its end now, by partition and offset.

    With a transaction open, a read_committed reader's end is where that transaction began.
    """
    consumer = AIOKafkaConsumer(
        bootstrap_servers=bootstrap, isolation_level=isolation_level, enable_auto_commit=False, group_id=None
    )
    await started(consumer)
    try:
        return await _read_to_end(consumer, topic)
    finally:
        await consumer.stop()


async def _read_to_end(consumer: AIOKafkaConsumer, topic: str) -> list[Read]:
    partitions = [TopicPartition(topic, number) for number in sorted(await _partitions(consumer, topic))]
    consumer.assign(partitions)
    await consumer.seek_to_beginning(*partitions)
    ends = await consumer.end_offsets(partitions)
    read: list[Read] = []
    for partition in partitions:
        # The position passes control records too: it reaches the end also behind a transaction marker.
        while await consumer.position(partition) < ends[partition]:
            batches = await consumer.getmany(timeout_ms=100)
            read += [_read(record) for records in batches.values() for record in records]
    return sorted(record for record in read if record.offset < ends[TopicPartition(topic, record.partition)])


def _read(record: Any) -> Read:
    return Read(
        record.partition, record.offset, record.timestamp, record.key, record.value, tuple(record.headers)
    )


async def _partitions(consumer: AIOKafkaConsumer, topic: str) -> set[int]:
    found: set[int] = set()

    async def known() -> bool:
        await consumer._client.force_metadata_update()
        found.update(consumer._client.cluster.partitions_for_topic(topic) or ())
        return bool(found)

    await wait_until(known, f"topic {topic} to exist")
    return found


B = TypeVar("B", bound=EmbeddedKafka)


def running(broker: B) -> Iterator[B]:
    """For fixtures: a broker that is started, and stopped at the end."""
    broker.start()
    try:
        yield broker
    finally:
        broker.stop()


async def wait_until(
    condition: Callable[[], Any] | Callable[[], Awaitable[Any]], what: str = "", *, seconds: float = 30.0
) -> Any:
    """Wait until `condition()` (plain or a coroutine) is true; returns its value.

    `seconds`: how long at most, on a machine that has time.
    """
    seconds *= PATIENCE
    deadline = time.monotonic() + seconds
    while True:
        value = condition()
        if inspect.isawaitable(value):
            value = await value
        if value:
            return value
        assert time.monotonic() < deadline, f"waited {seconds:g} s in vain for {what or condition}"
        await asyncio.sleep(POLL_SECONDS)
