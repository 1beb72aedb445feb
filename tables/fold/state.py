"""All that is known of one source partition: what a worker folds into and writes to views.feed.

`PartitionState` is pure: it is given events, Kafka timestamps and the wall clock, and answers with feed
records. What the records up to a checkpoint say is the fold of exactly the source records below the
checkpoint's offset.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from schemas.validation.decoded import Decoded, Readers
from schemas.validation.fast_path import EVENT_TYPES, Event
from tables.codec import Checkpoint, decode_checkpoint, encode_checkpoint
from tables.definitions import began
from tables.fingerprint import RecordFingerprint
from tables.fold.breaker import Breaker
from tables.fold.counts import FoldCounts, count, find_duplicates
from tables.fold.dedupe.duplicates import IdWindow
from tables.fold.definitions import Definitions
from tables.fold.experiments import ExperimentStore
from tables.fold.group_limit import GroupLimit
from tables.fold.limits import Limits
from tables.fold.plan import Plan
from tables.fold.records import RecordsFold, counts_records
from tables.fold.stores import (
    Panes,
    Stores,
    all_records,
    group_limits,
    named,
    other_stores,
    pane_stores,
    restore,
    sizes,
)
from tables.fold.times import Times
from tables.fold.windowed import WindowedFold
from tables.keys import (
    CheckpointKey,
    DeclarationKey,
    DedupeKey,
    EntityKey,
    ExperimentKey,
    UserKey,
    WindowedKey,
    checkpoint_key,
    dedupe_key,
    parse_key,
)
from tables.spec.fields import EventTypes
from tables.spec.view import View
from tables.spec.windowed import Windowed
from tables.times import HOUR_MINUTES, HOUR_US, MINUTE_US, hour_start


class PartitionState:
    """The fold of one partition of `topic` into views that are right (tables/spec/problems.py).

    `next_offset`: source offset of the next record; `fold` moves it, and so may the caller, upwards.
    `watermark`: newest accepted occurred_at, µs; `kafka_ms`: newest Kafka timestamp; both None at first.
    `lost`: offsets [from, to) that were deleted before they were read; see `lose`. `partial_until`: view →
    µs, before which events may be missing from it; forgotten with the hour panes. `topic_id`, `last_record`,
    `first_partitions`: as in the checkpoint; the caller's to set. `definitions`, `breaker`: see there.
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
        self.breaker = Breaker(limits.most_bad)
        self.definitions = Definitions(topic, {view.name: view for view in views}, event_types)
        self._since: dict[str, int] = {}
        self._written_offset = 0
        self._stale: set[bytes] = set()
        self._checkpoint: Checkpoint | None = None
        self._ids = IdWindow(limits.dedupe_seconds * 1000)
        self._names = {known: name for name, known in event_types.items()}
        self._event_types = event_types
        self._panes: Panes = {}
        self._stores: Stores = {}
        self._compute(self.definitions.declared)

    def _compute(self, views: Mapping[str, View]) -> None:
        """Compute these definitions, by their names in the checkpoint; of the others nothing is kept."""
        self._views = dict(views)
        kept = {*views.values()}
        dropped = [store.records() for view, store in self._panes.items() if view not in kept]
        dropped += [store.records() for view, store in self._stores.items() if view not in kept]
        self._stale |= {key for records in dropped for key, _ in records}
        self._panes = pane_stores(self.topic, views.values(), self._panes, self.limits.max_groups)
        self._stores = other_stores(
            self.topic, views.values(), self._stores, self._event_types,
            closed_us=self.limits.closed_hours * HOUR_US, kept_us=self.limits.pane_hours * HOUR_US,
            most=self.limits.max_groups,
        )  # fmt: skip
        self._fold = WindowedFold(self._panes, self._event_types)
        self._records = RecordsFold(self._panes, self._names)
        self._plan = Plan(self._fold, list(self._stores.values()))

    @property
    def readers(self) -> Readers:
        """What is kept of an event, by its class."""
        return self._plan.readers

    @property
    def wants_sources(self) -> bool:
        """Whether the sources of events are to be decoded too."""
        return self._records.wanted

    @property
    def dirty(self) -> bool:
        """Whether `changes` has anything to write."""
        return self.next_offset != self._written_offset or bool(self._stale) or self.definitions.outdated

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
        self._date_views()
        if not batch.kinds:
            return counts
        newest_ms = max(timestamps_ms)
        self.kafka_ms = newest_ms if self.kafka_ms is None else max(self.kafka_ms, newest_ms)
        times, watermark = None, self.watermark
        if len(batch.bad) < len(batch.kinds):
            repeated = find_duplicates(self._ids, batch, timestamps_ms, first_offset, now_ms)
            times = self._fold_first_seen(batch, repeated, counts)
        if batch.bad and self._records.wanted:
            self._records.refuse(batch, timestamps_ms, times, watermark)
        self.breaker.take(len(batch.kinds), [place for place, _ in batch.bad])
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
        records += self.definitions.changes(self._views.values())
        self._stale.clear()
        minute = 0 if self.watermark is None else self.watermark // MINUTE_US
        if self.watermark is not None:
            rolled_until = hour_start(minute - self.limits.pane_minutes)
            for panes in self._panes.values():
                panes.advance(rolled_until, minute // HOUR_MINUTES - self.limits.pane_hours)
            self._fold.project()
            for store in self._stores.values():
                records += store.changes(self.watermark)
        self._records.project()  # before the first event there may be bad records
        for panes in self._panes.values():
            records += panes.changes(minute)
        records += [(dedupe_key(self.topic, first), value) for first, value in self._ids.changes().items()]
        records.append(self.checkpoint_record(now_ms))
        self._written_offset = self.next_offset
        return records

    def checkpoint_record(self, at_ms: int) -> tuple[bytes, bytes]:
        """The record that says how far the fold is; `at_ms`: the wall clock."""
        return checkpoint_key(self.topic), encode_checkpoint(self.checkpoint(at_ms))

    def checkpoint(self, at_ms: int) -> Checkpoint:
        """What it says."""
        self._date_views()
        self._forget_losses()
        return Checkpoint(
            next=self.next_offset,
            watermark=self.watermark,
            kafka_ms=self.kafka_ms,
            at=at_ms,
            views=self._computed(beside=False),
            beside=self._computed(beside=True),
            lost=[(first, end) for first, end in self.lost],
            partial_until=self.partial_until,
            dedupe_clock_ms=self._ids.clock_ms,
            dedupe_elapsed_ms=self._ids.elapsed_ms,
            topic_id=self.topic_id,
            last_record=self.last_record,
            first_partitions=self.first_partitions,
            breaker=self.breaker.record(),
            groups={
                n: groups for n, one in named(self._views, self._panes).items() if (groups := len(one.limit))
            },
        )

    def group_limits(self) -> Mapping[str, GroupLimit | ExperimentStore]:
        """What bounds the groups of each windowed view, and experiments, by the view's name in the
        checkpoint."""
        return group_limits(self._views, self._panes, self._stores)

    def _computed(self, *, beside: bool) -> dict[str, tuple[str, int]]:
        return {
            view.name: (view.definition_hash, self._since[name])
            for name, view in self._views.items()
            if (name != view.name) == beside
        }

    def restore(self, records: Mapping[bytes, bytes | None]) -> None:
        """Take records of the feed partition; those of other topics and workers are passed over.

        The last record of a key counts; keys may come in any order. Raises `FeedFormatError`.
        """
        for store in self._stores.values():
            records = store.restore(records)
        for key, value in records.items():
            self._restore(key, value)

    def _restore(self, key: bytes, value: bytes | None) -> None:
        parsed = parse_key(key)
        match parsed:
            case CheckpointKey(topic) if topic == self.topic and value is not None:
                self._checkpoint = decode_checkpoint(value)
            case WindowedKey(name, definition_hash, topic, unit, number, shard) if topic == self.topic:
                view = self._views.get(name)
                if isinstance(view, Windowed) and view.definition_hash == definition_hash:
                    self._panes[view].restore(unit, number, shard, value)
                else:
                    self.definitions.restore(parsed, key, value)
            case (
                EntityKey(topic=topic)
                | UserKey(topic=topic)
                | ExperimentKey(topic=topic)
                | DeclarationKey(topic=topic)
            ) if topic == self.topic:
                self.definitions.restore(parsed, key, value)
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
            self.breaker.restore(checkpoint.breaker)
            self.lost = [list(span) for span in checkpoint.lost]
            self._go_on_with(self.definitions.settle(checkpoint), checkpoint)
        self._stale |= self.definitions.left()
        counted = {} if checkpoint is None else checkpoint.groups
        for name, panes in named(self._views, self._panes).items():
            panes.restored(counted.get(name, 0))
        if checkpoint is None:
            self._ids.restored()
        else:
            self._ids.restored(checkpoint.dedupe_clock_ms, checkpoint.dedupe_elapsed_ms)
        return checkpoint is not None

    def _go_on_with(self, views: Mapping[str, View], checkpoint: Checkpoint) -> None:
        """Compute what the checkpoint has: the definitions of this release, and others."""
        if views != self._views:
            self._compute(views)
        for name, view in views.items():
            restore(view, self.definitions.held(view), self._panes, self._stores)
            found = began(checkpoint, view)
            if found is not None:
                self._since[name] = found.offset
                if found.partial_until_us is not None:
                    self.partial_until[name] = found.partial_until_us

    def records(self, topic: str) -> dict[bytes, bytes]:
        """All that is kept of the views, as the feed has it of a source topic; their checkpoint apart."""
        return all_records(topic, self._panes, self._stores)

    def sizes(self) -> dict[str, int]:
        """How much is held, for metrics."""
        ids = {"dedupe_ids": len(self._ids), "dedupe_chunks": self._ids.chunks}
        return {**sizes(self._panes.values(), self._stores.values()), **ids}

    def _date_views(self) -> None:
        """A view that the checkpoint does not know is computed from here on."""
        if len(self._since) < len(self._views):
            for name in self._views.keys() - self._since.keys():
                self._since[name] = self.next_offset
                if self.watermark is not None:
                    self._miss_until(name, self.watermark)
                if self.kafka_ms is not None and counts_records(self._views[name]):
                    self._miss_until(name, self.kafka_ms * 1000)  # bad records are by that time

    def _miss_until(self, view: str, until_us: int) -> None:
        self.partial_until[view] = max(until_us, self.partial_until.get(view, until_us))

    def _forget_losses(self) -> None:
        if self.watermark is not None and self.partial_until:
            kept_us = (self.watermark // HOUR_US - self.limits.pane_hours) * HOUR_US
            self.partial_until = {name: us for name, us in self.partial_until.items() if us > kept_us}
            if not self.partial_until:
                self.lost = []

    def _fold_first_seen(self, batch: Decoded, repeated: list[int], counts: FoldCounts) -> Times | None:
        """Fold all events but those at the places of the repeated ones; answers their times."""
        out = [place for place, _ in batch.bad] + repeated
        counts["duplicate"] = count((batch.kinds[place] for place in repeated), self._names)
        times = Times.of(batch.times, out, self.watermark)
        if times is None:
            return None
        self.watermark = times.watermark
        late = times.late(self.limits.pane_hours * HOUR_US)
        counts["late_dropped"] = count((batch.kinds[place] for place in late), self._names)
        kinds: Sequence[type[Event] | None] = batch.kinds
        if out or late:
            kinds = list(kinds)
            for place in (*out, *late):
                kinds[place] = None
        counts["accepted"] = count(kinds, self._names)
        minutes: list[int] = (batch.times // MINUTE_US).tolist()
        for add, kept, minute in zip(map(self._plan.add_of.get, kinds), batch.kept, minutes, strict=True):
            if add is not None:
                add(kept, minute)
        if self._records.wanted:
            self._records.accept(minutes, kinds, batch)
        self._plan.join(kinds, batch, times)
        return times
