"""Follows the feed: from its beginning to its end, and on, whatever Kafka does meanwhile."""

from __future__ import annotations

import asyncio
import logging

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import KafkaError, NoOffsetForPartitionError, OffsetOutOfRangeError
from faust.types import TP

from agents.backoff import Backoff
from streams.feed.alien_records import located, problem_of, tell
from streams.feed.replica import Replica
from streams.kafka.availability import reason_of
from streams.kafka.batches import Fetched, fetch_batches, records_of
from streams.kafka.client import client_kwargs, stop_quietly
from streams.kafka.topic_ids import TopicIdentity, topic_identities
from streams.kafka.topology import Topology
from streams.settings import Settings
from tables.keys import source_topic
from tables.read.state import FeedItem, ReaderState
from tables.record_check import Fault

log = logging.getLogger(__name__)

FETCH_SECONDS = 0.5
PARTITION_FETCH_BYTES = 1 << 20
LOOK_SECONDS = 5.0
LONGEST_ABSENCE_SECONDS = 3600.0
"""After a longer one the feed is read from the beginning: tombstones may have been compacted meanwhile."""


class _ReadAgainError(Exception):
    """What was read is no longer what the feed contains."""


class Follower:
    """Reads the whole feed into `replica`, without a group: every api reads all of it."""

    def __init__(self, replica: Replica, settings: Settings) -> None:
        self._replica = replica
        self._settings = settings
        self._feed = settings.topic("views.feed")
        self._positions: dict[TopicPartition, int] = {}
        self._ends: dict[TopicPartition, int] = {}
        self._feed_id: str | None = None
        self._heard_at = replica.clock.monotonic()

    async def run(self) -> None:
        """Follow until the process shuts down. Raises `FeedFormatError` for a record that can't be read."""
        backoff = Backoff()
        while not self._replica.closing.is_set():
            before = dict(self._positions)
            try:
                await self._follow()
            except (_ReadAgainError, OffsetOutOfRangeError, NoOffsetForPartitionError) as error:
                log.warning("the feed is read from its beginning: %s", error or type(error).__name__)
                self._positions.clear()
                self._ends.clear()
                self._feed_id = None
                self._replica.forget("the feed to be read from its beginning")
            except (KafkaError, OSError) as error:
                if self._replica.waiting_for is not None:
                    self._replica.waiting_for = f"Kafka at {','.join(self._settings.kafka)}"
                if self._positions != before:
                    backoff.reset()
                log.warning(
                    "Kafka at %s does not answer (%s); next try in %.1f s (SLUICE_KAFKA says where it is)",
                    ",".join(self._settings.kafka),
                    await reason_of(self._settings, error),
                    backoff.seconds,
                )
                await backoff.pause(self._replica.closing)

    async def _follow(self) -> None:
        topology = Topology(self._settings)
        consumer = AIOKafkaConsumer(
            **client_kwargs(self._settings),
            client_id="sluice",
            isolation_level="read_committed",
            auto_offset_reset="none",
            enable_auto_commit=False,
            max_partition_fetch_bytes=PARTITION_FETCH_BYTES,
            fetch_max_wait_ms=100,
        )
        looking: asyncio.Task[None] | None = None
        warming: asyncio.Task[None] | None = None
        try:
            await consumer.start()
            await self._look(topology, consumer)
            looking = asyncio.create_task(self._keep_looking(topology, consumer))
            while not self._replica.closing.is_set():
                if looking.done():
                    looking.result()
                await self._take(consumer)
                if warming is None and self._replica.ready:
                    warming = asyncio.create_task(self._replica.warm())
        finally:
            tasks = [task for task in (looking, warming) if task is not None]
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            await topology.close()
            await stop_quietly(consumer)

    async def _keep_looking(self, topology: Topology, consumer: AIOKafkaConsumer) -> None:
        while not self._replica.closing.is_set():
            await self._replica.pause(LOOK_SECONDS)
            await self._look(topology, consumer)

    async def _look(self, topology: Topology, consumer: AIOKafkaConsumer) -> None:
        """Check how many partitions the raw topics and the feed have, and follow new ones."""
        counts = await topology.partition_counts((*self._settings.raw_topics, self._feed))
        self._replica.topics = {name: counts.get(name) for name in self._settings.raw_topics}
        for name in self._settings.raw_topics:
            if name not in counts:
                await self._tell_absence(topology, name, "Describe")
        known = {tp.partition for tp in consumer.assignment()}
        feed = counts.get(self._feed)
        if feed is None:
            if self._positions:
                raise _ReadAgainError("its topic is gone")
            self._replica.waiting_for = await self._tell_absence(topology, self._feed, "Read")
            return
        await self._recognise(consumer)
        if feed <= len(known):
            return
        if self._replica.waiting_for is not None:
            self._replica.waiting_for = "the feed to be read"
        partitions = [TopicPartition(self._feed, number) for number in range(feed)]
        consumer.assign(partitions)  # loses all positions
        for tp in partitions:
            if tp in self._positions:
                consumer.seek(tp, self._positions[tp])
            else:
                await consumer.seek_to_beginning(tp)

    async def _tell_absence(self, topology: Topology, topic: str, operation: str) -> str:
        why = await topology.absence(topic, operation)
        log.warning("waiting for %s", why)
        return why

    async def _recognise(self, consumer: AIOKafkaConsumer) -> None:
        """A feed with another topic id may continue at the same offset: it is read from the beginning."""
        first = TP(self._feed, 0)
        sight = (await topic_identities(consumer._client, [first])).get(first)
        if not isinstance(sight, TopicIdentity) or sight.topic_id is None:
            return
        if self._feed_id not in (None, sight.topic_id):
            raise _ReadAgainError("its topic was recreated")
        self._feed_id = sight.topic_id

    async def _take(self, consumer: AIOKafkaConsumer) -> None:
        if not consumer.assignment():
            await self._replica.pause(FETCH_SECONDS)
            return
        taken = await fetch_batches(consumer, FETCH_SECONDS)
        now = self._replica.clock.monotonic()
        silent_seconds = now - self._heard_at
        if taken:
            if silent_seconds > LONGEST_ABSENCE_SECONDS and self._positions:
                raise _ReadAgainError(f"nothing was heard of it for {silent_seconds:.0f} s")
            self._heard_at = now
        # After a silence the first records may be old news, as they are before the first end.
        late = silent_seconds > self._settings.session_seconds / 2
        for fetched in taken:
            # Where more is waiting, these records are not current either.
            await self._apply(fetched, late=late or fetched.highwater > fetched.after)
        if self._replica.waiting_for is not None:
            self._check_ready(consumer)

    async def _apply(self, fetched: Fetched, *, late: bool) -> None:
        start = self._positions.get(fetched.tp, fetched.before)
        if fetched.before > start:
            raise _ReadAgainError(f"{fetched.tp} skipped from {start} to {fetched.before}")
        if fetched.after <= start:
            return  # an assignment has reset the consumer to what is being applied
        old_news = late or fetched.tp not in self._ends or start < self._ends[fetched.tp]
        wall_ms = self._replica.clock.wall_ms() if old_news else None

        good, damaged = sorted_out(fetched, start)

        def apply(reader: ReaderState) -> set[str]:
            partition = fetched.tp.partition
            changed = reader.apply(
                partition, good, monotonic=self._replica.clock.monotonic(), wall_ms=wall_ms
            )
            for key, is_damaged in damaged.items():
                reader.mark(partition, key, damaged=is_damaged)
            return changed

        changed = await self._replica.run(apply)
        self._positions[fetched.tp] = fetched.after
        if changed:
            self._replica.notify()

    def _check_ready(self, consumer: AIOKafkaConsumer) -> None:
        """Ready once every partition's first seen end is reached: the high watermark, not the last stable
        offset, which an open transaction holds back."""
        assigned = consumer.assignment()
        for tp in assigned:
            highwater = consumer.highwater(tp)
            if tp not in self._ends and highwater is not None:
                self._ends[tp] = highwater
        read = [tp in self._ends and (self._positions.get(tp, 0) >= self._ends[tp]) for tp in assigned]
        if read and all(read):
            self._replica.waiting_for = None
            self._replica.notify()
            log.info("the feed has been read to its end: %d partitions", len(read))


def sorted_out(fetched: Fetched, start: int) -> tuple[list[FeedItem], dict[bytes, bool]]:
    """Key, value and timestamp of the readable records of a fetch, from the offset `start` on; and, for the
    keys of state with an unreadable record, whether the newest one is unreadable.

    Skips records that are not Sluice's. Raises `FeedFormatError` for a record of another format version.
    """
    good: list[FeedItem] = []
    damaged: dict[bytes, bool] = {}
    for record in records_of(fetched):
        if record.offset < start:
            continue
        key, value = record.key, record.value
        problem = problem_of(key, value)
        if problem is None:
            good.append((key, value, record.timestamp))
            if damaged and key in damaged:
                damaged[key] = False
            continue
        if problem.fault is Fault.VERSION:
            raise located(fetched.tp, record.offset, key, problem)
        tell(fetched.tp, record.offset, key, problem)
        if problem.fault is Fault.DAMAGED and source_topic(key) is not None:
            damaged[key] = True
    return good, damaged
