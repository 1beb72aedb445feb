"""One record, written by a producer of its own: of what is rare, such as alarms and decisions."""

from __future__ import annotations

from aiokafka import AIOKafkaProducer

from streams.kafka.client import client_kwargs, stop_quietly
from streams.settings import Settings


async def send_record(settings: Settings, topic: str, key: bytes, value: bytes) -> None:
    """Write it to partition 0; returns once it is acknowledged by all replicas in sync. Raises aiokafka's
    errors, and OSError."""
    producer = AIOKafkaProducer(**client_kwargs(settings), client_id="sluice", enable_idempotence=True)
    try:
        await producer.start()
        await producer.send_and_wait(topic, key=key, value=value, partition=0)
    finally:
        await stop_quietly(producer)
