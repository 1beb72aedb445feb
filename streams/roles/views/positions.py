"""Where a views worker continues with a partition: its checkpoint's identity, and first positions.

A partition has a position from the moment it is first seen, even if it is empty: records after it that Kafka
deletes unread are lost, and reported. Records deleted before a topic was first seen are not missed; but a
partition that was added to a topic later begins at 0.
"""

from __future__ import annotations

from aiokafka import TopicPartition
from faust.types import TP

from streams.feed.writer import read_partition
from streams.roles.identity import Identity, IdentityQueries
from streams.settings import Settings
from tables.codec import decode_checkpoint
from tables.fold.state import PartitionState
from tables.keys import checkpoint_key

REMEDY = "Give it another name, or delete the feed to start over"


def identity_of(queries: IdentityQueries, tp: TP, settings: Settings) -> Identity:
    """Watches a partition and the feed partition that its state is in."""
    feed = TP(settings.topic("views.feed"), tp.partition)
    return Identity(queries, tp, done="its checkpoint is of", remedy=REMEDY, feed=feed)


class UnfinishedRestoreError(Exception):
    """The state of a partition is not restored yet (streams/restore/). `str()` says it, and what to do."""


def check_whole(tp: TP, state: PartitionState) -> None:
    """A restoration ends where the topic begins. Raises `UnfinishedRestoreError`."""
    if state.next_offset < 0:
        raise UnfinishedRestoreError(
            f"{tp.topic}-{tp.partition} is being restored, {-state.next_offset:,} offsets are left: start"
            " views workers when `sluice restore --resume` has ended"
        )


async def recognise(identity: Identity, state: PartitionState) -> bool:
    """Compare what is recovered of a partition with Kafka, and add what is not stored yet.

    True: something was added and must be written. Raises what `Identity.begin` raises.
    """
    kept = (state.topic_id, state.first_partitions)
    partitions = await identity.begin([] if state.topic_id is None else [state.topic_id], [state.last_record])
    state.topic_id = identity.topic_id
    if state.first_partitions is None:
        state.first_partitions = partitions
    return kept != (state.topic_id, state.first_partitions)


async def is_grown(settings: Settings, tp: TP) -> bool:
    """Whether a partition that was never seen was added to a topic that has been read before."""
    newest: bytes | None = None
    key = checkpoint_key(tp.topic)

    def take(_: int, of: bytes | None, value: bytes | None) -> None:
        nonlocal newest
        if of == key:
            newest = value

    await read_partition(settings, TopicPartition(settings.topic("views.feed"), 0), take)
    first = None if newest is None else decode_checkpoint(newest).first_partitions
    return first is not None and tp.partition >= first
