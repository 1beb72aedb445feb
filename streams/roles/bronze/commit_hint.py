"""The consumer group's offsets of the bronze role: for lag tools, and a hint where the newest commit is.

An offset is committed with the first offset of the newest range as its metadata, so that a worker that begins
need not list every commit there is. Nothing rests on it: what the store says counts.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from aiokafka import TopicPartition
from faust.types import TP

from agents.bronze.commit import Hint
from agents.bronze.files import Commit
from streams.faust.transport import BatchConsumerThread


async def publish(thread: BatchConsumerThread, newest: Mapping[TP, Commit]) -> None:
    """Commit where these partitions are. Raises `KafkaError`, `TimeoutError`."""
    await thread.ask(_publish(thread, newest))


async def _publish(thread: BatchConsumerThread, newest: Mapping[TP, Commit]) -> None:
    consumer = thread._ensure_consumer()
    owned = consumer.assignment()
    offsets = {
        TopicPartition(*tp): (commit.next, str(commit.first)) for tp, commit in newest.items() if tp in owned
    }
    if offsets:
        await consumer.commit(offsets)


async def hint_of(thread: BatchConsumerThread, tp: TP) -> Hint | None:
    """What the group's offset says, or None where it is of no use. Raises `KafkaError`, `TimeoutError`."""
    return await thread.ask(_hint_of(thread, TopicPartition(*tp)))


async def _hint_of(thread: BatchConsumerThread, tp: TopicPartition) -> Hint | None:
    coordinator: Any = thread._ensure_consumer()._coordinator
    committed = (await coordinator.fetch_committed_offsets([tp])).get(tp)
    if committed is None or not committed.metadata.isdecimal():
        return None
    return Hint(int(committed.metadata), committed.offset)
