"""A consumer whose Kafka goes away between the look at it and the start."""

from __future__ import annotations

import socket

from aiokafka import AIOKafkaConsumer

from streams.faust.consumer_start import until_it_answers
from streams.kafka.client import stop_quietly


async def test_it_is_started_again_until_kafka_answers() -> None:
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
        finally:
            await stop_quietly(consumer)

    async def undo() -> None:
        done.append("undone")

    await until_it_answers(start, undo)
    assert done == ["undone", "undone", "started"]
