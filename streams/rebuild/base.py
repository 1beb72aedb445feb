"""The fold of one source partition's past into one view: from Bronze's ranges, then from Kafka."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import Any

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import OffsetOutOfRangeError

from agents.bronze.files import Commit
from agents.protocols import SLICE_RECORDS
from agents.records import Unpacked
from agents.views.projector import Projector
from schemas.times import FUTURE_MS
from streams.clock import SYSTEM_CLOCK
from streams.kafka.batches import Fetched, fetch_batches
from streams.rebuild.plan import Past, Start
from streams.store.bronze_rows import BronzeRanges, parts_of
from tables.codec import Checkpoint
from tables.spec.view import View

PART_RECORDS = 20_000
"""So many are folded between two checkpoints of a rebuild, or a fetch of Kafka's."""
FETCH_SECONDS = 1.0

Save = Callable[[bool], Awaitable[None]]
"""Writes a checkpoint of the rebuild's own: at once, or when some time has passed since the last one."""


class Base:
    """What a rebuild has of one source partition: `projector.state`, whose view is `view`. `past`: where the
    rest is; it may be replaced by a newer one."""

    def __init__(
        self,
        tp: TopicPartition,
        projector: Projector,
        view: View,
        *,
        past: Past,
        bronze: BronzeRanges,
        consumer: AIOKafkaConsumer,
        save: Save,
    ) -> None:
        self.state = projector.state
        self.past = past
        self._tp = tp
        self._projector = projector
        self._view = view
        self._bronze = bronze
        self._consumer = consumer
        self._save = save
        self._start: Start | None = None

    def begin(self, start: Start) -> None:
        """Begin there, with nothing. At the latest the first record shows since when nothing is missing."""
        self.state.next_offset = start.offset
        if start.since_us is not None:
            now_us = (SYSTEM_CLOCK.wall_ms() + FUTURE_MS) * 1000
            self.state.partial_until[self._view.name] = now_us if start.cut else start.since_us
            self._start = start

    async def fold_until(self, target: int, checkpoint: Checkpoint) -> None:
        """Fold all records below the offset `target` that are not folded yet.

        `checkpoint`: the partition's own. Raises `MissingRecordsError`, `StoreError`, `CorruptFileError`, and
        aiokafka's errors.
        """
        past = self.past
        past.check(self.state.next_offset, target)
        while (position := self.state.next_offset) < target:
            commit, lost = past.covering(position), past.loss(position)
            if commit is not None:
                await self._fold_range(commit, target, checkpoint)
            elif position < past.beginning and lost is not None:
                self._lose(min(lost, target), checkpoint)
            else:
                await self._fold_kafka(target)
            await self._save(False)
        await self._save(True)

    async def _fold_range(self, commit: Commit, target: int, checkpoint: Checkpoint) -> None:
        """Of one of Bronze's ranges what lies from the position on and below the target."""
        rows = await self._bronze.rows(commit)
        if commit.lost is not None and commit.lost[0] <= self.state.next_offset < commit.lost[1]:
            self._lose(min(commit.lost[1], target), checkpoint)
        end = min(commit.next, target)
        for part, until in parts_of(rows, self.state.next_offset, end, PART_RECORDS):
            self._fold(part, until)
            if until < end:
                await self._save(False)

    async def _fold_kafka(self, target: int) -> None:
        """One fetch and more of Kafka's records, from the position on."""
        position = self.state.next_offset
        if self._tp not in self._consumer.assignment():
            self._consumer.assign([self._tp])
            self._consumer.seek(self._tp, position)
        elif await self._consumer.position(self._tp) != position:
            self._consumer.seek(self._tp, position)
        try:
            fetches = await fetch_batches(self._consumer, FETCH_SECONDS)
        except OffsetOutOfRangeError:
            raise self.past.missing(position, target) from None
        for fetched in fetches:
            self._fold_fetched(fetched, target)

    def _fold_fetched(self, fetched: Fetched, target: int) -> None:
        position, end = self.state.next_offset, min(fetched.after, target)
        if fetched.before > position or end <= position:
            return
        records = Unpacked(fetched.batches, position)
        while part := records.take(SLICE_RECORDS):
            wanted = [record for record in part if record.offset < end]
            if wanted:
                self._fold(wanted, wanted[-1].offset + 1)
            if len(wanted) < len(part):
                break
        if self.state.next_offset < end:  # what is not records
            self._fold([], end)

    def _fold(self, records: Sequence[Any], until: int) -> None:
        if self._start is not None and records:
            since_us = self._start.since(records[0].timestamp)
            if since_us is not None:
                self.state.partial_until[self._view.name] = since_us
            self._start = None
        self._projector.fold(self.state.next_offset, until, [records] if records else [])

    def _lose(self, until: int, checkpoint: Checkpoint) -> None:
        """Kafka had deleted these before they were read: as they are missing from the former definition."""
        now_us = (SYSTEM_CLOCK.wall_ms() + FUTURE_MS) * 1000
        self.state.lose(until, checkpoint.partial_until.get(self._view.name, now_us))
