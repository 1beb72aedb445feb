"""The rebuild of a view in one source partition: filled, adopted, switched. Each step may be killed and begun
again: what is written says how far it is.

1. Filled: the view is folded from the partition's past up to its checkpoint. What there is so far is kept in
   the feed under an alias of the topic, with a checkpoint of its own.
2. Adopted: the rebuild becomes the writer of the partition for a moment, folds the rest up to its checkpoint,
   and writes all of the view and a checkpoint that has it, in one transaction. The worker, which is fenced,
   recovers and goes on with both definitions.
3. Switched, once all partitions have adopted it: the former definition leaves the checkpoint, likewise.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, nullcontext
from dataclasses import replace
from typing import NamedTuple

from aiokafka import AIOKafkaConsumer, TopicPartition
from faust.types import TP

from agents.backoff import Backoff
from agents.views.projector import Projector
from schemas.validation.validator import Validator
from streams.chosen_views import limits_of
from streams.clock import SYSTEM_CLOCK
from streams.feed.writer import FeedWriter
from streams.kafka.client import reading
from streams.kafka.topic_ids import TopicIdentity, topic_identities
from streams.kafka.write_failures import FENCED
from streams.rebuild.base import Base
from streams.rebuild.feed_partition import FeedPartition
from streams.rebuild.plan import Past
from streams.settings import Settings
from streams.store.bronze_rows import BronzeRanges
from streams.store.urls import bronze_store, former_stores
from tables.codec import Checkpoint
from tables.definitions import ALIAS, alias_of, began
from tables.fold.adoption import adopted, switched
from tables.fold.state import PartitionState
from tables.spec.view import View

log = logging.getLogger(__name__)

SAVE_SECONDS = 1.0
NEAR_RECORDS = 5_000
"""So many records may be left to be folded while the partition's worker has to wait."""
TRIES = 20
ADOPTION_SECONDS = 120
"""All of a view is written in one transaction. A worker that returns meanwhile ends it before."""
NOWHERE = 1 << 62
"""The first offset of a topic that is no more."""


class RebuildError(Exception):
    """A rebuild can't go on. `str()` says why and what to do."""


class Rebuilt(NamedTuple):
    """What became of a source partition. `offset`: all before it is in the view; `records`: folded by this
    process; `since_us`: the time before which events may be missing, µs, None: none is."""

    topic: str
    partition: int
    offset: int
    records: int
    since_us: int | None


Progress = Callable[[str, int, int, int], None]
"""Is told the topic, the partition, the offset that has been reached, and that which is to be reached."""


class PartitionRebuild:
    """The rebuild of `view` in the partition of `topic` whose state is in `feed`. `in_kafka`: the topic still
    exists."""

    def __init__(
        self,
        settings: Settings,
        view: View,
        feed: FeedPartition,
        topic: str,
        *,
        in_kafka: bool,
        validator: Validator,
        progress: Progress,
    ) -> None:
        self.tp = TopicPartition(topic, feed.tp.partition)
        self._settings = settings
        self._view = view
        self._feed = feed
        self._in_kafka = in_kafka
        self._bronze = BronzeRanges(
            bronze_store(settings), topic, feed.tp.partition, validator, former_stores(settings)
        )
        self._validator = validator
        self._progress = progress
        self._alias = alias_of(topic, view)
        self._folded = 0
        self._bronze_first: int | None = None

    @property
    def name(self) -> str:
        """`topic-partition`."""
        return f"{self.tp.topic}-{self.tp.partition}"

    @property
    def checkpoint(self) -> Checkpoint:
        """The partition's newest one that has been read."""
        return self._feed.checkpoints[self.tp.topic]

    async def look(self) -> None:
        """Look how far back Bronze goes."""
        self._bronze_first = await self._bronze.first()

    def is_adopted(self, *, anew: bool) -> bool:
        """Whether the checkpoint has this definition; `anew`: where there is no former one, whether it has as
        much as there is."""
        found, first = began(self.checkpoint, self._view), self._bronze_first
        if found is None:
            return False
        more = found.partial_until_us is not None or (first is not None and first < found.offset)
        return not (anew and more)

    def result(self) -> Rebuilt:
        """What there is now."""
        found = began(self.checkpoint, self._view)
        since_us = found.partial_until_us if found else None
        return Rebuilt(self.tp.topic, self.tp.partition, self.checkpoint.next, self._folded, since_us)

    async def refresh(self) -> None:
        """Read the partition's newest checkpoint."""
        await self._feed.read_on()

    # --- filled and adopted --------------------------------------------------------------------------------

    async def adopt(self, *, from_us: int | None, anew: bool) -> None:
        """Fill the view and have the partition adopt it. Raises `RebuildError`, `MissingRecordsError`."""
        try:
            async with self._keeping() as writer:
                async with reading(self._settings, "sluice-rebuild", auto_offset_reset="none") as consumer:
                    await self._feed.read_on()
                    base = await self._begun(writer, consumer, from_us)
                    await self._fill(base, consumer)
                    await self._adopted(base, consumer, anew=anew)
                await self.clean(writer)
        except FENCED as error:
            raise RebuildError(
                f"{self.name}: another rebuild has taken over ({type(error).__name__}); let one run at a time"
            ) from None

    async def clean(self, writer: FeedWriter | None = None) -> None:
        """Delete what rebuilds have kept of this view of this topic."""
        await self._feed.read_on()
        mine = [alias for alias in self._feed.rebuilt if alias.partition(ALIAS)[0] == self.tp.topic]
        keys = [key for alias in mine for key in self._feed.rebuilt[alias]]
        if not keys:
            return
        async with self._keeping() if writer is None else nullcontext(writer) as keeping:
            await keeping.commit([(key, None) for key in keys], [])
        for alias in mine:
            del self._feed.rebuilt[alias]
            self._feed.checkpoints.pop(alias, None)

    @asynccontextmanager
    async def _keeping(self) -> AsyncIterator[FeedWriter]:
        """The writer of what a rebuild has so far, with a transactional id of its own."""
        own = f"{self._settings.group('views')}-rebuild-{self.tp.topic}-{self.tp.partition}"
        async with _open(
            FeedWriter(self._settings, self._alias, self.tp.partition, transactional_id=own)
        ) as writer:
            yield writer

    async def _past(self, consumer: AIOKafkaConsumer) -> Past:
        checkpoint = self.checkpoint
        commits = await self._bronze.commits()
        ids = {commit.topic_id for commit in commits} | {checkpoint.topic_id}
        if self._in_kafka:
            sight = (await topic_identities(consumer._client, [TP(*self.tp)])).get(TP(*self.tp))
            ids |= {sight.topic_id} if isinstance(sight, TopicIdentity) else set()
        if len(ids - {None}) > 1:
            raise RebuildError(
                f"{self.name}: Bronze, Kafka and the feed are not of one topic: it was recreated. Give it"
                " another name"
            )
        beginning = NOWHERE
        if self._in_kafka:
            beginning = (await consumer.beginning_offsets([self.tp]))[self.tp]
        first = min((since for _, since in checkpoint.views.values()), default=0)
        return Past(self.name, first, commits, beginning, checkpoint.lost)

    async def _begun(self, writer: FeedWriter, consumer: AIOKafkaConsumer, from_us: int | None) -> Base:
        """Go on with what an earlier process has kept, if it began as this one would; else from the start."""
        past = await self._past(consumer)
        start = past.start(from_us)
        start = replace(start, offset=min(start.offset, self.checkpoint.next))  # Bronze may be ahead of it
        kept = self._feed.checkpoints.get(self._alias)
        found = None if kept is None else began(kept, self._view)
        fits = found is not None and (
            found.offset <= start.offset
            and kept is not None
            and kept.next <= self.checkpoint.next
            and kept.topic_id == self.checkpoint.topic_id
        )
        if not fits:
            await self.clean(writer)
        limits = limits_of(self._settings)
        state = PartitionState(self._alias, [self._view], limits)
        if fits:
            state.restore(self._feed.rebuilt[self._alias])
            state.restored()
        state.topic_id = self.checkpoint.topic_id
        projector = Projector(
            self._alias, self.tp.partition, state, self._validator, SYSTEM_CLOCK.wall_ms
        )  # its quarantine is the worker's business
        saved_at = SYSTEM_CLOCK.monotonic()

        async def save(at_once: bool) -> None:
            nonlocal saved_at
            self._progress(self.tp.topic, self.tp.partition, state.next_offset, self.checkpoint.next)
            if at_once or SYSTEM_CLOCK.monotonic() - saved_at >= SAVE_SECONDS:
                interval = projector.interval()
                if interval is not None:
                    self._folded += interval.records
                    await writer.commit(interval.feed, [])
                saved_at = SYSTEM_CLOCK.monotonic()
            await asyncio.sleep(0)

        base = Base(
            self.tp, projector, self._view, past=past, bronze=self._bronze, consumer=consumer, save=save
        )
        if not fits:
            base.begin(start)
        return base

    async def _fill(self, base: Base, consumer: AIOKafkaConsumer) -> None:
        """Fold up to the partition's checkpoint, until that does not move much further meanwhile."""
        while True:
            target = self.checkpoint.next
            await base.fold_until(target, self.checkpoint)
            await self._feed.read_on()
            if self.checkpoint.next - target <= NEAR_RECORDS:
                return
            base.past = await self._past(consumer)

    async def _adopted(self, base: Base, consumer: AIOKafkaConsumer, *, anew: bool) -> None:
        backoff = Backoff(first=0.2, longest=5.0)
        for _ in range(TRIES):
            try:
                async with self._writing() as writer:
                    if self.is_adopted(anew=anew):
                        return
                    checkpoint = self.checkpoint
                    if checkpoint.next < base.state.next_offset or self._view.name not in checkpoint.views:
                        raise RebuildError(
                            f"{self.name}: the feed is not what it was (deleted, or the view is not computed"
                            " any more): run this again when workers have written it"
                        )
                    await base.fold_until(checkpoint.next, checkpoint)
                    records = adopted(
                        self._view,
                        base.state,
                        checkpoint,
                        topic=self.tp.topic,
                        there=self._feed.there.get(self.tp.topic, set()),
                        at_ms=SYSTEM_CLOCK.wall_ms(),
                    )
                    await writer.commit([*records], [])
                await self._feed.read_on()
                return
            except FENCED as error:
                log.info("%s: its worker was back first (%s); trying again", self.name, type(error).__name__)
                await self._fill(base, consumer)
                await backoff.pause()
        raise RebuildError(
            f"{self.name}: its worker was back before all was written, {TRIES} times: stop the views workers,"
            " run this again, and start them when it has ended"
        )

    # --- switched ------------------------------------------------------------------------------------------

    async def switch(self) -> None:
        """Have the partition drop the former definition, if it has one. Raises `RebuildError`."""
        backoff = Backoff(first=0.2, longest=5.0)
        for _ in range(TRIES):
            await self._feed.read_on()
            if self._view.name not in self.checkpoint.beside:
                return
            try:
                async with self._writing() as writer:
                    beside = self.checkpoint.beside.get(self._view.name)
                    if beside is None or beside[0] != self._view.definition_hash:
                        return
                    record = switched(self._view, self.tp.topic, self.checkpoint, SYSTEM_CLOCK.wall_ms())
                    await writer.commit([record], [])
            except FENCED:
                await backoff.pause()
        raise RebuildError(f"{self.name}: its worker was back before the switch was written: run this again")

    @asynccontextmanager
    async def _writing(self) -> AsyncIterator[FeedWriter]:
        """Be the writer of the partition, whose worker is fenced: its checkpoint is the newest one then."""
        async with _open(
            FeedWriter(self._settings, self.tp.topic, self.tp.partition, transaction_seconds=ADOPTION_SECONDS)
        ) as writer:
            await self._feed.read_on()
            yield writer


@asynccontextmanager
async def _open(writer: FeedWriter) -> AsyncIterator[FeedWriter]:
    await writer.open()
    try:
        yield writer
    finally:
        await writer.close()
