"""The read side of the feed: records in, merged views out. One thread at a time may touch it.

A source partition's records count only up to its newest checkpoint record, so that no answer shows half an
interval; heartbeats count as they come. Nothing here knows of Kafka: whoever reads the feed calls `apply`.
"""

from __future__ import annotations

import contextlib
from collections import defaultdict
from collections.abc import Container, Iterable, Iterator, Mapping
from typing import NamedTuple

from tables.codec import Checkpoint, decode_checkpoint, decode_heartbeat
from tables.definitions import ALIAS
from tables.keys import (
    CheckpointKey,
    FeedFormatError,
    HeartbeatKey,
    parse_key,
    source_topic,
)
from tables.read.definitions import Definitions, ViewState
from tables.spec.view import View
from tables.times import HOUR_MINUTES, HOUR_US, MINUTE_US, hour_start

_ALIAS = ALIAS.encode()

Source = tuple[str, int]
"""A raw topic and the number of one of its partitions."""

FeedItem = tuple[bytes, bytes | None, int]
"""Key, value and Kafka timestamp (ms) of a feed record."""


class Report(NamedTuple):
    """What a worker last said of a source partition.

    `next`: first offset in no checkpoint; `end`: the source's end; `oldest_unread_ms`: Kafka timestamp of the
    oldest record not folded, or None; `heard_at`: when it was said, in seconds of the reader's monotonic
    clock; `bad`: how many of its last records are bad, if they are too many.
    """

    worker: str
    next: int
    end: int
    oldest_unread_ms: int | None
    heard_at: float
    bad: int | None = None


class Claim(NamedTuple):
    """A checkpoint that a worker says it has made and that has not been read: its offset, since when
    (monotonic).
    """

    next: int
    since: float


class _Pending(NamedTuple):
    """Records of a source partition since its last checkpoint, the newest by key.

    `partials`: key → value. `named`: `view@definition_hash` → id of an entity, or an experiment's name →
    value.
    """

    partials: dict[bytes, bytes | None]
    named: dict[bytes, dict[bytes, bytes | None]]


class ReaderState:
    """All views of one feed, merged over source partitions.

    `pane_minutes`: the age, in minutes behind a partition's watermark, at which minute panes are rolled into
    hours; `pane_hours`: that at which hours are dropped.
    """

    def __init__(self, views: Mapping[str, View], pane_minutes: int, pane_hours: int) -> None:
        self.pane_minutes = pane_minutes
        self.pane_hours = pane_hours
        self.definitions = Definitions(views, pane_hours * HOUR_US)
        self.checkpoints: dict[Source, Checkpoint] = {}
        self.reports: dict[Source, Report] = {}
        self.claims: dict[Source, Claim] = {}
        self.damaged: dict[Source, set[bytes]] = {}
        """Keys of a source's records that could not be read and have not been written anew."""
        self._sources: dict[Source, int] = {}
        self._pending: dict[tuple[int, bytes], _Pending] = defaultdict(lambda: _Pending({}, {}))

    @property
    def views(self) -> Mapping[str, ViewState]:
        """What answers, by the view's name: by its newest definition that all source partitions have."""
        return self.definitions.serving

    def apply(
        self, partition: int, records: Iterable[FeedItem], *, monotonic: float, wall_ms: int | None = None
    ) -> set[str]:
        """Take records of one feed partition, in order; answers the names of the views that changed.

        `monotonic`: now, in seconds. `wall_ms`: now by the clock, given when the records may be old news (a
        start, a pause): a heartbeat then is as old as its record says. None: they came as they were written.
        Raises `FeedFormatError` for a record of another format.
        """
        changed: set[str] = set()
        for key, value, kafka_ms in records:
            kind = key[:2]
            if self.damaged and kind != b"h:" and any(key in keys for keys in self.damaged.values()):
                self.mark(partition, key, damaged=False)
            if kind in (b"e:", b"w:", b"x:"):
                _, definition, topic, rest = key.split(b":", 3)
                if _ALIAS in topic:
                    continue  # a rebuild's own
                pending = self._pending[partition, topic]
                if kind == b"w:":
                    pending.partials[key] = value
                else:
                    pending.named.setdefault(definition, {})[rest] = value
            elif kind in (b"d:", b"u:"):
                continue  # ids and users: the workers' own
            elif kind == b"v:":
                self.definitions.declare(key.split(b":", 2)[1], value)
            elif kind == b"c:":
                changed |= self._checkpoint(partition, key, value)
            else:
                age_ms = 0 if wall_ms is None else max(0, wall_ms - kafka_ms)
                self._heartbeat(key, value, monotonic, monotonic - age_ms / 1000)
        return changed

    def merge_hour(self, name: str, hour: int) -> None:
        """Unpack and merge what a view has of an epoch hour, before a query needs it."""
        panes = self.views[name].panes
        if panes is not None:
            panes.total(hour * HOUR_MINUTES, (hour + 1) * HOUR_MINUTES)

    def mark(self, partition: int, key: bytes, *, damaged: bool) -> None:
        """A record of a source's state cannot be read: what there was of it stays, and is not the newest. Or
        it has been written anew."""
        topic = source_topic(key)
        assert topic is not None
        if _ALIAS in topic:
            return
        source = (topic.decode(), partition)
        keys = self.damaged.setdefault(source, set())
        (keys.add if damaged else keys.discard)(key)
        if not keys:
            del self.damaged[source]

    def _checkpoint(self, partition: int, key: bytes, value: bytes | None) -> set[str]:
        parsed = parse_key(key)
        assert isinstance(parsed, CheckpointKey)
        if ALIAS in parsed.topic:
            return set()
        source = (parsed.topic, partition)
        before = self.checkpoints.pop(source, None)
        if value is not None:
            self.checkpoints[source] = checkpoint = decode_checkpoint(value)
            claim = self.claims.get(source)
            if claim is not None and claim.next <= checkpoint.next:
                del self.claims[source]
        number = self._sources.setdefault(source, len(self._sources))
        pending = self._pending.pop((partition, parsed.topic.encode()), None)
        changed = self._flush(number, pending, source) if pending else set()
        now = self.checkpoints.get(source)
        if self.definitions.news or _computed(before) != _computed(now):
            changed |= self.definitions.choose(self.checkpoints.values(), None if before else now)
        return changed

    def _flush(self, number: int, pending: _Pending, source: Source) -> set[str]:
        changed: set[str | None] = set()
        definitions = self.definitions
        for key, value in pending.partials.items():
            definition = key[2 : key.index(b":", 2)]
            with self._marked(source, key):
                changed.add(definitions.put_pane(definition, number, key, value))
        for definition, named in pending.named.items():
            prefix = b"e:%b:%b:" % (definition, source[0].encode())
            with self._marked(source, prefix):
                changed.add(definitions.put_named(definition, number, named, prefix))
        return {name for name in changed if name is not None}

    @contextlib.contextmanager
    def _marked(self, source: Source, key: bytes) -> Iterator[None]:
        """What a definition of another release has is looked at only here: it may be damaged."""
        try:
            yield
        except FeedFormatError:
            self.damaged.setdefault(source, set()).add(key)

    def _heartbeat(self, key: bytes, value: bytes | None, monotonic: float, heard_at: float) -> None:
        parsed = parse_key(key)
        assert isinstance(parsed, HeartbeatKey)
        if value is None:
            return  # the worker has left: what it reported last grows old, until another one reports
        for assigned in decode_heartbeat(value).partitions:
            source = (assigned.topic, assigned.partition)
            known = self.reports.get(source)
            if known is None or known.heard_at <= heard_at:
                self.reports[source] = Report(
                    parsed.worker,
                    assigned.next,
                    assigned.end,
                    assigned.oldest_unread_ms,
                    heard_at,
                    assigned.bad,
                )
            # Before its first checkpoint a source may begin anywhere: only a move from there is a claim.
            checkpoint = self.checkpoints.get(source)
            read_to = checkpoint.next if checkpoint else known.next if known else assigned.next
            if assigned.next > read_to and source not in self.claims:
                self.claims[source] = Claim(assigned.next, monotonic)

    def watermark_us(self, topics: Container[str]) -> int | None:
        """The minimum of the watermarks of these topics' partitions, in µs; None before the first event."""
        return min((at for (topic, _), at in self._watermarks() if topic in topics), default=None)

    def newest_us(self) -> int | None:
        """The newest event time over all source partitions, in µs; None before the first event."""
        return max((at for _, at in self._watermarks()), default=None)

    def _watermarks(self) -> list[tuple[Source, int]]:
        return [(source, c.watermark) for source, c in self.checkpoints.items() if c.watermark is not None]

    def rolled_until(self) -> int | None:
        """The epoch minute before which some partition keeps whole hours alone; None where none does.

        It is of all views, so that it says nothing of one, nor of what there is in it.
        """
        ends = []
        newest = self.newest_us()
        if newest is not None:
            ends.append(hour_start(newest // MINUTE_US - self.pane_minutes))
        hour = self.definitions.newest_hour
        if hour is not None:  # a worker may keep minutes for less long than the reader knows
            ends.append((hour + 1) * HOUR_MINUTES)
        return max(ends, default=None)

    def rolled_hours(self, first: int, end: int) -> Iterator[int]:
        """The epoch hours of the epoch minutes [first, end), whole hours, that some partition may have rolled
        minutes into: its watermark says it, whether there was an event or not."""
        first_hour, end_hour = first // HOUR_MINUTES, end // HOUR_MINUTES
        for newest in sorted({at // HOUR_US for _, at in self._watermarks()}):
            first_hour = max(first_hour, newest - self.pane_hours)
            yield from range(first_hour, min(end_hour, newest + 1))
            first_hour = max(first_hour, newest + 1)


def _computed(checkpoint: Checkpoint | None) -> object:
    return checkpoint and (checkpoint.views, checkpoint.beside)
