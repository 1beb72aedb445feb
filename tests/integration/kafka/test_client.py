"""A client that is cancelled while it starts or stops is released all the same."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer

from streams.embedded.broker import EmbeddedKafka
from streams.kafka.client import started, stop_quietly


async def turns(count: int) -> None:
    """Let the loop go round so many times."""
    for _ in range(count):
        await asyncio.sleep(0)


@pytest.mark.parametrize("make", [AIOKafkaProducer, AIOKafkaConsumer])
@pytest.mark.parametrize("between", [0, 1, 3])
async def test_a_start_is_cancelled_twice(
    kafka: EmbeddedKafka, make: Callable[..., Any], between: int
) -> None:
    for before in (0, 1, 2):  # later, aiokafka may lose a connection that it has just made
        client = make(bootstrap_servers=kafka.bootstrap)
        starting = asyncio.create_task(started(client))
        await turns(before + 1)  # a task that has not begun has nothing to release
        starting.cancel()
        await turns(between)
        starting.cancel()
        await asyncio.wait([starting])
        assert starting.cancelled()
        assert client._closed, f"cancelled after {before} turns"


@pytest.mark.parametrize("make", [AIOKafkaProducer, AIOKafkaConsumer])
async def test_a_stop_is_cancelled_at_once(kafka: EmbeddedKafka, make: Callable[..., Any]) -> None:
    client = await started(make(bootstrap_servers=kafka.bootstrap))

    async def cancelled() -> None:
        task = asyncio.current_task()
        assert task is not None
        task.cancel()  # comes at the first step that waits
        await stop_quietly(client)

    with pytest.raises(asyncio.CancelledError):
        await asyncio.create_task(cancelled())
    assert client._closed
