"""Bronze as a sink: ranges become objects, an intent and a commit in a store (`agents.bronze`)."""

from __future__ import annotations

import asyncio
import time
import uuid
from concurrent.futures import ThreadPoolExecutor
from functools import partial

from agents.bronze.commit import Built, Committer, Resume
from agents.bronze.files import Position
from agents.bronze.layout import layout_of, layout_of_intent
from agents.bronze.range import RangeBuilder
from agents.bronze.store import Store, StoreError
from agents.sink import Proof, Resumed, Source
from schemas.validation.avro.known_schemas import KnownSchemas
from schemas.validation.validator import Validator
from streams import logs, metrics
from streams.errors import ErrorCode
from streams.settings import Settings

COMPRESSING_THREADS = 2


class BronzeSink:
    """`agents.sink.Sink` of one worker: its nonce is unique."""

    name = "Bronze"

    def __init__(self, settings: Settings, store: Store, schemas: KnownSchemas | None = None) -> None:
        self._store = store
        self._range = partial(
            RangeBuilder,
            validator=Validator(settings.max_event_bytes, schemas),
            pool=ThreadPoolExecutor(COMPRESSING_THREADS, thread_name_prefix="gzip"),
            max_bytes=settings.bronze_max_bytes,
        )
        self._layout = layout_of(settings.bronze_city_domains)
        self._nonce = uuid.uuid4().hex
        self._committers: dict[tuple[str, int], Committer] = {}

    def __str__(self) -> str:
        return f"the store at {self._store}"

    async def resume(self, source: Source) -> Resumed:
        """After the store's newest commit, or in a pending range. Raises `CorruptFileError`."""
        committer = Committer(self._store, source.topic, source.partition, self._nonce, _log_failure)
        self._committers[source.topic, source.partition] = committer
        resume = await committer.resume(await source.hint())
        intent = resume.intent
        kept = [file for file in (committer.position, committer.newest, intent) if file is not None]
        read = [file.last_record for file in (committer.newest, intent) if file is not None]
        partitions = await source.verify([file.topic_id for file in kept if file.topic_id is not None], read)
        first = await _first_of(resume, source, committer)
        position = Position(first, partitions, source.topic_id)
        if committer.position is None and not await committer.keep_position(position):
            return await self.resume(source)
        newest = None if committer.newest is None else committer.newest.last_record
        if intent is None:
            return Resumed(self.open_range(source, first), newest)
        layout = layout_of_intent(intent, self._layout)
        pending = self._range(source.topic, source.partition, first, until=intent.next, layout=layout)
        return Resumed(pending, newest)

    def open_range(self, source: Source, first: int) -> RangeBuilder:
        """See `agents.sink.Sink`."""
        return self._range(source.topic, source.partition, first, layout=self._layout)

    async def commit(self, source: Source, closed: RangeBuilder, proof: Proof) -> None:
        """See `agents.sink.Sink`. Raises `CorruptFileError`, too."""
        started = time.monotonic()
        objects = await asyncio.to_thread(closed.objects)
        committer = self._committers[source.topic, source.partition]
        await committer.commit(Built(closed.first, closed.next, closed.lost, objects, *proof))
        metrics.BRONZE_OBJECTS.inc(len(objects))
        metrics.BRONZE_BYTES.labels("raw").inc(closed.raw_bytes)
        metrics.BRONZE_BYTES.labels("stored").inc(sum(len(made.data) for made in objects))
        metrics.BRONZE_COMMIT.observe(time.monotonic() - started)


async def _first_of(resume: Resume, source: Source, committer: Committer) -> int:
    """Where a partition continues or begins: at Kafka's beginning when it was first seen; one added to a
    topic that has been read before begins at 0."""
    if resume.next is not None:
        return resume.next
    beginning = source.first_seen
    if source.partition and beginning:
        seen = await committer.position_of(0)
        if seen is not None and seen.partitions is not None and source.partition >= seen.partitions:
            beginning = 0
    return beginning if resume.intent is None else min(resume.intent.first, beginning)


def _log_failure(operation: str, error: StoreError, next_try_seconds: float) -> None:
    logs.emit(
        ErrorCode.EVENT_PUT_FAILED,
        f"Bronze: {error}; next try in {next_try_seconds:g} s",
        operation=operation,
    )
