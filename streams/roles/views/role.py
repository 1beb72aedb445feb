"""The views role: recovers partitions from the feed, and judges their failures."""

from __future__ import annotations

import asyncio
import logging
import os
import socket
import uuid
from collections.abc import Collection, Sequence

from aiokafka.errors import (
    ClusterAuthorizationFailedError,
    KafkaError,
    TopicAuthorizationFailedError,
    TransactionalIdAuthorizationFailed,
)
from faust.types import TP

from agents.views.projector import Projector
from schemas.validation.avro.known_schemas import KnownSchemas
from schemas.validation.validator import Validator
from streams.chosen_views import chosen_views, limits_of
from streams.feed.writer import FeedWriter
from streams.kafka.record_size import TOO_LARGE
from streams.kafka.retried import RETRY_SECONDS
from streams.kafka.write_failures import log_failed_write
from streams.roles.alarms import raise_lost
from streams.roles.identity import FeedRecreatedError
from streams.roles.owner import PartitionOwner
from streams.roles.progress import Progress, RecreatedTopicError
from streams.roles.recoveries import RecoveryProgress, watched
from streams.roles.views.feed_topics import WrittenTopics
from streams.roles.views.partition import ViewsPartition
from streams.roles.views.positions import REMEDY, check_whole, identity_of, is_grown, recognise
from streams.roles.views.quarantine_counts import QuarantineCounts
from streams.settings import Settings
from streams.traces import Traces
from tables.fold.state import PartitionState

log = logging.getLogger(__name__)

TRANSACTION_CPU_SECONDS = 0.0015
"""CPU of one checkpoint transaction, measured; the interval grows with the partitions: a tenth at most."""
LONGEST_FETCH_PAUSE_SECONDS = 0.5
NAMED = 8
HOPELESS = (
    *TOO_LARGE,
    TopicAuthorizationFailedError,
    ClusterAuthorizationFailedError,
    TransactionalIdAuthorizationFailed,
)
"""Kafka's errors that a retry does not change."""

Owner = PartitionOwner[ViewsPartition]


class ViewsRole:
    """`streams.roles.owner.Role` of one views worker, which is called `worker`."""

    name = "views"
    drain_seconds = 6.0

    def __init__(
        self, settings: Settings, schemas: KnownSchemas | None = None, traces: Traces | None = None
    ) -> None:
        self.worker = settings.instance or f"{socket.gethostname()}-{os.getpid()}-{uuid.uuid4().hex[:8]}"
        self.quarantined = QuarantineCounts()
        self._settings = settings
        self._traces = traces
        self._validator = Validator(settings.max_event_bytes, schemas)
        self._topics = WrittenTopics(settings)

    async def recover(self, owner: Owner, tp: TP) -> ViewsPartition:
        """Fence the former owner, restore from the feed, continue after its checkpoint. Waits for Kafka.

        Raises `RecreatedTopicError`, `UnfinishedRestoreError`, `FeedFormatError`, `RecoveryStuckError`, and
        what is `HOPELESS`.
        """
        progress = RecoveryProgress()
        doing = "recovering {}-{}".format(*tp)
        return await watched(self._recover_patiently(owner, tp, progress), progress, doing)

    async def _recover_patiently(self, owner: Owner, tp: TP, progress: RecoveryProgress) -> ViewsPartition:
        while True:
            try:
                await owner.first_seen(tp)  # before waiting for anything else
                await self._topics.have(tp, progress.moved, owner.report_health)
                return await self._recover(owner, tp, progress)
            except HOPELESS:
                raise
            except (KafkaError, OSError) as error:
                self._log_failed("recovering {}-{}".format(*tp), error)
                if getattr(error, "retriable", False):  # not one that stays, nor a client that is stuck
                    progress.moved()
                await asyncio.sleep(RETRY_SECONDS)
                await owner.until_still_assigned()

    async def _recover(self, owner: Owner, tp: TP, progress: RecoveryProgress) -> ViewsPartition:
        identity = identity_of(owner.queries, tp, self._settings)
        feed = FeedWriter(self._settings, tp.topic, tp.partition, identity.check_processed)
        limits = limits_of(self._settings, self._topics.sources)
        state = PartitionState(tp.topic, tuple(chosen_views(self._settings).values()), limits)
        try:
            await feed.open()
            await identity.sees_feed()
            records = await feed.recover(progress.counting(state.restore))
            known = state.restored()
            check_whole(tp, state)
            for name, why in state.definitions.anew.items():
                log.warning("%s-%d: %s begins anew, without its former definition: %s", *tp, name, why)
            news = await recognise(identity, state)
            beginning, end = (await owner.thread.beginnings({tp}))[tp], (await owner.thread.ends({tp}))[tp]
            made = Progress(*tp, done="checkpoint is at", remedy=REMEDY, clock=owner.clock)
            made.begins(end, state.next_offset)
            made.end_offset = end
            traces = self._traces.of(*tp) if self._traces else None
            look = traces.look if traces else None
            projector = Projector(*tp, state, self._validator, owner.clock.wall_ms, look=look)
            first_seen = await owner.first_seen(tp)
            if not known and first_seen > 0 and not await is_grown(self._settings, tp):
                state.next_offset = first_seen  # what was deleted before the first start is not lost
            if state.next_offset < beginning:
                await raise_lost(self._settings, self.name, *tp, (state.next_offset, beginning))
                projector.lose(beginning)
            interval = projector.interval()  # a first position, a loss
            if interval is not None or news:
                checkpoint = [state.checkpoint_record(owner.clock.wall_ms())]
                await feed.commit(interval.feed if interval else checkpoint, [])
        except BaseException:
            await feed.close()
            raise
        log.info("recovered %s-%d: %d records, from offset %d", *tp, records, state.next_offset)
        return ViewsPartition(
            projector,
            feed,
            identity,
            made,
            interval_s=lambda: self.interval_s(len(owner.owned)),
            on_failure=lambda partition: owner.failed(tp, partition),
            quarantined=self.quarantined,
            clock=owner.clock,
            traces=traces,
        )

    def interval_s(self, partitions: int) -> float:
        """Seconds between two checkpoints of a partition, in a worker of so many."""
        return max(self._settings.checkpoint_ms / 1000, 10 * TRANSACTION_CPU_SECONDS * partitions)

    def fetch_pause_s(self, partitions: int) -> float:
        """As often as it writes, so that a checkpoint begins as its records arrive."""
        return min(self.interval_s(partitions), LONGEST_FETCH_PAUSE_SECONDS)

    def on_failure(self, tp: TP, error: Exception) -> bool:
        """See `streams.roles.owner.Role`: a failure that a retry cannot fix ends the process."""
        if isinstance(error, FeedRecreatedError):
            log.warning("%s-%d: %s", *tp, error)
        elif not isinstance(error, RecreatedTopicError):
            self._log_failed("the checkpoint of {}-{}".format(*tp), error)
        return not isinstance(error, HOPELESS) and isinstance(error, KafkaError | OSError)

    def _log_failed(self, what: str, error: Exception) -> None:
        log_failed_write(what, error, self._settings.topic("views.feed"))

    def waiting_for(self, tps: Collection[TP]) -> str | None:
        """Topics that lack a partition, and the recovery of the others."""
        missing = self._topics.waiting
        late = [f"{tp.topic}-{tp.partition}" for tp in sorted(tps) if tp not in missing]
        what = [*missing.values(), *(["the recovery of " + _some(late)] if late else [])]
        return "; ".join(what) or None


def _some(names: Sequence[str]) -> str:
    more = f" and {len(names) - NAMED} more" if len(names) > NAMED else ""
    return ", ".join(names[:NAMED]) + more
