"""Which of Bronze's objects are read.

First the view's own events alone, of the days of its window: an equal sum of them is a proof, and cheap. Who
is a duplicate, and what is late, may rest on any other record of the partition: only where the own events do
not give the answer, all are read.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from datetime import date

from agents.bronze.files import EPOCH_ORDINAL
from streams.verify.answer import Answer
from tables.spec.records import Records
from tables.spec.view import View
from tables.spec.windowed import Windowed

_OBJECT = re.compile(r"(?:event=(?P<event>[^/]+)|_bad/code=[^/]+)/dt=(?P<day>\d{4}-\d\d-\d\d)/")
UNDATED = "1970-01-01"
"""Where bad records without a timestamp lie."""


@dataclass(frozen=True)
class Wish:
    """`events`: names of events, None: all; `always`: those of them that are not bound to the days. `days`:
    the first and the last one, None: any. `bad`: the bad records, too."""

    events: frozenset[str] | None
    always: frozenset[str]
    days: tuple[str, str] | None
    bad: bool

    def __call__(self, path: str) -> bool:
        """Whether an object is read."""
        found = _OBJECT.match(path)
        if found is None:
            return False
        event, day = found["event"], found["day"]
        if event is None:
            return self.bad and (day == UNDATED or self._is_within(day))
        if self.events is not None and event not in self.events:
            return False
        return event in self.always or self._is_within(day)

    def _is_within(self, day: str) -> bool:
        return self.days is None or self.days[0] <= day <= self.days[1]

    @property
    def is_dated(self) -> bool:
        """Whether all of it is of some days."""
        return self.days is not None and not self.always

    @property
    def everything(self) -> Wish:
        """All events, for who is a duplicate and what is late."""
        return replace(self, events=None, always=frozenset(), days=None)


def own_wish(answer: Answer) -> Wish:
    """The view's own events."""
    view = answer.view
    always = frozenset(view.events) if answer.days is None else frozenset()
    if view.tracks is not None:
        always = frozenset(view.tracks.by_event)
    days = None
    if answer.days is not None:
        first, last = (_date(day) for day in answer.days)
        days = (first, last)
    records = counts_records(view)
    return Wish(None if records else frozenset(view.events), always, days, records)


def counts_records(view: View) -> bool:
    """Whether it counts all records, bad ones too."""
    return isinstance(view, Windowed) and any(isinstance(total, Records) for total in view.sums)


def _date(day: int) -> str:
    """A day counted from 1970-01-01; times end where dates do."""
    return date.fromordinal(min(max(EPOCH_ORDINAL + day, 1), date.max.toordinal())).isoformat()
