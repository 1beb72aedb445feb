"""The alarms that there were, from the records of `ops.alarms` in their order."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import NamedTuple

from tables.gates.alarms import Alarm

MOST_CLEARED = 10_000


class AlarmSeen(NamedTuple):
    """One alarm. `raised`: its first record; `cleared`: that of its clearing, None while it is open."""

    raised: Alarm
    cleared: Alarm | None


class AlarmLog:
    """All open alarms, and the newest `MOST_CLEARED` of the others."""

    def __init__(self) -> None:
        self._open: dict[str, AlarmSeen] = {}
        self._cleared: dict[str, AlarmSeen] = {}

    def take(self, alarm: Alarm) -> None:
        """The next record. An alarm may be repeated, and raised again after it was cleared."""
        seen = self._open.get(alarm.alarm_id)
        if alarm.state == "raised":
            if seen is None:
                self._open[alarm.alarm_id] = AlarmSeen(alarm, None)
            return
        if seen is None:
            known = self._cleared.pop(alarm.alarm_id, None)  # or its raising is no longer kept
            seen = known or AlarmSeen(alarm, None)
        self._open.pop(alarm.alarm_id, None)
        self._cleared.pop(alarm.alarm_id, None)
        self._cleared[alarm.alarm_id] = seen._replace(cleared=alarm)
        if len(self._cleared) > MOST_CLEARED:
            del self._cleared[next(iter(self._cleared))]

    def newest_first(self, wanted: Callable[[AlarmSeen], bool]) -> Iterator[AlarmSeen]:
        """Those that are wanted: open ones first, then by when they were raised."""
        for alarms in (self._open, self._cleared):
            found = filter(wanted, alarms.values())
            yield from sorted(found, key=lambda seen: (seen.raised.at, seen.raised.alarm_id), reverse=True)
