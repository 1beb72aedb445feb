"""The alarms that there were, from the records of `ops.alarms` and `ops.acks` in their order."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import NamedTuple

from schemas.times import instant_us
from tables.gates.acks import Ack
from tables.gates.alarms import Alarm

MOST_CLEARED = 10_000


class AlarmSeen(NamedTuple):
    """One alarm. `raised`: its first record; `cleared`: that of its clearing, None while it is open; `ack`:
    who has taken it on, None while nobody has."""

    raised: Alarm
    cleared: Alarm | None
    ack: Ack | None = None


class AlarmLog:
    """All open alarms, and the newest `MOST_CLEARED` of the others."""

    def __init__(self) -> None:
        self._open: dict[str, AlarmSeen] = {}
        self._cleared: dict[str, AlarmSeen] = {}
        self._acks: dict[str, Ack] = {}

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

    def take_ack(self, alarm_id: str, ack: Ack | None) -> None:
        """The next record of who has taken an alarm on; None: it says so no more."""
        if ack is None:
            self._acks.pop(alarm_id, None)
        else:
            self._acks[alarm_id] = ack

    def open(self, alarm_id: str) -> AlarmSeen | None:
        """An alarm that has not been cleared."""
        seen = self._open.get(alarm_id)
        return None if seen is None else self._with_ack(seen)

    def _with_ack(self, seen: AlarmSeen) -> AlarmSeen:
        """An ack is of what was open then: an alarm may be raised again later, with the same id."""
        ack = self._acks.get(seen.raised.alarm_id)
        if ack is None or not ack.is_of(seen.raised):
            return seen
        over = seen.cleared is not None and instant_us(seen.cleared.at) < instant_us(ack.at)
        return seen if over else seen._replace(ack=ack)

    def newest_first(self, wanted: Callable[[AlarmSeen], bool]) -> Iterator[AlarmSeen]:
        """Those that are wanted: open ones first, then by when they were raised."""
        for alarms in (self._open, self._cleared):
            found = map(self._with_ack, filter(wanted, alarms.values()))
            yield from sorted(found, key=lambda seen: (seen.raised.at, seen.raised.alarm_id), reverse=True)
