"""The read side of the feed: records in, merged views out. One thread at a time may touch it.

A source partition's records count only up to its newest checkpoint record, so that no answer shows half an
interval; heartbeats count as they come. Nothing here knows of Kafka: whoever reads the feed calls `apply`.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Container, Iterable, Mapping
from typing import NamedTuple

from tables.codec import (
    Checkpoint,
    CheckpointKey,
    HeartbeatKey,
    WindowedKey,
    decode_checkpoint,
    decode_heartbeat,
    parse_key,
    source_topic,
)
from tables.read.entity_columns import EntityColumns
from tables.read.pane_sums import PaneSums
from tables.spec.view import View
from tables.spec.windowed import Windowed
from tables.times import HOUR_MINUTES, MINUTE_US, hour_start

Source = tuple[str, int]
"""A raw topic and the number of one of its partitions."""

FeedItem = tuple[bytes, bytes | None, int]
"""Key, value and Kafka timestamp (ms) of a feed record."""


class Report(NamedTuple):
    """What a worker last said of a source partition.

    `next`: first offset in no checkpoint; `end`: the source's end; `oldest_unread_ms`: Kafka timestamp of the
    oldest record not folded, or None; `heard_at`: when it was said, in seconds of the reader's monotonic
    clock.
    """

    worker: str
    next: int
    end: int
    oldest_unread_ms: int | None
    heard_at: float


class Claim(NamedTuple):
    """A checkpoint that a worker says it has made and that has not been read: its offset, since when
    (monotonic).
    """

    next: int
    since: float


class _Pending(NamedTuple):
    """Records of a source partition since its last checkpoint, the newest by key.

    `partials`: key → value. `entities`: `view@definition_hash` → entity id → value.
    """

    partials: dict[bytes, bytes | None]
    entities: dict[bytes, dict[bytes, bytes | None]]


class ViewState:
    """One view's state. `version` grows with every change of it."""

    def __init__(self, view: View) -> None:
        self.view = view
        self.version = 0
        self.panes: PaneSums | None = None
        if isinstance(view, Windowed):
            self.panes = PaneSums(len(view.sums), [sketch.kind.combine for sketch in view.sketches])
        self.entities = None if view.tracks is None else EntityColumns(view.tracks, view.key)


class ReaderState:
    """All views of one feed, merged over source partitions.

    `pane_minutes`: the age, in minutes behind a partition's watermark, at which minute panes are rolled into
    hours.
    """

    def __init__(self, views: Mapping[str, View], pane_minutes: int) -> None:
        self.pane_minutes = pane_minutes
        self.views = {name: ViewState(view) for name, view in views.items()}
        self.checkpoints: dict[Source, Checkpoint] = {}
        self.reports: dict[Source, Report] = {}
        self.claims: dict[Source, Claim] = {}
        self.damaged: dict[Source, set[bytes]] = {}
        """Keys of a source's records that could not be read and have not been written anew."""
        self._by_definition = {
            f"{name}@{view.definition_hash}".encode(): self.views[name] for name, view in views.items()
        }
        self._sources: dict[Source, int] = {}
        self._pending: dict[tuple[int, bytes], _Pending] = defaultdict(lambda: _Pending({}, {}))

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
            if kind == b"e:":
                _, definition, topic, entity_id = key.split(b":", 3)
                self._pending[partition, topic].entities.setdefault(definition, {})[entity_id] = value
            elif kind == b"w:":
                topic = key.split(b":", 3)[2]
                self._pending[partition, topic].partials[key] = value
            elif kind == b"d:":
                continue  # ids: the workers' own
            elif kind == b"c:":
                changed |= self._checkpoint(partition, key, value)
            else:
                age_ms = 0 if wall_ms is None else max(0, wall_ms - kafka_ms)
                self._heartbeat(key, value, monotonic, monotonic - age_ms / 1000)
        return changed

    def mark(self, partition: int, key: bytes, *, damaged: bool) -> None:
        """A record of a source's state cannot be read: what there was of it stays, and is not the newest. Or
        it has been written anew."""
        topic = source_topic(key)
        assert topic is not None
        source = (topic.decode(), partition)
        keys = self.damaged.setdefault(source, set())
        (keys.add if damaged else keys.discard)(key)
        if not keys:
            del self.damaged[source]

    def _checkpoint(self, partition: int, key: bytes, value: bytes | None) -> set[str]:
        parsed = parse_key(key)
        assert isinstance(parsed, CheckpointKey)
        source = (parsed.topic, partition)
        if value is None:
            self.checkpoints.pop(source, None)
        else:
            self.checkpoints[source] = checkpoint = decode_checkpoint(value)
            claim = self.claims.get(source)
            if claim is not None and claim.next <= checkpoint.next:
                del self.claims[source]
        number = self._sources.setdefault(source, len(self._sources))
        pending = self._pending.pop((partition, parsed.topic.encode()), None)
        return self._flush(number, pending) if pending else set()

    def _flush(self, source: int, pending: _Pending) -> set[str]:
        changed = set()
        for key, value in pending.partials.items():
            state = self._by_definition.get(key[2 : key.index(b":", 2)])
            if state is None or state.panes is None:
                continue  # of another release's definition
            parsed = parse_key(key)
            assert isinstance(parsed, WindowedKey)
            state.panes.put(parsed.unit, parsed.number, source, parsed.shard, value)
            changed.add(state.view.name)
        for definition, entities in pending.entities.items():
            state = self._by_definition.get(definition)
            if state is None or state.entities is None:
                continue
            state.entities.put_many(source, ((name.decode(), value) for name, value in entities.items()))
            changed.add(state.view.name)
        for name in changed:
            self.views[name].version += 1
        return changed

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
                    parsed.worker, assigned.next, assigned.end, assigned.oldest_unread_ms, heard_at
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

    def rolled_until(self, panes: PaneSums) -> int | None:
        """The epoch minute before which some partition keeps whole hours alone; None where none does."""
        ends = []
        newest = self.newest_us()
        if newest is not None:
            ends.append(hour_start(newest // MINUTE_US - self.pane_minutes))
        hour = panes.newest_hour_pane()
        if hour is not None:
            ends.append((hour + 1) * HOUR_MINUTES)
        return max(ends, default=None)
