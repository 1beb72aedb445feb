"""A step that needs Kafka, while Kafka is away."""

from __future__ import annotations

import socket

import pytest
from aiokafka import AIOKafkaConsumer
from aiokafka.errors import KafkaConnectionError

from streams.kafka.client import stop_quietly
from streams.kafka.retried import retried


async def test_a_consumer_is_started_again_until_kafka_answers() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        nowhere = taken.getsockname()[1]
    done: list[str] = []

    async def start() -> None:
        if done.count("undone") == 2:
            done.append("started")
            return
        consumer = AIOKafkaConsumer(bootstrap_servers=f"127.0.0.1:{nowhere}")
        try:
            await consumer.start()
        except KafkaConnectionError:
            done.append("undone")
            raise
        finally:
            await stop_quietly(consumer)

    await retried("starting to consume", start, (KafkaConnectionError,))
    assert done == ["undone", "undone", "started"]


async def test_another_error_ends_it() -> None:
    async def fails() -> None:
        raise OSError("of another kind")

    with pytest.raises(OSError, match="of another kind"):
        await retried("looking", fails, (KafkaConnectionError,))
