"""The panes of one windowed view and one source partition: what is kept by group, by minute, and by hour when
old.

A pane that is being added to is hot (a dict and lists); all others are cold: only the packed values of their
feed records, so that days of minutes fit in memory. Groups are cut into shards by their first appearance, so
that no record outgrows what a broker takes.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from tables.codec import (
    Group,
    Row,
    count_groups,
    decode_partial,
    encode_partial,
    partial_groups,
)
from tables.fold.group_limit import GroupLimit
from tables.keys import of_topic
from tables.spec.windowed import Windowed
from tables.times import HOUR_MINUTES

_HOT_MINUTES = 3  # as many of the newest minutes stay hot between two checkpoints

Records = Iterator[tuple[bytes, bytes | None]]
PaneKey = tuple[str, int]
"""Unit (`m` or `h`) and number (of the minute or hour since the epoch)."""


@dataclass(slots=True, eq=False)
class Pane:
    """One pane of a view. Cold: `shards` are its packed records. Hot: `rows[index[group]]` is a group's.
    `written`: how many shards the feed has; `limit`: what admits new groups."""

    view: Windowed
    limit: GroupLimit
    shards: list[bytes] = field(default_factory=list)
    index: dict[Group, int] | None = None
    rows: list[Row] = field(default_factory=list)
    dirty: set[int] = field(default_factory=set)
    written: int = 0

    def thaw(self) -> dict[Group, int]:
        """Make it hot; answers its index."""
        if self.index is None:
            groups = self.groups()
            self.index = {group: number for number, (group, _) in enumerate(groups)}
            self.rows = [row for _, row in groups]
            self.shards = []
        return self.index

    def row(self, group: Group, events: int) -> Row:
        """A group's row, to be added to for so many events; beyond the limit that of `_other`. It must be
        hot."""
        assert self.index is not None
        number = self.index.get(group)
        if number is None:
            admitted = self.limit.admit(group, events)
            number = self.index.setdefault(admitted, len(self.rows))
            if number == len(self.rows):
                self.rows.append([kept.nothing() for kept in self.view.kept])
        self.dirty.add(number // self.view.shard_groups)
        return self.rows[number]

    def groups(self) -> list[tuple[Group, Row]]:
        """All groups with their rows, hot or cold."""
        if self.index is None:
            return [group for shard in self.shards for group in decode_partial(shard)]
        return list(zip(self.index, self.rows, strict=True))

    def packed(self) -> list[bytes]:
        """All shards, hot or cold."""
        if self.index is None:
            return self.shards
        return self._packed(range(-(-len(self) // self.view.shard_groups)))

    def freeze(self) -> list[tuple[int, bytes]]:
        """Make it cold; answers the shards that changed."""
        self.shards = self.packed()
        self.index, self.rows = None, []
        changed = [(shard, self.shards[shard]) for shard in sorted(self.dirty)]
        self.dirty.clear()
        return changed

    def pack(self) -> list[tuple[int, bytes]]:
        """The shards that changed; it stays hot."""
        changed = sorted(self.dirty)
        self.dirty.clear()
        return list(zip(changed, self._packed(changed), strict=True))

    def _packed(self, shards: Iterable[int]) -> list[bytes]:
        groups, size, sketches = self.groups(), self.view.shard_groups, len(self.view.sketches)
        return [encode_partial(groups[shard * size : (shard + 1) * size], sketches) for shard in shards]

    def __len__(self) -> int:
        if self.index is not None:
            return len(self.index)
        return sum(map(count_groups, self.shards))


class PaneStore:
    """All panes of a view. `prefix`: what a pane's name and shard are put behind to make a feed key;
    `most_groups`: how many groups they may have."""

    def __init__(self, prefix: str, view: Windowed, most_groups: int) -> None:
        self.prefix = prefix
        self.view = view
        self.limit = GroupLimit(view, most_groups, self._groups, lambda: self._first_hour)
        self.minutes: dict[int, Pane] = {}
        self.hours: dict[int, Pane] = {}
        self._hot: dict[PaneKey, Pane] = {}
        self._at: dict[int, Pane] = {}  # minute → the hot pane it goes to, until the next checkpoint
        self._gone: dict[PaneKey, int] = {}
        self._cold_groups = 0
        self._rolled_until = -(1 << 62)
        self._first_hour = -(1 << 62)

    def advance(self, rolled_until: int, first_hour: int) -> None:
        """Minutes below `rolled_until` (a whole hour) go to hour panes; hours below `first_hour` expire."""
        if rolled_until > self._rolled_until:
            self._rolled_until = rolled_until
            for minute in sorted(minute for minute in self.minutes if minute < rolled_until):
                self._roll(minute)
        if first_hour > self._first_hour:
            self._first_hour = first_hour
            for hour in [hour for hour in self.hours if hour < first_hour]:
                self._forget("h", hour, self.hours.pop(hour))

    def hot(self, minute: int) -> Pane:
        """The pane a minute's events are added to."""
        pane = self._at.get(minute)
        if pane is None:
            if minute // HOUR_MINUTES < self._first_hour:
                pane = Pane(self.view, self.limit)  # it has expired since the event came
                pane.thaw()
            elif minute < self._rolled_until:
                pane = self._open("h", minute // HOUR_MINUTES)
            else:
                pane = self._open("m", minute)
            self._at[minute] = pane
        return pane

    def changes(self, newest_minute: int) -> Records:
        """The feed records that changed; panes that are not among the newest minutes become cold."""
        prefix = self.prefix
        for (unit, number), shards in self._gone.items():
            for shard in range(shards):
                yield f"{prefix}{unit}{number}:{shard}".encode(), None
        for (unit, number), pane in list(self._hot.items()):
            if unit == "m" and number > newest_minute - _HOT_MINUTES:
                changed = pane.pack()
            else:
                changed = pane.freeze()
                self._cold_groups += len(pane)
                del self._hot[unit, number]
            for shard, value in changed:
                yield f"{prefix}{unit}{number}:{shard}".encode(), value
                pane.written = max(pane.written, shard + 1)
        self._gone.clear()
        self._at.clear()

    def restore(self, unit: str, number: int, shard: int, value: bytes | None) -> None:
        """Take a record from the feed, in any order; None deletes it."""
        panes = self.minutes if unit == "m" else self.hours
        pane = panes.setdefault(number, Pane(self.view, self.limit))
        pane.shards += [b""] * (shard + 1 - len(pane.shards))
        pane.shards[shard] = value or b""

    def restored(self, groups: int = 0) -> None:
        """Call it when every record has been restored; `groups`: how many there were."""
        self.limit.restored(groups)
        for panes in (self.minutes, self.hours):
            for number in [number for number, pane in panes.items() if not any(pane.shards)]:
                del panes[number]
            for pane in panes.values():
                pane.written = len(pane.shards)
                self._cold_groups += len(pane)

    def records(self, topic: str | None = None) -> Iterator[tuple[bytes, bytes]]:
        """All that is kept, as feed records, of this source topic or of another one."""
        prefix = self.prefix if topic is None else of_topic(self.prefix.encode(), topic).decode()
        for unit, panes in (("m", self.minutes), ("h", self.hours)):
            for number, pane in panes.items():
                for shard, value in enumerate(pane.packed()):
                    if value:
                        yield f"{prefix}{unit}{number}:{shard}".encode(), value

    def sizes(self) -> tuple[int, int]:
        """How many panes, how many groups in them."""
        groups = self._cold_groups + sum(map(len, self._hot.values()))
        return len(self.minutes) + len(self.hours), groups

    def _groups(self) -> Iterator[Group]:
        """Those of all panes."""
        for panes in (self.minutes, self.hours):
            for pane in panes.values():
                if pane.index is not None:
                    yield from pane.index
                else:
                    for shard in filter(None, pane.shards):
                        yield from partial_groups(shard)

    def _open(self, unit: str, number: int) -> Pane:
        panes = self.minutes if unit == "m" else self.hours
        pane = panes.get(number)
        if pane is None:
            pane = panes[number] = Pane(self.view, self.limit)
        if (unit, number) not in self._hot:
            self._cold_groups -= len(pane)
            pane.thaw()
            self._hot[unit, number] = pane
        return pane

    def _roll(self, minute: int) -> None:
        pane = self.minutes.pop(minute)
        hour = self._open("h", minute // HOUR_MINUTES)
        kept = self.view.kept
        groups = pane.groups()
        self.limit.keep(group for group, _ in groups)
        for group, minutes in groups:
            row = hour.row(group, 0)
            row[:] = [of.merge(old, more) for of, old, more in zip(kept, row, minutes, strict=True)]
        self._forget("m", minute, pane)

    def _forget(self, unit: str, number: int, pane: Pane) -> None:
        if self._hot.pop((unit, number), None) is None:
            self._cold_groups -= len(pane)
        if pane.written:
            self._gone[unit, number] = pane.written
