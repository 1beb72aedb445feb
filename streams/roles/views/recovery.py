"""Recovers a source partition of a views worker from the feed, and says where it goes on."""

from __future__ import annotations

import logging
from collections.abc import Callable
from pathlib import Path
from typing import Protocol

from faust.types import TP

from agents.views.projector import Projector
from schemas.validation.avro import AvroDecoder
from schemas.validation.validator import Validator
from streams.clock import now_ms
from streams.faust.transport import BatchConsumerThread
from streams.feed.writer import PartitionLog
from streams.roles.alarms import raise_lost
from streams.roles.identity import Identity, Looks
from streams.roles.recoveries import Progress
from streams.roles.views.partition import OwnedPartition, made_anew_watch
from streams.roles.views.positions import identity_of, is_grown, recognise
from streams.settings import Settings
from tables.fold.state import Limits, PartitionState
from tables.views import VIEWS

log = logging.getLogger(__name__)


class MakeOwned(Protocol):
    """Makes an owned partition of what was recovered."""

    def __call__(
        self, projector: Projector, store: PartitionLog, min_epoch: int, identity: Identity
    ) -> OwnedPartition:
        """Ready to be given what is fetched, as of the epoch `min_epoch`."""


class Recovery:
    """Recovers partitions for one worker. `thread()` answers its consumer's thread."""

    def __init__(
        self, settings: Settings, thread: Callable[[], BatchConsumerThread], make_owned: MakeOwned
    ) -> None:
        self._settings = settings
        self._thread = thread
        self._make_owned = make_owned
        self._validator = Validator(
            settings.max_event_bytes,
            AvroDecoder.load(Path(settings.avro_schemas_dir)) if settings.avro_schemas_dir else None,
        )
        self._limits = limits_of(settings)
        self._looks = Looks(thread)
        self._first_seen: dict[TP, int] = {}

    async def see(self, tp: TP) -> int:
        """Where the partition began when this worker first saw it: before it waits for anything else."""
        if tp not in self._first_seen:
            self._first_seen[tp] = (await self._thread().beginnings({tp}))[tp]
        return self._first_seen[tp]

    async def recover(self, tp: TP, progress: Progress) -> OwnedPartition:
        """Fence the former owner, read the feed, and go on behind its checkpoint.

        Raises `RecreatedTopicError`, `FeedFormatError`, `KafkaError`.
        """
        thread = self._thread()
        min_epoch = thread.epochs.get(tp, 0) + 1
        identity = identity_of(self._looks, tp, self._settings)
        store = PartitionLog(self._settings, tp.topic, tp.partition, identity.check_taken)
        state = PartitionState(tp.topic, tuple(VIEWS.values()), self._limits)
        try:
            first_seen = await self.see(tp)
            await store.open()
            await identity.sees_feed()
            records = await store.recover(progress.counting(state.restore))
            known = state.restored()
            news = await recognise(identity, state)
            beginning, end = (await thread.beginnings({tp}))[tp], (await thread.ends({tp}))[tp]
            made_anew_watch(*tp).begins(end, state.next_offset)
            projector = Projector(tp.topic, tp.partition, state, self._validator, now_ms)
            if not known and first_seen > 0 and not await is_grown(self._settings, tp):
                state.next_offset = first_seen  # what was deleted before our first start is not ours to miss
            if state.next_offset < beginning:
                await self.lose(projector, beginning)
            interval = projector.interval()  # a first position, a loss
            if interval is not None or news:
                await store.commit(interval.feed if interval else [state.checkpoint_record(now_ms())], [])
        except BaseException:
            await store.close()
            raise
        log.info("recovered %s-%d: %d records, from offset %d", *tp, records, state.next_offset)
        owned = self._make_owned(projector, store, min_epoch, identity)
        owned.end_offset = end
        return owned

    async def lose(self, projector: Projector, until: int) -> None:
        """Kafka has deleted what was to be read next, up to `until`: raise the alarm, and go on there."""
        state = projector.state
        # Before the checkpoint that records the loss, so that no crash swallows the alarm.
        lost = (state.next_offset, until)
        await raise_lost(self._settings, "views", projector.topic, projector.partition, lost)
        if state.next_offset == lost[0]:  # or somebody has noted it meanwhile
            projector.lose(until)


def limits_of(settings: Settings) -> Limits:
    """What the settings bound state by."""
    return Limits(settings.minutes_kept, settings.pane_hours, settings.dedupe_seconds, settings.closed_hours)
