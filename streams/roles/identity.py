"""Checks whether a partition is still the one that was read: by its topic's id, and by reading records again.

A topic that was deleted and recreated has another id. An unclean leader election keeps the id and may replace
records that were read: the leader epoch changes, and what was read is compared with Kafka again. For brokers
without topic ids, the records alone decide.

What is about to be committed was fetched before Kafka is asked here, and the leaders that returned it
answer: so nothing of another topic is committed. One request serves all partitions of a worker that ask.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection, Iterable
from typing import NamedTuple, Protocol

from aiokafka.errors import KafkaError, UnknownTopicOrPartitionError
from faust.types import TP

from streams.clock import SYSTEM_CLOCK, Clock
from streams.kafka.fingerprint_check import Comparison
from streams.kafka.topic_ids import TopicIdentities, TopicIdentity, _Missing
from streams.roles.progress import RecreatedTopicError
from tables.fingerprint import RecordFingerprint

SETTLE_SECONDS = 5.0
"""How long to retry until the leaders answer and agree."""
PAUSE_SECONDS = 0.1
BEYOND_LOOKS, BEYOND_SECONDS = 4, 0.25


class FeedRecreatedError(KafkaError):  # type: ignore[misc]  # untyped
    """The feed is not the one that a partition was recovered from: the state in memory is invalid."""


class Asks(Protocol):
    """Sends requests to Kafka: `streams.faust.transport.BatchConsumerThread`."""

    async def topic_identities(self, tps: set[TP]) -> TopicIdentities:
        """What the leaders say; see `streams.kafka.topic_ids.topic_identities`."""

    async def compare(self, tp: TP, leader: int, fingerprint: RecordFingerprint) -> Comparison:
        """Compare a record with Kafka; see `streams.kafka.fingerprint_check.compare`."""


class _Answer(NamedTuple):
    asked_at: float
    tps: set[TP]
    identities: TopicIdentities
    error: Exception | None = None


class IdentityQueries:
    """Sends one request for all partitions that ask at the same time."""

    def __init__(self, asks: Callable[[], Asks], clock: Clock = SYSTEM_CLOCK) -> None:
        self.asks = asks
        self.clock = clock
        self._wanted: set[TP] = set()
        self._latest = _Answer(0.0, set(), {})
        self._lock = asyncio.Lock()

    async def since(self, moment: float, tps: set[TP]) -> _Answer:
        """What was asked of these partitions at `moment` (monotonic, s) or later; raises what asking did."""
        self._wanted |= tps
        async with self._lock:
            if self._latest.asked_at < moment or not tps <= self._latest.tps:
                wanted, self._wanted = self._wanted | tps, set()
                asked_at = self.clock.monotonic()
                try:
                    self._latest = _Answer(asked_at, wanted, await self.asks().topic_identities(wanted))
                except (KafkaError, OSError) as error:  # tasks that waited meanwhile would wait as long again
                    self._latest = _Answer(asked_at, wanted, {}, error)
            if self._latest.error is not None:
                raise self._latest.error
            return self._latest


class Identity:
    """Watches one partition, and the feed that its state is in, if any.

    `done` names where its identity is stored, and `remedy` states what to do if it is another topic.
    """

    def __init__(
        self, queries: IdentityQueries, tp: TP, *, done: str, remedy: str, feed: TP | None = None
    ) -> None:
        self.topic_id: str | None = None
        self.processed_at = 0.0
        self._queries = queries
        self._clock = queries.clock
        self._tp = tp
        self._feed = feed
        self._tps = {tp} if feed is None else {tp, feed}
        self._done = done
        self._remedy = remedy
        self._feed_id: str | None = None
        self._leader_epoch: int | None = None
        self._verified_at = 0.0
        self._fingerprints: list[tuple[float, RecordFingerprint]] = []

    def processed(self, fingerprint: RecordFingerprint | None) -> None:
        """Records up to this one were processed just now; None: there was none."""
        self.processed_at = self._clock.monotonic()
        if fingerprint is not None and (not self._fingerprints or self._fingerprints[-1][1] != fingerprint):
            self._fingerprints.append((self.processed_at, fingerprint))

    async def sees_feed(self) -> None:
        """The feed is about to be read: it has to be the same from now on.

        Raises `KafkaError`, `TimeoutError`.
        """
        await self._patiently(self._clock.monotonic(), raw=False)

    async def begin(
        self, topic_ids: Collection[str], fingerprints: Iterable[RecordFingerprint | None]
    ) -> int:
        """Compare the partition's stored identity with Kafka; returns the topic's partition count.

        `topic_ids`: none if nothing was stored: the current id is taken. Raises `RecreatedTopicError`,
        `KafkaError`, `TimeoutError`.
        """
        self.topic_id = next(iter(topic_ids), None)
        self._fingerprints = [(0.0, fingerprint) for fingerprint in fingerprints if fingerprint is not None]
        current = await self._patiently(self._clock.monotonic(), raw=True)
        if current is None:
            raise UnknownTopicOrPartitionError(f"{self._tp.topic}-{self._tp.partition}")
        for topic_id in topic_ids:
            self._check_id(topic_id, current)
        return current.partitions

    async def check(self) -> None:
        """Check that it is still the same. Raises what `begin` raises, and `FeedRecreatedError`."""
        await self._patiently(self._clock.monotonic(), raw=True)

    async def check_processed(self, processed_at: float | None = None) -> None:
        """The same for what was processed up to `processed_at` (monotonic, s; None: all), which is committed
        next. What was processed before it was last found to be right may be committed whatever came after.
        """
        processed_at = self.processed_at if processed_at is None else processed_at
        raw = processed_at >= self._verified_at
        if self._feed is not None:
            await self._patiently(self._clock.monotonic(), raw=raw)
        elif raw:
            await self._patiently(processed_at, raw=True)

    async def _patiently(self, since: float, *, raw: bool) -> TopicIdentity | None:
        deadline = self._clock.monotonic() + SETTLE_SECONDS
        while True:
            try:
                return await self._query(since, raw=raw)
            except FeedRecreatedError:
                raise
            except KafkaError:
                if self._clock.monotonic() > deadline:
                    raise
            await asyncio.sleep(PAUSE_SECONDS)
            since = self._clock.monotonic()

    async def _query(self, since: float, *, raw: bool) -> TopicIdentity | None:
        """What the topic is now; None: it is gone, and what was read of it was its own."""
        answer = await self._queries.since(since, self._tps)
        if self._feed is not None:
            self._check_feed(answer.identities.get(self._feed))
        current = answer.identities.get(self._tp)
        if current is None:
            raise KafkaError(f"the leader of {self._tp.topic}-{self._tp.partition} does not answer")
        if isinstance(current, _Missing):
            return None
        if raw:
            await self._check(current)
            self._leader_epoch = current.leader_epoch
            self._verified_at = max(self._verified_at, answer.asked_at)
            unverified = [
                fingerprint for fingerprint in self._fingerprints if fingerprint[0] >= answer.asked_at
            ]
            self._fingerprints = unverified or self._fingerprints[-1:]
        return current

    def _check_feed(self, current: TopicIdentity | _Missing | None) -> None:
        assert self._feed is not None
        if not isinstance(current, TopicIdentity):
            raise UnknownTopicOrPartitionError(f"{self._feed.topic}-{self._feed.partition}")
        if self._feed_id is not None and current.topic_id != self._feed_id:
            raise FeedRecreatedError(
                f"{self._feed.topic} was recreated: all is folded again from the beginning"
            )
        self._feed_id = current.topic_id

    async def _check(self, current: TopicIdentity) -> None:
        if self.topic_id is None:
            self.topic_id = current.topic_id
        else:
            self._check_id(self.topic_id, current)
        if current.leader_epoch is None or current.leader_epoch != self._leader_epoch:
            suspects = self._fingerprints
        else:
            suspects = self._fingerprints[:1] if current.topic_id is None else []
        for _, fingerprint in list(suspects):
            await self._compare(current.leader, fingerprint)

    def _check_id(self, topic_id: str, current: TopicIdentity) -> None:
        if current.topic_id not in (None, topic_id):
            raise self._recreated(f"has the topic id {current.topic_id}, but {self._done} {topic_id}")

    async def _compare(self, leader: int, fingerprint: RecordFingerprint) -> None:
        for _ in range(BEYOND_LOOKS):  # a new leader may not have its high watermark yet
            found = await self._queries.asks().compare(self._tp, leader, fingerprint)
            if found is Comparison.OTHER:
                raise self._recreated(
                    f"has another record at offset {fingerprint.offset} than was read there"
                )
            if found is not Comparison.BEYOND:
                return
            await asyncio.sleep(BEYOND_SECONDS)
        raise self._recreated(f"ends before offset {fingerprint.offset}, which was read")

    def _recreated(self, why: str) -> RecreatedTopicError:
        return RecreatedTopicError(
            f"{self._tp.topic}-{self._tp.partition} {why}: the topic was recreated, or an unclean"
            f" leader election replaced its records. {self._remedy}"
        )
