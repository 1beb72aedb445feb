"""What the audit found, on ops.alarms: raised when a view is wrong, cleared when it is proved right again."""

from __future__ import annotations

from streams import logs
from streams.clock import SYSTEM_CLOCK
from streams.errors import ErrorCode
from streams.kafka.client import reading
from streams.kafka.records import records_from
from streams.kafka.topology import partitions_of
from streams.roles.alarms import send_alarm
from streams.settings import Settings
from tables.gates.alarm_log import AlarmLog
from tables.gates.alarms import AUDIT, audit_alarm, decode_alarm

CODE = ErrorCode.QUALITY_CHECK_FAILED


class AuditAlarms:
    """Of one auditor. What is open on ops.alarms when it begins was raised by one before it, and is cleared
    by this one."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._open: set[str] = set()

    async def read(self) -> None:
        """Find out which are open. Raises aiokafka's errors."""
        seen = AlarmLog()
        partitions = await partitions_of(self._settings, [self._settings.topic("ops.alarms")])
        async with reading(self._settings) as consumer:
            consumer.assign(partitions)
            async for record in records_from(consumer, await consumer.beginning_offsets(partitions)):
                alarm = decode_alarm(record.value)
                if alarm is not None and alarm.alarm_id.startswith(AUDIT):
                    seen.take(alarm)
        self._open = {one.raised.subject for one in seen.newest_first(lambda one: one.cleared is None)}

    async def wrong(self, view: str, detail: str) -> None:
        """A view is not what its definition gives; an alarm that is open is not sent again."""
        logs.emit(CODE, f"{view}: {detail}", subject=view)
        if view not in self._open:
            await self._send(view, detail, raised=True)
            self._open.add(view)

    async def right(self, view: str) -> None:
        """A view has been proved."""
        if view in self._open:
            await self._send(view, "it is what its definition gives again", raised=False)
            self._open.discard(view)

    async def _send(self, view: str, detail: str, *, raised: bool) -> None:
        at_us = SYSTEM_CLOCK.wall_us()
        alarm = audit_alarm(view, detail, raised=raised, code=CODE.name, severity=CODE.severity, at_us=at_us)
        await send_alarm(self._settings, alarm)
