"""All that is known of one source partition: what a worker folds into and writes to views.feed.

`PartitionState` is pure: it is given events, Kafka timestamps and the wall clock, and answers with feed
records. What the records up to a checkpoint say is the fold of exactly the source records below the
checkpoint's offset.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import compress
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from schemas.times import SECOND_US
from schemas.validation.fast_path import EVENT_TYPES
from tables.codec import (
    Checkpoint,
    CheckpointKey,
    DedupeKey,
    EntityKey,
    WindowedKey,
    checkpoint_key,
    decode_checkpoint,
    dedupe_key,
    encode_checkpoint,
    entity_prefix,
    parse_key,
    windowed_prefix,
)
from tables.fingerprint import RecordFingerprint
from tables.fold.dedupe.duplicates import IdWindow, hash_events
from tables.fold.entities import EntityStore
from tables.fold.panes import PaneStore
from tables.fold.windowed import WindowedFold, late_places, without
from tables.spec.fields import Event, EventTypes
from tables.spec.view import View
from tables.spec.windowed import Windowed
from tables.times import HOUR_MINUTES, HOUR_US, hour_start

_NEVER = float("-inf")

Instants = npt.NDArray[np.float64]
"""Seconds since the epoch."""
FoldCounts = dict[str, dict[str, int]]
"""Outcome (`accepted`, `duplicate`, `late_dropped`) → event name → how many."""


class Limits(NamedTuple):
    """What bounds the state, as in the settings of the same names."""

    pane_minutes: int
    pane_hours: int
    dedupe_seconds: int
    closed_hours: int


class PartitionState:
    """The fold of one partition of `topic` into views that are right (tables/spec/problems.py).

    `next_offset`: source offset of the next record; `fold` moves it, and so may the caller, upwards.
    `watermark`: newest accepted occurred_at, s; `kafka_ms`: newest Kafka timestamp; both None at first.
    `lost`: offsets [from, to) that were deleted before they were read; see `lose`. `partial_until`: view →
    µs, before which events may be missing from it; forgotten with the hour panes. `topic_id`, `last_record`,
    `first_partitions`: as in the checkpoint; the caller's to set.
    """

    def __init__(
        self, topic: str, views: Iterable[View], limits: Limits, event_types: EventTypes = EVENT_TYPES
    ) -> None:
        self.topic = topic
        self.limits = limits
        self.next_offset = 0
        self.watermark: float | None = None
        self.kafka_ms: int | None = None
        self.lost: list[list[int]] = []
        self.partial_until: dict[str, int] = {}
        self.topic_id: str | None = None
        self.last_record: RecordFingerprint | None = None
        self.first_partitions: int | None = None
        self._views = {view.name: view for view in views}
        self._since: dict[str, int] = {}
        self._written_offset = 0
        self._stale: set[bytes] = set()
        self._checkpoint: Checkpoint | None = None
        self._ids = IdWindow(limits.dedupe_seconds * 1000)
        self._panes = {
            view: PaneStore(windowed_prefix(view.name, view.definition_hash, topic), view)
            for view in self._views.values()
            if isinstance(view, Windowed)
        }
        self._fold = WindowedFold(self._panes, event_types)
        self._entities = {
            view.name: EntityStore(
                entity_prefix(view.name, view.definition_hash, topic),
                view.tracks,
                event_types,
                limits.closed_hours * HOUR_US,
            )
            for view in self._views.values()
            if view.tracks
        }
        self._names = {known: name for name, known in event_types.items()}
        self._tracked = {known for store in self._entities.values() for known in store.stages}
        self._tracked_names = {self._names[known] for known in self._tracked}

    @property
    def dirty(self) -> bool:
        """Whether `changes` has anything to write."""
        return self.next_offset != self._written_offset or bool(self._stale)

    def fold(
        self,
        events: Sequence[Event | None],
        times: Sequence[float],
        timestamps_ms: Sequence[int],
        *,
        first_offset: int,
        next_offset: int,
        now_ms: int,
    ) -> FoldCounts:
        """Fold records in the order of their offsets; all lists are aligned, None among `events` is skipped.

        `times`: occurred_at, s since the epoch; `timestamps_ms`: Kafka's; `first_offset`: the first one's,
        `next_offset`: that behind the last one; `now_ms`: the wall clock.
        """
        counts: FoldCounts = {"accepted": {}, "duplicate": {}, "late_dropped": {}}
        if not events:
            return counts
        self._date_views()
        newest_ms = max(timestamps_ms)
        self.kafka_ms = newest_ms if self.kafka_ms is None else max(self.kafka_ms, newest_ms)
        live = list(filter(None, events))
        if len(live) < len(events):
            times = list(compress(times, events))
            timestamps_ms = list(compress(timestamps_ms, events))
        if live:
            instants = np.array(times, np.float64)
            repeated = self._ids.find_duplicates(hash_events(live), timestamps_ms, first_offset, now_ms)
            if repeated:
                live, instants = self._drop(live, instants, repeated, counts["duplicate"])
            if live:
                self._fold_first_seen(live, instants, counts)
        self.next_offset = next_offset
        return counts

    def lose(self, until: int, until_us: int) -> None:
        """Kafka deleted the records up to offset `until` unread; their events occurred before `until_us`."""
        self.lost.append([self.next_offset, until])
        self.next_offset = until
        for name in self._views:
            self._miss_until(name, until_us)

    def changes(self, now_ms: int) -> list[tuple[bytes, bytes | None]]:
        """The feed records that changed since the last call (None: a tombstone); the checkpoint's is last."""
        records: list[tuple[bytes, bytes | None]] = [(key, None) for key in self._stale]
        self._stale.clear()
        if self.watermark is not None:
            minute = int(self.watermark // 60)
            rolled_until = hour_start(minute - self.limits.pane_minutes)
            for panes in self._panes.values():
                panes.advance(rolled_until, minute // HOUR_MINUTES - self.limits.pane_hours)
            self._fold.project()
            for panes in self._panes.values():
                records += panes.changes(minute)
            for entities in self._entities.values():
                records += entities.changes(round(self.watermark * 1e6))
        records += [(dedupe_key(self.topic, first), value) for first, value in self._ids.changes().items()]
        records.append(self.checkpoint_record(now_ms))
        self._written_offset = self.next_offset
        return records

    def checkpoint_record(self, at_ms: int) -> tuple[bytes, bytes]:
        """The record that says how far the fold is; `at_ms`: the wall clock."""
        self._date_views()
        self._forget_losses()
        checkpoint = Checkpoint(
            next=self.next_offset,
            watermark=None if self.watermark is None else round(self.watermark * 1e6),
            kafka_ms=self.kafka_ms,
            at=at_ms,
            views={
                view.name: (view.definition_hash, self._since[view.name]) for view in self._views.values()
            },
            lost=[(first, end) for first, end in self.lost],
            partial_until=self.partial_until,
            dedupe_clock_ms=self._ids.clock_ms,
            dedupe_elapsed_ms=self._ids.elapsed_ms,
            topic_id=self.topic_id,
            last_record=self.last_record,
            first_partitions=self.first_partitions,
        )
        return checkpoint_key(self.topic), encode_checkpoint(checkpoint)

    def restore(self, key: bytes, value: bytes | None) -> None:
        """Take one record of the feed partition; those of other topics and workers are passed over.

        The last record of a key counts; keys may come in any order. Raises `FeedFormatError`.
        """
        if key.startswith(b"h:"):
            return
        for store in self._entities.values():
            if key.startswith(store.prefix):
                store.restore(key[len(store.prefix) :].decode(), value)
                return
        match parse_key(key):
            case CheckpointKey(topic) if topic == self.topic and value is not None:
                self._checkpoint = decode_checkpoint(value)
            case WindowedKey(name, definition_hash, topic, unit, number, shard) if topic == self.topic:
                view = self._views.get(name)
                if isinstance(view, Windowed) and view.definition_hash == definition_hash:
                    self._panes[view].restore(unit, number, shard, value)
                else:
                    self._outdate(key, value)
            case EntityKey(topic=topic) if topic == self.topic:
                self._outdate(key, value)
            case DedupeKey(topic, first_offset) if topic == self.topic:
                self._ids.restore(first_offset, value)

    def restored(self) -> bool:
        """Call it when every record of the feed partition has been restored, before the first `fold`.

        True if there was a checkpoint; False: nothing of this topic has ever been folded.
        """
        checkpoint, self._checkpoint = self._checkpoint, None
        if checkpoint is not None:
            self.next_offset = self._written_offset = checkpoint.next
            self.watermark = None if checkpoint.watermark is None else checkpoint.watermark / SECOND_US
            self.kafka_ms = checkpoint.kafka_ms
            self.topic_id = checkpoint.topic_id
            self.last_record = checkpoint.last_record
            self.first_partitions = checkpoint.first_partitions
            self.lost = [list(span) for span in checkpoint.lost]
            self.partial_until = {n: us for n, us in checkpoint.partial_until.items() if n in self._views}
            for name, (definition_hash, since) in checkpoint.views.items():
                if name in self._views and self._views[name].definition_hash == definition_hash:
                    self._since[name] = since
        for panes in self._panes.values():
            panes.restored()
        for entities in self._entities.values():
            entities.restored()
        if checkpoint is None:
            self._ids.restored()
        else:
            self._ids.restored(checkpoint.dedupe_clock_ms, checkpoint.dedupe_elapsed_ms)
        return checkpoint is not None

    def sizes(self) -> dict[str, int]:
        """How much is held, for metrics."""
        panes = [store.sizes() for store in self._panes.values()]
        return {
            "panes": sum(count for count, _ in panes),
            "groups": sum(groups for _, groups in panes),
            "entities": sum(map(len, self._entities.values())),
            "dedupe_ids": len(self._ids),
            "dedupe_chunks": self._ids.chunks,
        }

    def _date_views(self) -> None:
        """A view that the checkpoint does not know is computed from here on."""
        if len(self._since) < len(self._views):
            for name in self._views.keys() - self._since.keys():
                self._since[name] = self.next_offset
                if self.watermark is not None:
                    self._miss_until(name, round(self.watermark * 1e6))

    def _miss_until(self, view: str, until_us: int) -> None:
        self.partial_until[view] = max(until_us, self.partial_until.get(view, until_us))

    def _forget_losses(self) -> None:
        if self.watermark is not None and self.partial_until:
            kept_us = (int(self.watermark // 3600) - self.limits.pane_hours) * HOUR_US
            self.partial_until = {name: us for name, us in self.partial_until.items() if us > kept_us}
            if not self.partial_until:
                self.lost = []

    def _outdate(self, key: bytes, value: bytes | None) -> None:
        """Of a view that is no more, or was declared otherwise: to be deleted with the next checkpoint."""
        (self._stale.discard if value is None else self._stale.add)(key)

    def _drop(
        self, live: list[Event], instants: Instants, places: list[int], counts: dict[str, int]
    ) -> tuple[list[Event], Instants]:
        """Count the events at these places and leave them out."""
        for place in places:
            name = self._names[live[place].__class__]
            counts[name] = counts.get(name, 0) + 1
        return without(live, places), np.delete(instants, places)

    def _fold_first_seen(self, live: list[Event], instants: Instants, counts: FoldCounts) -> None:
        """Fold events that are no duplicates."""
        before = _NEVER if self.watermark is None else self.watermark
        newest = max(before, float(instants.max()))
        late = late_places(instants, before, newest, self.limits.pane_hours)
        if late:
            live, instants = self._drop(live, instants, late, counts["late_dropped"])
            if not live:
                return
        self.watermark = newest
        counts["accepted"] = self._fold.add(live, (instants // 60).astype(np.int64))
        if not self._tracked_names.isdisjoint(counts["accepted"]):
            self._join_entities(live, instants, before)

    def _join_entities(self, live: list[Event], instants: Instants, before: float) -> None:
        """Hand the entity views their events, in order, each with the watermark as it was then."""
        is_tracked = map(self._tracked.__contains__, map(type, live))
        places = list(compress(range(len(live)), is_tracked))
        watermarks = np.maximum(np.maximum.accumulate(instants), before)
        occurred_us, watermarks_us = _micros(instants[places]), _micros(watermarks[places])
        items = list(zip([live[place] for place in places], occurred_us, watermarks_us, strict=True))
        for store in self._entities.values():
            store.fold(items)


def _micros(instants: Instants) -> list[int]:
    micros: list[int] = np.rint(instants * 1e6).astype(np.int64).tolist()
    return micros
