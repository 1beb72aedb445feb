"""Partitions that are behind: an alarm is raised over SLUICE_STALE_SECONDS, and cleared under half of it.

Who owns a partition tells of it; the leader of the gates does where nobody does. Each reads `ops.alarms`
before it judges a partition for the first time: what is open was raised by somebody before it.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterable, Mapping

from aiokafka.errors import KafkaError
from faust.types import TP

from streams import logs
from streams.clock import SYSTEM_CLOCK
from streams.errors import ErrorCode
from streams.kafka.client import reading
from streams.kafka.records import records_from
from streams.kafka.refusals import in_words
from streams.kafka.topology import partitions_of
from streams.roles.alarms import AlarmQueue
from streams.settings import Settings
from streams.shutdown import cancelled
from tables.gates.alarms import Alarm, decode_alarm, lag_alarm

log = logging.getLogger(__name__)

CODE = ErrorCode.PIPELINE_LAG_EXCEEDED
CLEARS_BELOW = 0.5
"""Of the limit: lag that is about as long as it may be is told of once."""


class LagAlarms:
    """Of one process and one consumer group."""

    def __init__(self, settings: Settings, role: str) -> None:
        self._settings = settings
        self._group = settings.group(role)
        self._queue = AlarmQueue(settings, f"lag alarms of {role}")
        self._open: dict[TP, bool] = {}
        """Of each partition that is looked at, whether its alarm is open."""
        self._reading: asyncio.Task[None] | None = None

    def look(self, ages: Mapping[TP, float], looked_after: Iterable[TP], why: str = "is behind") -> None:
        """Judge partitions by the age of what is not written, in seconds; alarms are sent in the background.
        `looked_after`: all that are this process's; what it no longer has is somebody else's to tell of."""
        kept = set(looked_after)
        self._open = {tp: is_open for tp, is_open in self._open.items() if tp in kept}
        if kept - self._open.keys():
            self._learn(kept)
        limit = self._settings.stale_seconds
        for tp, seconds in ages.items():
            is_open = self._open.get(tp)
            if is_open is False and seconds > limit:
                self._tell(tp, seconds, why, raised=True)
            elif is_open and seconds <= limit * CLEARS_BELOW:
                self._tell(tp, seconds, why, raised=False)

    def _tell(self, tp: TP, seconds: float, why: str, *, raised: bool) -> None:
        self._open[tp] = raised
        alarm = lag_alarm(
            self._group, *tp, seconds, why, raised=raised, code=CODE.name, severity=CODE.severity,
            at_us=SYSTEM_CLOCK.wall_us(),
        )  # fmt: skip
        if raised:
            logs.emit(CODE, alarm.detail, subject=alarm.subject)
        self._queue.put(alarm)

    def _learn(self, tps: set[TP]) -> None:
        """Find out in the background which alarms are open; until then these partitions are not judged."""
        if self._reading is None or self._reading.done():
            self._reading = asyncio.create_task(self._read(tps), name="open lag alarms")

    async def _read(self, tps: set[TP]) -> None:
        try:
            found = await _open_alarms(self._settings, f"lag/{self._group}/")
        except (KafkaError, OSError) as error:  # the next look begins anew
            log.warning("reading the alarms: %s", in_words(error))
            return
        for tp in tps - self._open.keys():
            self._open[tp] = f"lag/{self._group}/{tp.topic}/{tp.partition}" in found

    async def close(self) -> None:
        """What is not sent yet is told by who looks after the partition next."""
        if self._reading is not None:
            await cancelled(self._reading)
        await self._queue.close()


async def _open_alarms(settings: Settings, begins: str) -> dict[str, Alarm]:
    """The open alarms whose id begins so. Raises aiokafka's errors."""
    found: dict[str, Alarm] = {}
    partitions = await partitions_of(settings, [settings.topic("ops.alarms")])
    async with reading(settings) as consumer:
        consumer.assign(partitions)
        async for record in records_from(consumer, await consumer.beginning_offsets(partitions)):
            alarm = decode_alarm(record.value)
            if alarm is None or not alarm.alarm_id.startswith(begins):
                continue
            if alarm.state == "raised":
                found[alarm.alarm_id] = alarm
            else:
                found.pop(alarm.alarm_id, None)
    return found
