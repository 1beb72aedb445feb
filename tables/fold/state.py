"""All that is known of one source partition: what a worker folds into and writes to views.feed.

`PartitionState` is pure: it is given events, Kafka timestamps and the wall clock, and answers with feed
records. What the records up to a checkpoint say is the fold of exactly the source records below the
checkpoint's offset.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from schemas.validation.decoded import Decoded, Readers
from schemas.validation.fast_path import EVENT_TYPES, Event
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
from tables.fold.dedupe.duplicates import IdWindow, hash_ids
from tables.fold.entities import EntityStore
from tables.fold.panes import PaneStore
from tables.fold.plan import Plan
from tables.fold.times import Times
from tables.fold.windowed import WindowedFold
from tables.spec.fields import EventTypes
from tables.spec.view import View
from tables.spec.windowed import Windowed
from tables.times import HOUR_MINUTES, HOUR_US, MINUTE_US, hour_start

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
    `watermark`: newest accepted occurred_at, µs; `kafka_ms`: newest Kafka timestamp; both None at first.
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
        self.watermark: int | None = None
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
        self._plan = Plan(self._fold, list(self._entities.values()))

    @property
    def readers(self) -> Readers:
        """What is kept of an event, by its class."""
        return self._plan.readers

    @property
    def dirty(self) -> bool:
        """Whether `changes` has anything to write."""
        return self.next_offset != self._written_offset or bool(self._stale)

    def fold(
        self,
        batch: Decoded,
        timestamps_ms: Sequence[int],
        *,
        first_offset: int,
        next_offset: int,
        now_ms: int,
    ) -> FoldCounts:
        """Fold the events of a batch of records, which are in the order of their offsets.

        `timestamps_ms`: Kafka's, aligned with the batch; `first_offset`: the first one's, `next_offset`: that
        behind the last one; `now_ms`: the wall clock.
        """
        counts: FoldCounts = {"accepted": {}, "duplicate": {}, "late_dropped": {}}
        if not batch.kinds:
            return counts
        self._date_views()
        newest_ms = max(timestamps_ms)
        self.kafka_ms = newest_ms if self.kafka_ms is None else max(self.kafka_ms, newest_ms)
        if len(batch.bad) < len(batch.kinds):
            repeated = self._find_duplicates(batch, timestamps_ms, first_offset, now_ms)
            self._fold_first_seen(batch, repeated, counts)
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
            minute = self.watermark // MINUTE_US
            rolled_until = hour_start(minute - self.limits.pane_minutes)
            for panes in self._panes.values():
                panes.advance(rolled_until, minute // HOUR_MINUTES - self.limits.pane_hours)
            self._fold.project()
            for panes in self._panes.values():
                records += panes.changes(minute)
            for entities in self._entities.values():
                records += entities.changes(self.watermark)
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
            watermark=self.watermark,
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

    def restore(self, records: Mapping[bytes, bytes | None]) -> None:
        """Take records of the feed partition; those of other topics and workers are passed over.

        The last record of a key counts; keys may come in any order. Raises `FeedFormatError`.
        """
        for store in self._entities.values():
            records = store.restore(records)
        for key, value in records.items():
            self._restore(key, value)

    def _restore(self, key: bytes, value: bytes | None) -> None:
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
            self.watermark = checkpoint.watermark
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
                    self._miss_until(name, self.watermark)

    def _miss_until(self, view: str, until_us: int) -> None:
        self.partial_until[view] = max(until_us, self.partial_until.get(view, until_us))

    def _forget_losses(self) -> None:
        if self.watermark is not None and self.partial_until:
            kept_us = (self.watermark // HOUR_US - self.limits.pane_hours) * HOUR_US
            self.partial_until = {name: us for name, us in self.partial_until.items() if us > kept_us}
            if not self.partial_until:
                self.lost = []

    def _outdate(self, key: bytes, value: bytes | None) -> None:
        """Of a view that is no more, or was declared otherwise: to be deleted with the next checkpoint."""
        (self._stale.discard if value is None else self._stale.add)(key)

    def _find_duplicates(
        self, batch: Decoded, timestamps_ms: Sequence[int], first_offset: int, now_ms: int
    ) -> list[int]:
        """Places of the events that have been folded before; all are noted."""
        bad = [place for place, _ in batch.bad]
        hashes, stamps_ms = hash_ids(_without(batch.ids, bad)), _without(timestamps_ms, bad)
        repeated = self._ids.find_duplicates(hashes, stamps_ms, first_offset, now_ms)
        if bad and repeated:
            places = _without(range(len(batch.ids)), bad)
            return [places[at] for at in repeated]
        return repeated

    def _fold_first_seen(self, batch: Decoded, repeated: list[int], counts: FoldCounts) -> None:
        """Fold all events but those at the places of the repeated ones."""
        out = [place for place, _ in batch.bad] + repeated
        counts["duplicate"] = self._count(batch.kinds[place] for place in repeated)
        times = Times.of(batch.times, out, self.watermark)
        if times is None:
            return
        self.watermark = times.watermark
        late = times.late(self.limits.pane_hours * HOUR_US)
        counts["late_dropped"] = self._count(batch.kinds[place] for place in late)
        kinds: Sequence[type[Event] | None] = batch.kinds
        if out or late:
            kinds = list(kinds)
            for place in (*out, *late):
                kinds[place] = None
        counts["accepted"] = self._count(kinds)
        minutes: list[int] = (batch.times // MINUTE_US).tolist()
        for add, kept, minute in zip(map(self._plan.add_of.get, kinds), batch.kept, minutes, strict=True):
            if add is not None:
                add(kept, minute)
        if self._plan.tracked:
            self._join_entities(kinds, batch, times)

    def _count(self, kinds: Iterable[type[Event] | None]) -> dict[str, int]:
        counts = Counter(kinds)
        del counts[None]
        return {self._names[known]: count for known, count in counts.items() if known is not None}

    def _join_entities(self, kinds: Sequence[Any], batch: Decoded, times: Times) -> None:
        """Hand the entity views the events of these kinds, in order."""
        tracked, kept = self._plan.tracked, batch.kept
        places = [place for place, kind in enumerate(kinds) if kind in tracked]
        if places:
            occurred: list[int] = batch.times[places].tolist()
            items = [
                (place, kinds[place], kept[place], at_us)
                for place, at_us in zip(places, occurred, strict=True)
            ]
            for store, at in self._plan.stores:
                store.fold(items, times, at)


def _without(items: Sequence[Any], places: Sequence[int]) -> list[Any]:
    """The items that are not at these places, which ascend and are few."""
    left = list(items)
    for place in reversed(places):
        del left[place]
    return left
