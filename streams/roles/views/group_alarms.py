"""Views that have as many groups as they may: what they sum as `_other` is counted, and raises an alarm."""

from __future__ import annotations

from collections.abc import Mapping

from faust.types import TP

from streams import logs, metrics
from streams.clock import SYSTEM_CLOCK
from streams.errors import ErrorCode
from streams.roles.alarms import AlarmQueue
from streams.roles.views.partition import ViewsPartition
from streams.settings import Settings
from tables.gates.alarms import full_alarm

CODE = ErrorCode.QUALITY_CHECK_FAILED

Key = tuple[str, TP]
"""A view, by its name in the checkpoint, and a source partition."""


class GroupAlarms:
    """Of one worker. An alarm is raised when a view first has no room on a partition, and cleared when it has
    some again. A worker that takes a partition over raises it anew, with the same id."""

    def __init__(self, settings: Settings) -> None:
        self._raised: set[Key] = set()
        self._queue = AlarmQueue(settings, "group alarms")

    def look(self, owned: Mapping[TP, ViewsPartition]) -> None:
        """Count, and have alarms sent in the background."""
        for tp, partition in owned.items():
            for view, limit in partition.projector.state.group_limits().items():
                if limit.summed:
                    metrics.OTHER_GROUPS.labels(view.partition("@")[0]).inc(limit.summed)
                    limit.summed = 0
                if limit.is_full != ((view, tp) in self._raised):
                    self._tell(view, tp, raised=limit.is_full)
        self._raised = {key for key in self._raised if key[1] in owned}

    def _tell(self, view: str, tp: TP, *, raised: bool) -> None:
        (self._raised.add if raised else self._raised.discard)((view, tp))
        at_us = SYSTEM_CLOCK.wall_us()
        alarm = full_alarm(view, *tp, raised=raised, code=CODE.name, severity=CODE.severity, at_us=at_us)
        if raised:
            logs.emit(CODE, alarm.detail, subject=alarm.subject)
        self._queue.put(alarm)

    async def close(self) -> None:
        """What is not sent yet is raised again by the next owner."""
        await self._queue.close()
