"""Alarms of roles other than the gates: sent before what depends on them is written, so that none is lost.

An alarm that is sent again after a crash has the same `alarm_id`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from aiokafka.errors import KafkaError

from agents.backoff import Backoff
from streams import logs, metrics
from streams.clock import SYSTEM_CLOCK
from streams.errors import ErrorCode
from streams.kafka.refusals import in_words
from streams.kafka.single_record import send_record
from streams.settings import Settings
from streams.shutdown import cancelled
from tables.gates.alarms import Alarm, encode_alarm, lost_alarm

SEND_SECONDS = 10.0


async def raise_lost(
    settings: Settings, role: str, topic: str, partition: int, lost: tuple[int, int]
) -> None:
    """Kafka deleted the offsets [from, to) of a source partition before `role` had read them.

    The cause is excessive lag, so the code is PIPELINE_LAG_EXCEEDED: counted, logged and on ops.alarms. Await
    it before the loss is recorded: it returns once the alarm is written.
    """
    code = ErrorCode.PIPELINE_LAG_EXCEEDED
    alarm = lost_alarm(
        role, topic, partition, lost, code=code.name, severity=code.severity, at_us=SYSTEM_CLOCK.wall_us()
    )
    logs.emit(code, alarm.detail, subject=alarm.subject)
    metrics.LOST_RECORDS.labels(settings.group(role), topic).inc(lost[1] - lost[0])
    await send_alarm(settings, alarm)


class AlarmQueue:
    """Alarms of one worker that are sent in the background, one after the other. `name`: its task's."""

    def __init__(self, settings: Settings, name: str) -> None:
        self._settings = settings
        self._name = name
        self._unsent: list[tuple[Alarm, Callable[[], None] | None]] = []
        self._sending: asyncio.Task[None] | None = None

    def put(self, alarm: Alarm, sent: Callable[[], None] | None = None) -> None:
        """Have an alarm sent; `sent` is called once it is written."""
        self._unsent.append((alarm, sent))
        if self._sending is None or self._sending.done():
            self._sending = asyncio.create_task(self._send(), name=self._name)

    async def _send(self) -> None:
        while self._unsent:
            alarm, sent = self._unsent[0]
            await send_alarm(self._settings, alarm)
            if sent is not None:
                sent()
            del self._unsent[0]

    async def close(self) -> None:
        """What is not sent yet is left."""
        if self._sending is not None:
            await cancelled(self._sending)


async def send_alarm(settings: Settings, alarm: Alarm) -> None:
    """Write one record to ops.alarms, retrying until it is written; failures are counted and logged."""
    backoff = Backoff()
    while True:
        try:
            async with asyncio.timeout(SEND_SECONDS):
                await send_record(settings, settings.topic("ops.alarms"), *encode_alarm(alarm))
        except (KafkaError, OSError) as error:  # running out of time is an OSError
            failed = f"alarm {alarm.alarm_id} could not be written: {in_words(error)}"
            message = f"{failed}; next try in {backoff.seconds:g} s"
            logs.emit(ErrorCode.EVENT_PUT_FAILED, message, topic=settings.topic("ops.alarms"))
            await backoff.pause()
        else:
            return
