"""Which records of `ops.alarms` and `ops.acks` people are told of.

All of it follows from the records and their times, so that a process that reads them again decides alike.
Nothing here depends on Kafka or on who is told; docs/alarms.md gives the rules.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import NamedTuple

from tables.gates.acks import Ack
from tables.gates.alarms import Alarm

FLAP_MS = 15 * 60_000
MOST_RAISES = 3
"""So many times within `FLAP_MS` people are told that alarms of one code and subject are raised. What is
raised beyond that is told when it is still open by then."""
MOST_CLEARED = 10_000
"""How many alarms that were cleared are known: their clearing may be repeated."""


MOST_SUBJECTS = 1_000
"""How many codes and subjects are remembered before those that are quiet are forgotten."""


class Change(StrEnum):
    """What has become of an alarm."""

    RAISED = "raised"
    REMINDED = "reminded"
    ACKNOWLEDGED = "acknowledged"
    CLEARED = "cleared"


class Source(StrEnum):
    """Where a record is."""

    ALARMS = "ops.alarms"
    ACKS = "ops.acks"


class Mark(NamedTuple):
    """The record that a notice is about: until somebody has been told, it is not done."""

    source: Source
    offset: int


class Notice(NamedTuple):
    """What people are told. `alarm`: its newest record, of its raising or its clearing; `flaps`: how often it
    is held back from now on; `ack`: who has taken it on, if anybody has; `mark`: None of a reminder."""

    change: Change
    alarm: Alarm
    mark: Mark | None
    ack: Ack | None = None
    flaps: bool = False


@dataclass
class _Open:
    """An alarm that has not been cleared. `offset`: of its raising; `told`: people have been told of it."""

    alarm: Alarm
    offset: int
    raised_ms: int
    told: bool
    ack: Ack | None = None


class Announcer:
    """Takes the records in their order. What is held back for now comes from `release`."""

    def __init__(self) -> None:
        self._open: dict[str, _Open] = {}
        self._cleared: dict[str, None] = {}
        self._held: dict[str, _Open] = {}
        self._raises: dict[tuple[str, str], list[int]] = {}
        self.held = 0
        """How many raises were held back so far."""

    def take_alarm(self, offset: int, at_ms: int, alarm: Alarm) -> Notice | None:
        """The next record of `ops.alarms`, with its Kafka timestamp; None: nobody is to be told of it now."""
        known = self._open.get(alarm.alarm_id)
        if alarm.state == "raised":
            if known is not None:  # repeated, so that it is not forgotten
                return None
            found = self._open[alarm.alarm_id] = _Open(alarm, offset, at_ms, told=False)
            self._cleared.pop(alarm.alarm_id, None)
            notice = self._told_of(found, at_ms)
            if notice is None:
                self._held[alarm.alarm_id] = found
                self.held += 1
            return notice
        self._open.pop(alarm.alarm_id, None)
        self._held.pop(alarm.alarm_id, None)
        if known is None and alarm.alarm_id in self._cleared:
            return None
        self._forget_the_oldest(alarm.alarm_id)
        if known is not None and not known.told:
            return None
        # Without a known raise, that one is no longer kept: somebody may still wait for the end.
        return Notice(Change.CLEARED, alarm, Mark(Source.ALARMS, offset), known.ack if known else None)

    def take_ack(self, offset: int, ack: Ack) -> Notice | None:
        """The next record of `ops.acks`. One of an alarm that is not open tells nobody anything."""
        known = self._open.get(ack.alarm_id)
        if known is None or not ack.is_of(known.alarm):
            return None
        news, known.ack = known.ack is None, ack
        return Notice(Change.ACKNOWLEDGED, known.alarm, Mark(Source.ACKS, offset), ack) if news else None

    def release(self, now_ms: int) -> list[Notice]:
        """What was held back, and may be told by now. To be called before each record, with its time, too."""
        notices = [self._told_of(known, now_ms) for known in self._held.values()]
        told = [notice for notice in notices if notice is not None]
        for notice in told:
            del self._held[notice.alarm.alarm_id]
        if len(self._raises) > MOST_SUBJECTS:
            newest = now_ms - FLAP_MS
            self._raises = {key: times for key, times in self._raises.items() if times[-1] > newest}
        return told

    def held_back(self) -> list[Mark]:
        """The raises that are held back now."""
        return [Mark(Source.ALARMS, known.offset) for known in self._held.values()]

    def open_marks(self) -> list[Mark]:
        """The raises of all open alarms."""
        return [Mark(Source.ALARMS, known.offset) for known in self._open.values()]

    def unanswered(self) -> Iterator[tuple[Alarm, int]]:
        """The open alarms that people were told of and nobody has taken on, with when they were raised."""
        for known in self._open.values():
            if known.told and known.ack is None:
                yield known.alarm, known.raised_ms

    def _told_of(self, known: _Open, at_ms: int) -> Notice | None:
        """The notice of a raise, if it may be told at this time."""
        key = known.alarm.code, known.alarm.subject
        times = [one for one in self._raises.get(key, ()) if one > at_ms - FLAP_MS]
        if len(times) >= MOST_RAISES:
            return None
        self._raises[key] = [*times, at_ms]
        known.told = True
        mark = Mark(Source.ALARMS, known.offset)
        return Notice(Change.RAISED, known.alarm, mark, known.ack, flaps=len(times) + 1 == MOST_RAISES)

    def _forget_the_oldest(self, cleared: str) -> None:
        self._cleared.pop(cleared, None)
        self._cleared[cleared] = None
        if len(self._cleared) > MOST_CLEARED:
            del self._cleared[next(iter(self._cleared))]
