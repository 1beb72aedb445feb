"""What a partition's owner may write, and what it must never write: with a log in memory that can fail."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import Any

import pytest
from aiokafka import TopicPartition

from agents.protocols import BadRecord, FeedRecord
from agents.views.projector import GapError, Projector
from schemas.validation.validator import Validator
from streams.kafka.batches import Fetched
from streams.roles.caught_up import CaughtUp
from streams.roles.recreated_topic import RecreatedTopicError
from streams.roles.views.partition import OwnedPartition
from streams.roles.views.quarantine_counts import BadRecords
from tables.codec import decode_checkpoint
from tables.fold.state import Limits, PartitionState
from tables.views import VIEWS
from tests.support.kafka import wait_until

TOPIC = "t"
NOW_MS = 1_772_359_200_000
CLICK = (
    b'{"event_id":"e%d","event":"search.click","version":1,"occurred_at":"2026-03-01T10:00:00Z","source":"s",'
    b'"city":"ulm","payload":{"session_id":"s","listing_id":"l","position":1}}'
)


OnFailure = Callable[[OwnedPartition, Exception], None]


class Record:
    def __init__(self, offset: int) -> None:
        self.offset, self.timestamp, self.key, self.value = offset, NOW_MS, None, CLICK % offset


class Batch(list[Record]):
    @property
    def base_offset(self) -> int:
        return self[0].offset


class MemoryLog:
    """Keeps what is committed. `error` is raised instead; while `gate` is closed a commit waits."""

    def __init__(self) -> None:
        self.commits: list[list[FeedRecord]] = []
        self.error: Exception | None = None
        self.gate = asyncio.Event()
        self.gate.set()
        self.entered = asyncio.Event()
        self.closed = False

    async def commit(self, feed: Sequence[FeedRecord], quarantine: Sequence[BadRecord]) -> None:  # noqa: ARG002
        self.entered.set()
        await self.gate.wait()
        if self.error:
            raise self.error
        self.commits.append(list(feed))

    async def close(self) -> None:
        self.closed = True

    @property
    def next_offsets(self) -> list[int]:
        """The offset in each commit's checkpoint."""
        return [decode_checkpoint(feed[-1][1] or b"").next for feed in self.commits]


class Owned:
    """A partition on a `MemoryLog`; its checkpoints come only when asked for, or once an hour."""

    def __init__(self, on_failure: OnFailure | None = None, bad_records: BadRecords | None = None) -> None:
        self.log = MemoryLog()
        self.failures: list[Exception] = []
        self.bad_records = bad_records or BadRecords()
        state = PartitionState(TOPIC, VIEWS.values(), Limits(2880, 840, 3600, 168))
        self.projector = Projector(TOPIC, 0, state, Validator(), lambda: NOW_MS)
        self.partition = OwnedPartition(
            self.projector, self.log, 1, lambda: 3600.0,
            on_failure or (lambda _, error: self.failures.append(error)), bad_records=self.bad_records,
        )  # fmt: skip

    async def take(self, first: int, end: int, epoch: int = 1) -> None:
        batches: list[Any] = [Batch(map(Record, range(first, end)))] if end > first else []
        await self.partition.take(Fetched(TopicPartition(TOPIC, 0), first, end, batches, end, epoch))


@pytest.fixture
async def owned() -> Any:
    made = Owned()
    await made.take(0, 1)  # the first checkpoint is written at once
    await wait_until(lambda: made.log.next_offsets == [1], "the first checkpoint")
    yield made
    await made.partition.close()


async def test_a_batch_that_fails_in_the_middle_is_never_written(
    owned: Owned, monkeypatch: pytest.MonkeyPatch
) -> None:
    await owned.take(1, 5)

    def fail(*_: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(owned.projector.state, "_fold_first_seen", fail)
    with pytest.raises(ZeroDivisionError):
        await owned.take(5, 9)
    assert await owned.partition.checkpoint() is False
    assert await owned.partition.still_ours() is False
    assert owned.log.next_offsets == [1]


async def test_changes_that_fail_are_a_failed_checkpoint(
    owned: Owned, monkeypatch: pytest.MonkeyPatch
) -> None:
    await owned.take(1, 5)

    def fail(*_: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(owned.projector.state, "changes", fail)
    assert await owned.partition.checkpoint() is False
    assert [type(error) for error in owned.failures] == [ZeroDivisionError]
    assert await owned.partition.checkpoint() is False
    assert owned.log.next_offsets == [1]


async def test_proof_and_changes_are_one_transaction(owned: Owned) -> None:
    await owned.take(1, 5)
    owned.log.gate.clear()
    owned.log.entered.clear()
    proof = asyncio.create_task(owned.partition.still_ours())
    await owned.log.entered.wait()
    await owned.take(5, 9)  # while the proof is on its way
    owned.log.gate.set()
    assert await proof is True
    assert owned.log.next_offsets == [1, 5]
    assert await owned.partition.still_ours() is True
    assert owned.log.next_offsets == [1, 5, 9]
    assert await owned.partition.still_ours() is True  # nothing new: proved all the same
    assert owned.log.next_offsets == [1, 5, 9, 9]


async def test_a_cancelled_commit_is_a_failed_one(owned: Owned) -> None:
    await owned.take(1, 5)
    owned.log.gate.clear()
    owned.log.entered.clear()
    proof = asyncio.create_task(owned.partition.still_ours())
    await owned.log.entered.wait()
    proof.cancel()
    await asyncio.wait({proof})
    owned.log.gate.set()
    assert owned.partition.failed
    assert await owned.partition.checkpoint() is False
    assert owned.log.next_offsets == [1]


async def test_after_a_failed_commit_nothing_is_folded_or_written(owned: Owned) -> None:
    owned.log.error = OSError("away")
    await owned.take(1, 5)
    assert await owned.partition.checkpoint() is False
    owned.log.error = None
    await owned.take(5, 9)
    assert owned.projector.state.next_offset == 5
    assert await owned.partition.checkpoint() is False
    assert owned.log.next_offsets == [1]


async def test_old_epochs_overlaps_and_gaps(owned: Owned) -> None:
    await owned.take(1, 5, epoch=0)
    assert owned.projector.state.next_offset == 1, "fetched before the last seek"
    await owned.take(0, 5)
    assert owned.projector.state.next_offset == 5, "the first one is skipped"
    assert sum(owned.projector.pending.outcomes.values()) == 4
    with pytest.raises(GapError):
        await owned.take(7, 9)


async def test_a_topic_that_ends_below_its_checkpoint_was_made_anew(owned: Owned) -> None:
    owned.partition.saw_end(0, 0, NOW_MS)  # once may be an answer that crossed a checkpoint
    owned.partition.saw_end(1, 1, NOW_MS)
    owned.partition.saw_end(0, 0, NOW_MS)
    with pytest.raises(RecreatedTopicError, match="ends at 0, but its checkpoint is at 1"):
        owned.partition.saw_end(0, 0, NOW_MS)


@pytest.mark.parametrize(
    ("recovered", "seconds", "unsure"), [(True, 2, True), (True, 0, False), (False, 2, False)]
)
async def test_the_age_of_what_is_unread_is_not_guessed_right_after_a_recovery(
    recovered: bool, seconds: float, unsure: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """But a consumer that does not read on shows, and so does a partition of which nothing was ever read."""
    monkeypatch.setattr("streams.roles.views.partition.FIRST_READ_SECONDS", seconds)
    owned = Owned()
    owned.projector.state.kafka_ms = NOW_MS if recovered else None
    owned.partition.saw_end(3, 3, NOW_MS)
    seen = [owned.partition.unsure]  # others may take long to be recovered, and reading waits for them
    owned.partition.begins_reading()
    seen.append(owned.partition.unsure)
    await owned.take(0, 1)
    assert [*seen, owned.partition.unsure] == [recovered, unsure, False]
    await owned.partition.close()


async def test_the_age_of_what_is_unread(owned: Owned) -> None:
    owned.partition.saw_end(1, 1, NOW_MS)
    assert owned.partition.oldest_unread_ms() is None
    owned.partition.saw_end(1, 4, NOW_MS + 9)  # behind somebody's open transaction
    assert owned.partition.oldest_unread_ms() == NOW_MS
    await owned.take(1, 3)
    assert owned.partition.oldest_unread_ms() == NOW_MS, "its own timestamp, until it is written"


def test_under_steady_load_the_bound_moves_along() -> None:
    caught_up = CaughtUp()
    for second in range(100):  # always five behind at each look
        caught_up.saw_end(10 * second + 5, 10 * second, second * 1000)
        assert caught_up.at_ms == (None if second == 0 else (second - 1) * 1000)
