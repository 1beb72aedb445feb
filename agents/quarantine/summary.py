"""The quarantine summed up: whose bad records there are, why, since when, and how many are still open."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from agents.quarantine.audit import OPEN
from agents.quarantine.masked import masked
from agents.quarantine.record import QuarantineRecord
from agents.quarantine.told import told_of

BY = ("code", "reason", "field", "event", "source", "hour", "topic", "state")
"""What records may be grouped by. `hour`: that in which they were quarantined, UTC."""
MOST_GROUPS = 1_000
OTHER = "_other"
MOST_LETTERS = 128
"""Of a name: anybody may write to the quarantine, and what is held in memory is bounded."""
_HOUR = len("2026-03-01T09")


@dataclass
class Group:
    """The records that are alike. `first`, `last`: when they were quarantined, "" if none of them says; `id`,
    `sample`: the newest one's place, and its shape."""

    key: tuple[str, ...]
    records: int = 0
    open: int = 0
    first: str = ""
    last: str = ""
    id: str = ""
    sample: Any = None

    def take(self, record: QuarantineRecord, state: str) -> None:
        """One more."""
        self.records += 1
        self.open += state == OPEN
        at = record.quarantined_at[:MOST_LETTERS]
        if at and (not self.first or at < self.first):
            self.first = at
        if not self.id or at >= self.last:
            self.last, self.id, self._newest = at, str(record.at), record.value

    _newest: bytes | None = None

    def finish(self) -> None:
        """Mask the newest one, whose value is then let go of."""
        self.sample, self._newest = masked(self._newest), None


class Summary:
    """Groups by some of `BY`. What comes when there are `most` of them is summed in one called `_other`."""

    def __init__(self, by: Sequence[str], most: int = MOST_GROUPS) -> None:
        self.by = tuple(by)
        self._most = most
        self._groups: dict[tuple[str, ...], Group] = {}
        self.records = 0

    def take(self, record: QuarantineRecord, state: str) -> None:
        """A record, and its state."""
        self.records += 1
        key = self._key(record, state)
        if key not in self._groups and len(self._groups) >= self._most:
            key = (OTHER,) * len(self.by)
        self._groups.setdefault(key, Group(key)).take(record, state)

    def groups(self) -> list[Group]:
        """The largest first."""
        for group in self._groups.values():
            group.finish()
        return sorted(self._groups.values(), key=lambda group: (-group.records, group.key))

    def _key(self, record: QuarantineRecord, state: str) -> tuple[str, ...]:
        return tuple([_fact(record, state, name)[:MOST_LETTERS] for name in self.by])


def _fact(record: QuarantineRecord, state: str, name: str) -> str:
    match name:
        case "event" | "source":
            return str(getattr(told_of(record), name))
        case "hour":
            return record.quarantined_at[:_HOUR]
        case "state":
            return state
        case _:
            return str(getattr(record, name))


def report(summary: Summary, groups: Iterable[Group]) -> list[dict[str, Any]]:
    """The groups for programs."""
    return [
        {
            **dict(zip(summary.by, group.key, strict=True)),
            "records": group.records,
            "open": group.open,
            "first": group.first or None,
            "last": group.last or None,
            "id": group.id,
            "sample": group.sample,
        }
        for group in groups
    ]
