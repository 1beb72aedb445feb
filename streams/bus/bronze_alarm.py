"""The bronze role's one alarm: Kafka has deleted records before they were read."""

from __future__ import annotations

from aiokafka import AIOKafkaProducer

from streams.bus.client import client_kwargs
from streams.settings import Settings
from tables.alarms import Alarm, encode_alarm


async def send_alarm(settings: Settings, alarm: Alarm) -> None:
    """Write one record to ops.alarms, with a producer of its own: it is rare. Raises `KafkaError`.

    It is sent before the commit that records the loss, so no crash swallows it; told twice, it has one id.
    """
    producer = AIOKafkaProducer(**client_kwargs(settings), client_id="sluice", acks="all")
    await producer.start()
    try:
        key, value = encode_alarm(alarm)
        await producer.send_and_wait(settings.topic("ops.alarms"), key=key, value=value)
    finally:
        await producer.stop()
