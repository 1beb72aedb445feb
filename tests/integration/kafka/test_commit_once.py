"""Offsets committed for lag tools: what a consumer's request ends with is always retrieved."""

from __future__ import annotations

import asyncio
import gc
from typing import Any

import pytest
from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import IllegalGenerationError

from streams.embedded.broker import EmbeddedKafka
from streams.kafka.client import commit_once
from tests.support.kafka import create_topics, wait_until


async def test_it_is_committed_and_a_cancelled_one_leaves_no_error_behind(
    kafka: EmbeddedKafka, prefix: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    topic = f"{prefix}topic"
    await create_topics(kafka.bootstrap, topic)
    consumer = AIOKafkaConsumer(
        topic, bootstrap_servers=kafka.bootstrap, group_id=f"{prefix}group", enable_auto_commit=False
    )
    await consumer.start()
    try:
        tp = TopicPartition(topic, 0)
        await wait_until(lambda: tp in consumer.assignment(), "the partition is assigned")
        await commit_once(consumer, {tp: (7, "seven")})
        assert await consumer.committed(tp) == 7
        sent, answered = asyncio.Event(), asyncio.Event()

        async def refused(_: Any) -> None:
            sent.set()
            await answered.wait()
            raise IllegalGenerationError

        monkeypatch.setattr(consumer._coordinator, "_send_req", refused)
        committing = asyncio.create_task(commit_once(consumer, {tp: (8, "")}))
        await asyncio.wait_for(sent.wait(), 10)
        committing.cancel()
        await asyncio.wait([committing], timeout=10)
        assert committing.cancelled()
        answered.set()
        for _ in range(10):
            await asyncio.sleep(0)
        gc.collect()  # a task that was left alone says here what it ended with
        monkeypatch.undo()
    finally:
        await consumer.stop()
