"""Alarms of others than the gates: sent plainly, before the checkpoint that rests on them, so none is lost.

One that is sent again after a crash has the same `alarm_id`.
"""

from __future__ import annotations

import asyncio
import logging
import time

from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError

from streams import logs
from streams.bus.client import client_kwargs
from streams.errors import ErrorCode
from streams.settings import Settings
from tables.alarms import Alarm, encode_alarm, lost_alarm

log = logging.getLogger(__name__)

SEND_SECONDS = 10.0


async def send_alarm(settings: Settings, alarm: Alarm) -> None:
    """Write one record to ops.alarms. What hinders it hinders nobody else: it is counted and logged."""
    key, value = encode_alarm(alarm)
    producer = AIOKafkaProducer(**client_kwargs(settings), client_id="sluice", enable_idempotence=True)
    try:
        async with asyncio.timeout(SEND_SECONDS):
            await producer.start()
            await producer.send_and_wait(settings.topic("ops.alarms"), key=key, value=value, partition=0)
    except (KafkaError, OSError, TimeoutError) as error:
        message = f"alarm {alarm.alarm_id} could not be written: {type(error).__name__}"
        logs.emit(ErrorCode.EVENT_PUT_FAILED, message, topic=settings.topic("ops.alarms"))
    finally:
        try:
            async with asyncio.timeout(1.0):
                await producer.stop()
        except Exception as error:  # noqa: BLE001 - what there was to tell has been told
            log.debug("closing a producer: %r", error)


async def raise_lost(
    settings: Settings, role: str, topic: str, partition: int, lost: tuple[int, int]
) -> None:
    """Kafka deleted the offsets [from, to) of a source partition before `role` had read them.

    It is the lag that went too far, so it is PIPELINE_LAG_EXCEEDED: counted, logged and on ops.alarms.
    """
    code = ErrorCode.PIPELINE_LAG_EXCEEDED
    alarm = lost_alarm(
        role, topic, partition, lost, code=code.name, severity=code.severity, at_us=time.time_ns() // 1000
    )
    logs.emit(code, alarm.detail, subject=alarm.subject)
    await send_alarm(settings, alarm)
