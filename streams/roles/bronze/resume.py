"""Where a source partition goes on in Bronze: behind the store's newest commit, or in a range begun there."""

from __future__ import annotations

import asyncio
import logging
import uuid
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TypeVar

from aiokafka.errors import KafkaError
from faust.types import TP

from agents.bronze.commit import Committer, Resume
from agents.bronze.files import Position
from agents.bronze.layout import Layout, layout_of, layout_of_intent
from agents.bronze.range import RangeBuilder
from agents.bronze.store import Store, StoreError
from schemas.validation.avro import AvroDecoder
from schemas.validation.validator import Validator
from streams import logs
from streams.errors import ErrorCode
from streams.faust.transport import BatchConsumerThread
from streams.roles.alarms import raise_lost
from streams.roles.bronze.commit_hint import hint_of
from streams.roles.bronze.identity import MEND, identity_of, is_grown, recognise
from streams.roles.bronze.partition import BronzePartition
from streams.roles.identity import Looks
from streams.roles.recreated_topic import MadeAnew
from streams.settings import Settings

log = logging.getLogger(__name__)

PAUSE_SECONDS = 1.0
COMPRESSING_THREADS = 2

T = TypeVar("T")


class Beginner:
    """Begins partitions for one worker. `on_written` and `on_end` are those of `BronzePartition`."""

    def __init__(
        self,
        settings: Settings,
        store: Store,
        on_written: Callable[[], None],
        on_end: Callable[[BronzePartition, Exception], None],
    ) -> None:
        self._settings = settings
        self._store = store
        self._on_written = on_written
        self._on_end = on_end
        self._avro = (
            AvroDecoder.load(Path(settings.avro_schemas_dir))
            if settings.avro_schemas_dir
            else AvroDecoder({})
        )
        self._validator = Validator(settings.max_event_bytes, self._avro)
        self._pool = ThreadPoolExecutor(COMPRESSING_THREADS, thread_name_prefix="gzip")
        self._layout = layout_of(settings.bronze_city_domains)
        self._nonce = uuid.uuid4().hex
        self._first_seen: dict[TP, int] = {}
        self._known_looks: Looks | None = None

    async def begin(self, thread: BatchConsumerThread, tp: TP) -> BronzePartition:
        """Find out where a partition goes on, again and again while store or Kafka are away.

        Raises `CorruptFileError`, `RecreatedTopicError`.
        """
        committer = Committer(self._store, tp.topic, tp.partition, self._nonce, self._store_failed)
        doing = f"beginning {tp.topic}-{tp.partition}"
        if tp not in self._first_seen:  # before the store is asked, which may be away for long
            self._first_seen.update(await patiently(doing, lambda: thread.beginnings({tp})))
        return await patiently(doing, lambda: self._begin(thread, tp, committer))

    async def _begin(self, thread: BatchConsumerThread, tp: TP, committer: Committer) -> BronzePartition:
        resume = await committer.resume(await hint_of(thread, tp))
        identity = identity_of(self._looks(thread), tp)
        partitions = await recognise(identity, committer, resume.intent)
        if resume.next is None and tp.partition and self._first_seen[tp] and await is_grown(committer, tp):
            self._first_seen[tp] = 0
        first = _first_of(resume, self._first_seen[tp])
        if committer.position is None and not await committer.keep_position(
            Position(first, partitions, identity.topic_id)
        ):
            return await self._begin(thread, tp, committer)
        beginning, end = (await thread.beginnings({tp}))[tp], (await thread.ends({tp}))[tp]
        made_anew = MadeAnew(*tp, "newest Bronze commit goes up to", MEND)
        made_anew.begins(end, first)
        until = resume.intent.next if resume.intent is not None and resume.intent.next > beginning else None
        layout = self._layout
        if until is not None and resume.intent is not None:
            layout = layout_of_intent(resume.intent, layout)
        begin = self._range(tp, first, until, layout)
        if beginning > first:
            await raise_lost(self._settings, "bronze", *tp, (first, beginning))
            begin.lose(beginning)
        log.info("%s-%d goes on at offset %d", *tp, begin.next)
        return BronzePartition(
            begin,
            lambda first, until: self._range(tp, first, until, self._layout),
            committer,
            made_anew,
            identity=identity,
            last_record=None if committer.newest is None else committer.newest.last_record,
            max_seconds=self._settings.bronze_max_seconds,
            on_written=self._on_written,
            on_end=self._on_end,
        )

    def _looks(self, thread: BatchConsumerThread) -> Looks:
        """One for all partitions of the worker."""
        if self._known_looks is None:
            self._known_looks = Looks(lambda: thread)
        return self._known_looks

    def _range(self, tp: TP, first: int, until: int | None, layout: Layout) -> RangeBuilder:
        return RangeBuilder(
            tp.topic,
            tp.partition,
            first,
            validator=self._validator,
            avro=self._avro,
            pool=self._pool,
            max_bytes=self._settings.bronze_max_bytes,
            until=until,
            layout=layout,
        )

    def _store_failed(self, operation: str, error: StoreError, next_try_seconds: float) -> None:
        logs.emit(
            ErrorCode.EVENT_PUT_FAILED,
            f"Bronze: {error}; next try in {next_try_seconds:g} s",
            operation=operation,
        )


async def patiently(doing: str, step: Callable[[], Awaitable[T]]) -> T:
    """Do it again and again while Kafka is away."""
    while True:
        try:
            return await step()
        except (KafkaError, OSError) as error:  # running out of time is an OSError
            log.warning("%s: %s: %s; trying again", doing, type(error).__name__, error)
            await asyncio.sleep(PAUSE_SECONDS)


def _first_of(resume: Resume, beginning: int) -> int:
    if resume.next is not None:
        return resume.next
    return beginning if resume.intent is None else min(resume.intent.first, beginning)
