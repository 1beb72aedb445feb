"""What former Bronzes have of each source partition, and whether that can be restored into this Kafka."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from aiokafka import TopicPartition
from faust.types import TP

from agents.bronze.files import COMMITS
from agents.bronze.store import Store
from streams.feed.writer import read_partition
from streams.kafka.availability import connected_admin
from streams.kafka.client import reading
from streams.kafka.refusals import no_right
from streams.kafka.rights import missing_rights
from streams.kafka.topic_ids import TopicIdentity, topic_identities
from streams.kafka.topology import partition_counts
from streams.settings import Settings
from streams.store.bronze_reader import source_of
from streams.store.former import former_lives, newest_commit
from tables.codec import Checkpoint, decode_checkpoint
from tables.keys import source_topic
from tables.record_check import is_feed_key

CREATE = "`sluice topics create` makes it so"


class RestoreError(Exception):
    """Nothing can be restored, or not all. `str()` says why and what to do."""


class PastPartition(NamedTuple):
    """What former Bronzes have of a source partition.

    `first`: its first offset, below 0; the newest record's is -1. `ranges`: how many there are. `began_at`:
    the offset that the oldest record had in its Kafka. `newest_ms`: Kafka timestamp of the newest record,
    None: not known. `topic_id`: that of the newest topic that was lost; None: not known.
    """

    topic: str
    partition: int
    first: int
    ranges: int
    began_at: int
    newest_ms: int | None
    topic_id: str | None

    @property
    def name(self) -> str:
        """`topic-partition`."""
        return f"{self.topic}-{self.partition}"


async def past_of(stores: Sequence[Store]) -> list[PastPartition]:
    """All that these Bronzes have, the oldest first. Raises `StoreError`, `CorruptFileError`."""
    counts: dict[tuple[str, int], int] = {}
    for store in stores:
        async for listed in store.list(COMMITS):
            topic, partition, _ = source_of(listed.path)
            counts[topic, partition] = counts.get((topic, partition), 0) + 1
    return [await _past(stores, *source, ranges) for source, ranges in sorted(counts.items())]


async def _past(stores: Sequence[Store], topic: str, partition: int, ranges: int) -> PastPartition:
    lives = await former_lives(stores, topic, partition)
    oldest, newest = lives[0], await newest_commit(lives[-1].store, topic, partition)
    assert newest is not None  # a life has one
    folder = f"{COMMITS}{topic}/{partition}/"
    began_at = min([source_of(one.path)[2] async for one in oldest.store.list(folder)])
    first = int(began_at.removesuffix(".json"))
    last = newest.last_record
    newest_ms = None if last is None or last.timestamp_ms < 0 else last.timestamp_ms
    return PastPartition(topic, partition, oldest.shift + first, ranges, first, newest_ms, newest.topic_id)


async def check_kafka(
    settings: Settings, past: Sequence[PastPartition], *, resume: bool
) -> dict[TP, TopicIdentity]:
    """Check that this Kafka is one into which all of it can be restored; answers which topics there are now.

    `resume`: a restoration may have begun. Raises `RestoreError`, and aiokafka's errors.
    """
    async with connected_admin(settings) as admin:
        if lacking := await missing_rights(admin, settings, "restore"):
            raise RestoreError(no_right(", ".join(lacking)))
    feed = settings.topic("views.feed")
    counts = await partition_counts(settings, {feed, *settings.raw_topics})
    for one in past:
        for topic in (feed, one.topic) if one.topic in settings.raw_topics else (feed,):
            if counts.get(topic, 0) <= one.partition:
                most = 1 + max(each.partition for each in past)
                raise RestoreError(
                    f"{topic} has {counts.get(topic, 0)} partitions, and Bronze has {one.name}: {CREATE},"
                    f" with SLUICE_PARTITIONS={most} or more"
                )
    now = await _other_topics(settings, [one for one in past if one.topic in settings.raw_topics])
    for number in range(counts[feed]):
        await _check_feed(settings, TopicPartition(feed, number), resume=resume)
    return now


async def _other_topics(settings: Settings, past: Sequence[PastPartition]) -> dict[TP, TopicIdentity]:
    """Which topics there are now, none of them the one that Bronze has: records would count twice. Raises
    `RestoreError`, and aiokafka's errors."""
    tps = {TP(one.topic, one.partition) for one in past}
    async with reading(settings, "sluice-restore") as consumer:
        # Nothing is assigned: it would be fetched, and to describe the topic is enough.
        ends = await consumer.end_offsets([TopicPartition(*tp) for tp in tps])
        found = await topic_identities(consumer._client, tps) if tps else {}
    now = {tp: one for tp, one in found.items() if isinstance(one, TopicIdentity)}
    if late := sorted(tps - now.keys()):
        names = ", ".join(f"{tp.topic}-{tp.partition}" for tp in late)
        raise RestoreError(f"the leaders of {names} do not answer: run this again once they do")
    for one in past:
        topic_id = now[TP(one.topic, one.partition)].topic_id
        if topic_id == one.topic_id is not None:
            raise RestoreError(
                f"{one.name} is the topic that Bronze has: Kafka was not lost, and workers only have to be"
                " started. What the feed lost is filled in by `sluice views rebuild`"
            )
        if None in (topic_id, one.topic_id) and ends[TopicPartition(one.topic, one.partition)]:
            raise RestoreError(
                f"{one.name} may be the topic that Bronze has: its id is not known, and it has records."
                " Make it anew, and restore before producers start"
            )
    return now


async def _check_feed(settings: Settings, tp: TopicPartition, *, resume: bool) -> None:
    """Refuse a feed partition with what a restoration has not written, or, unless `resume`, with anything."""
    there: set[bytes] = set()
    checkpoints: dict[str, Checkpoint] = {}

    def take(_: int, key: bytes | None, value: bytes | None) -> None:
        if key is None or not is_feed_key(key) or (topic := source_topic(key)) is None:
            return
        (there.discard if value is None else there.add)(key)
        if key[:1] == b"c" and value is not None:
            checkpoints[topic.decode()] = decode_checkpoint(value)

    await read_partition(settings, tp, take)
    name = f"{tp.topic}-{tp.partition}"
    for topic, checkpoint in checkpoints.items():
        if not is_restored(checkpoint):
            raise RestoreError(
                f"{name} is not empty: a worker has begun with {topic}-{tp.partition}, and is at offset"
                f" {checkpoint.next:,}. Stop the views workers, delete the topic {tp.topic}, run `sluice"
                " topics create`, and then this again: nothing of the raw topics is lost by that"
            )
        if not resume:
            raise RestoreError(
                f"{name} is not empty: {topic}-{tp.partition} is being restored, or was: --resume goes on"
            )
    if there and not checkpoints:
        raise RestoreError(f"{name} is not empty, and has no checkpoint: delete it, and {CREATE}")


def is_restored(checkpoint: Checkpoint) -> bool:
    """Whether a restoration has written it, or a worker that went on from there."""
    return any(since < 0 for _, since in checkpoint.views.values())
