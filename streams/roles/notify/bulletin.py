"""The records and the targets together: what is read becomes notices, and these are put to who takes them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from aiokafka import TopicPartition

from agents.notify.announcer import Announcer, Change, Notice, Source
from streams import metrics
from streams.feed.alien_records import tell
from streams.roles.notify.delivery import Delivery
from streams.roles.notify.positions import Position
from tables.gates.acks import decode_ack
from tables.gates.alarms import decode_alarm
from tables.record_check import NOT_OURS


class Bulletin:
    """Of one leader, from the beginning of the topics on. What is read before `begin` was there already: of
    that a target is told what it has not been told.

    `known`: by target how far it has been told; one that is not there is new, and is told of what is open.
    """

    def __init__(self, deliveries: Iterable[Delivery], known: Mapping[str, Position]) -> None:
        self._deliveries = list(deliveries)
        self._known = dict(known)
        self._announcer = Announcer()
        self._before: list[Notice] | None = []
        self._ends = dict.fromkeys(Source, 0)
        self._reminded: dict[tuple[str, str], int] = {}

    def take(self, source: Source, tp: TopicPartition, records: Iterable[Any]) -> None:
        """The next records of a topic."""
        for record in records:
            self._ends[source] = record.offset + 1
            self._put(self._announcer.release(record.timestamp) if source is Source.ALARMS else [])
            notice = self._notice(source, tp, record)
            if notice is not None:
                self._put([notice])

    def _notice(self, source: Source, tp: TopicPartition, record: Any) -> Notice | None:
        if source is Source.ALARMS and (alarm := decode_alarm(record.value)) is not None:
            held = self._announcer.held
            notice = self._announcer.take_alarm(record.offset, record.timestamp, alarm)
            if self._before is None:
                metrics.NOTIFY_HELD.inc(self._announcer.held - held)
            return notice
        if source is Source.ACKS and (ack := decode_ack(record.value)) is not None:
            return self._announcer.take_ack(record.offset, ack)
        if record.value is not None:  # a tombstone tells of nothing
            tell(tp, record.offset, record.key, NOT_OURS)
        return None

    def begin(self, now_ms: int) -> None:
        """All is read that there was at the start: tell what is left of it, and go on."""
        before, self._before = self._before or [], None
        is_open = set(self._announcer.open_marks())
        for delivery in self._deliveries:
            known = self._known_of(delivery)
            for notice in before:
                mark = notice.mark
                if mark is None or (known is None and mark not in is_open):
                    continue
                if known is None or not known.is_done(mark):
                    self._put_to(delivery, notice)
        self._remind(now_ms, told=False)
        self.pass_time(now_ms)

    def _known_of(self, delivery: Delivery) -> Position | None:
        """None, too, where it says more than there is: the topics are others than those that it is of."""
        known = self._known.get(delivery.target.name)
        beyond = known is not None and any(end > self._ends[source] for source, end in known.ends.items())
        return None if beyond else known

    def pass_time(self, now_ms: int) -> None:
        """What is due by now: raises that were held back, and reminders."""
        self._put(self._announcer.release(now_ms))
        self._remind(now_ms, told=True)

    def _put(self, notices: Iterable[Notice]) -> None:
        for notice in notices:
            if self._before is not None:
                self._before.append(notice)
                continue
            for delivery in self._deliveries:
                self._put_to(delivery, notice)

    def _put_to(self, delivery: Delivery, notice: Notice) -> None:
        if delivery.target.takes(notice.alarm):
            delivery.put(notice)

    def _remind(self, now_ms: int, *, told: bool) -> None:
        """Tell again what is open and not taken on, whenever a target's time has passed once more. `told`:
        False where this only finds out how often it has."""
        waiting = list(self._announcer.unanswered())
        counts: dict[tuple[str, str], int] = {}
        for delivery in self._deliveries:
            target = delivery.target
            if not target.remind_ms:
                continue
            for alarm, raised_ms in waiting:
                key = target.name, alarm.alarm_id
                counts[key] = max(0, now_ms - raised_ms) // target.remind_ms
                if told and counts[key] > self._reminded.get(key, 0):
                    self._put_to(delivery, Notice(Change.REMINDED, alarm, None))
        self._reminded = counts

    def positions(self) -> dict[str, Position]:
        """How far each target has been told. After `begin`."""
        held = self._announcer.held_back()
        return {
            delivery.target.name: Position(dict(self._ends), frozenset({*held, *delivery.undone}))
            for delivery in self._deliveries
        }

    def reaches(self, ends: Mapping[Source, int]) -> None:
        """The topics have been read up to there, whatever of it are records."""
        for source, end in ends.items():
            self._ends[source] = max(self._ends[source], end)
