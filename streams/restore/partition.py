"""The restoration of one source partition: what former Bronzes have of it is folded as a worker would have.

The state is written by checkpoints at offsets below 0, by the partition's own transactional id; the last one
is at 0, where the topic that there is now begins, and a worker goes on from there. A process that is begun
again recovers the newest checkpoint, as a worker does.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import NamedTuple

from agents.bronze.files import CorruptFileError
from agents.views.projector import Projector
from schemas.times import FUTURE_MS
from schemas.validation.validator import Validator
from streams.chosen_views import chosen_views, limits_of
from streams.clock import SYSTEM_CLOCK
from streams.feed.writer import FeedWriter
from streams.kafka.topic_ids import TopicIdentity
from streams.kafka.write_failures import FENCED
from streams.restore.past import PastPartition, RestoreError
from streams.settings import Settings
from streams.store.bronze_rows import BronzeRanges, Row, parts_of
from tables.fold.state import PartitionState

SAVE_SECONDS = 1.0
TRANSACTION_SECONDS = 60
PART_RECORDS = 20_000
"""So many are folded between two looks at the clock."""

Progress = Callable[[PastPartition, int], None]
"""Is told the partition, and the offset that has been reached."""


class Restored(NamedTuple):
    """What became of a source partition. `records`: folded by this process."""

    past: PastPartition
    records: int


class PartitionRestore:
    """Of the partition that is `past`. `topic`: what there is under its name now; None: nothing, or it is
    none of SLUICE_RAW_TOPICS. `sources`: how many source partitions share SLUICE_MAX_GROUPS."""

    def __init__(
        self,
        settings: Settings,
        past: PastPartition,
        ranges: BronzeRanges,
        validator: Validator,
        *,
        topic: TopicIdentity | None,
        sources: int,
        progress: Progress,
    ) -> None:
        self._settings = settings
        self._past = past
        self._ranges = ranges
        self._validator = validator
        self._topic = topic
        self._limits = limits_of(settings, sources)
        self._progress = progress
        self._records = 0
        self._saved_at = 0.0

    async def run(self) -> Restored:
        """Restore it, or what is left of it. Raises `RestoreError`, `StoreError`, `CorruptFileError`,
        `FeedFormatError` and aiokafka's errors."""
        past = self._past
        writer = FeedWriter(
            self._settings, past.topic, past.partition, transaction_seconds=TRANSACTION_SECONDS
        )
        try:
            await writer.open()
            projector = await self._begun(writer)
            if projector.state.next_offset < 0:
                await self._fold_all(projector, writer)
        except FENCED:
            raise RestoreError(
                f"{past.name}: a views worker or another restoration has taken over: stop it, and run this"
                " again with --resume"
            ) from None
        finally:
            await writer.close()
        return Restored(past, self._records)

    async def _begun(self, writer: FeedWriter) -> Projector:
        """The fold as the feed has it, or at its beginning."""
        past, views = self._past, chosen_views(self._settings)
        state = PartitionState(past.topic, tuple(views.values()), self._limits)
        await writer.recover(state.restore)
        known = state.restored()
        if known and state.next_offset < 0:
            begun = {name: since for name, (_, since) in state.checkpoint(0).views.items()}
            if begun != dict.fromkeys(views, past.first) or state.definitions.anew:
                raise RestoreError(
                    f"{past.name}: it was begun by other definitions, with another SLUICE_VIEWS or"
                    f" SLUICE_BRONZE_FORMER, or by a worker: delete {self._settings.topic('views.feed')}, run"
                    " `sluice topics create`, and restore it from the beginning"
                )
        elif not known:
            state.next_offset = past.first
            state.checkpoint(0)  # all views are computed from here on, whatever was lost first
            if self._topic is not None:
                state.topic_id, state.first_partitions = self._topic.topic_id, self._topic.partitions
        return Projector(past.topic, past.partition, state, self._validator, SYSTEM_CLOCK.wall_ms)

    async def _fold_all(self, projector: Projector, writer: FeedWriter) -> None:
        state = projector.state
        async for commit in self._ranges.after(state.next_offset):
            if commit.first > state.next_offset:
                break
            rows = await self._ranges.rows(commit)
            if commit.lost is not None and commit.lost[0] <= state.next_offset < commit.lost[1]:
                state.lose(commit.lost[1], _until_us(rows))
            for part, until in parts_of(rows, state.next_offset, commit.next, PART_RECORDS):
                projector.fold(state.next_offset, until, [part])
                await self._save(projector, writer, at_once=until == 0)
        if state.next_offset < 0:
            raise CorruptFileError(
                f"{self._past.name}: a commit is missing, or not adjacent, {-state.next_offset:,} offsets"
                " before the end of what SLUICE_BRONZE_FORMER has: `sluice bronze verify` there says which"
            )

    async def _save(self, projector: Projector, writer: FeedWriter, *, at_once: bool) -> None:
        """Write a checkpoint, at once or a while after the one before."""
        now = SYSTEM_CLOCK.monotonic()
        if at_once or now - self._saved_at >= SAVE_SECONDS:
            projector.state.last_record = None  # it is not in this Kafka, where a worker would look for it
            interval = projector.interval()
            if interval is not None:
                await writer.commit(interval.feed, [])
                self._records += interval.records
            self._saved_at = now
            self._progress(self._past, projector.state.next_offset)
        await asyncio.sleep(0)


def _until_us(rows: list[Row]) -> int:
    """What was lost before these rows occurred before this, µs."""
    newest_ms = max((row.timestamp for row in rows), default=SYSTEM_CLOCK.wall_ms())
    return (newest_ms + FUTURE_MS) * 1000
