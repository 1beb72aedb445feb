"""What the audit found, on ops.alarms: raised when a view is wrong, cleared when it is proved right again.

`ops.alarms` keeps records for 30 days: an alarm that stays open is repeated, or it would be forgotten.
"""

from __future__ import annotations

from schemas.times import DAY_US, instant_us
from streams import logs
from streams.clock import SYSTEM_CLOCK, Clock
from streams.errors import ErrorCode
from streams.kafka.client import reading
from streams.kafka.records import records_from
from streams.kafka.topology import partitions_of
from streams.roles.alarms import send_alarm
from streams.settings import Settings
from tables.gates.alarms import AUDIT, audit_alarm, decode_alarm

REPEATED_US = DAY_US
CODE = ErrorCode.QUALITY_CHECK_FAILED


class AuditAlarms:
    """Of one auditor. What is open on ops.alarms when it begins was raised by one before it, and is cleared
    by this one."""

    def __init__(self, settings: Settings, clock: Clock = SYSTEM_CLOCK) -> None:
        self._settings = settings
        self._clock = clock
        self._open: dict[str, int] = {}
        """View → when its alarm was last sent, in µs."""

    async def read(self) -> None:
        """Find out which are open. Raises aiokafka's errors."""
        found: dict[str, int] = {}
        partitions = await partitions_of(self._settings, [self._settings.topic("ops.alarms")])
        async with reading(self._settings) as consumer:
            consumer.assign(partitions)
            async for record in records_from(consumer, await consumer.beginning_offsets(partitions)):
                alarm = decode_alarm(record.value)
                if alarm is None or not alarm.alarm_id.startswith(AUDIT):
                    continue
                if alarm.state == "raised":
                    found[alarm.subject] = instant_us(alarm.at)
                else:
                    found.pop(alarm.subject, None)
        self._open = found

    async def wrong(self, view: str, detail: str) -> None:
        """A view is not what its definition gives; an alarm that is open is sent again after a day."""
        logs.emit(CODE, f"{view}: {detail}", subject=view)
        now_us = self._clock.wall_us()
        sent_us = self._open.get(view)
        if sent_us is None or now_us - sent_us >= REPEATED_US:
            await self._send(view, detail, raised=True)
            self._open[view] = now_us

    async def right(self, view: str) -> None:
        """A view has been proved."""
        if view in self._open:
            await self._send(view, "it is what its definition gives again", raised=False)
            del self._open[view]

    async def _send(self, view: str, detail: str, *, raised: bool) -> None:
        at_us = self._clock.wall_us()
        alarm = audit_alarm(view, detail, raised=raised, code=CODE.name, severity=CODE.severity, at_us=at_us)
        await send_alarm(self._settings, alarm)
