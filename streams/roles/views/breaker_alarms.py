"""Breakers that trip: an alarm is raised, and cleared with them; metrics say which are tripped."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from functools import partial

from faust.types import TP

from streams import logs, metrics
from streams.clock import SYSTEM_CLOCK
from streams.errors import ErrorCode
from streams.roles.alarms import AlarmQueue
from streams.roles.views.partition import ViewsPartition
from streams.settings import Settings
from tables.fold.breaker import Breaker
from tables.gates.alarms import breaker_alarm

CODE = ErrorCode.QUALITY_CHECK_FAILED


class BreakerAlarms:
    """Of one worker. What was told last of a partition is in its checkpoint: a worker that takes it over
    after a crash tells what it does not know to have been told, with the same id."""

    def __init__(self, settings: Settings) -> None:
        self._told: dict[TP, bool] = {}
        self._measured: set[TP] = set()
        self._queue = AlarmQueue(settings, "breaker alarms")

    def look(self, owned: Mapping[TP, ViewsPartition]) -> None:
        """Measure, and have alarms sent in the background."""
        self._told = {tp: raised for tp, raised in self._told.items() if tp in owned}
        breakers = {tp: partition.projector.state.breaker for tp, partition in owned.items()}
        for tp, breaker in breakers.items():
            if self._told.get(tp, breaker.alarmed) is not breaker.tripped:
                self._tell(tp, breaker)
        self._measure({tp: breaker for tp, breaker in breakers.items() if breaker.is_on})

    def _tell(self, tp: TP, breaker: Breaker) -> None:
        raised = self._told[tp] = breaker.tripped
        alarm = breaker_alarm(
            *tp, breaker.bad, raised=raised, code=CODE.name, severity=CODE.severity,
            at_us=SYSTEM_CLOCK.wall_us(),
        )  # fmt: skip
        if raised:
            logs.emit(CODE, alarm.detail, subject=alarm.subject)
        self._queue.put(alarm, partial(_told, breaker, raised))

    def _measure(self, breakers: Mapping[TP, Breaker]) -> None:
        for tp, breaker in breakers.items():
            metrics.BREAKER.labels(tp.topic, tp.partition).set(breaker.tripped)
        for tp in self._measured - set(breakers):  # another worker measures it now
            with contextlib.suppress(KeyError):
                metrics.BREAKER.remove(tp.topic, tp.partition)
        self._measured = set(breakers)

    async def close(self) -> None:
        """What is not sent yet the next owner tells."""
        await self._queue.close()


def _told(breaker: Breaker, raised: bool) -> None:
    breaker.alarmed = raised
