"""What a partition's owner may write, and what it must never write: with a log in memory that can fail."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from prometheus_client import REGISTRY

from agents.views.projector import GapError
from streams.roles.progress import RecreatedTopicError
from tests.support.kafka import wait_until
from tests.support.roles import FixedClock
from tests.support.views_partition import NOW_MS, Owned


@pytest.fixture
async def owned() -> Any:
    made = Owned()
    await made.process(0, 1)  # the first checkpoint is written at once
    await wait_until(lambda: made.log.next_offsets == [1], "the first checkpoint")
    yield made
    await made.partition.release()


async def test_a_batch_that_fails_in_the_middle_is_never_written(
    owned: Owned, monkeypatch: pytest.MonkeyPatch
) -> None:
    await owned.process(1, 5)

    def fail(*_: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(owned.projector.state, "_fold_first_seen", fail)
    with pytest.raises(ZeroDivisionError):
        await owned.process(5, 9)
    assert await owned.partition.checkpoint() is False
    assert await owned.partition.still_ours() is False
    assert owned.log.next_offsets == [1]


async def test_changes_that_fail_are_a_failed_checkpoint(
    owned: Owned, monkeypatch: pytest.MonkeyPatch
) -> None:
    await owned.process(1, 5)

    def fail(*_: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(owned.projector.state, "changes", fail)
    assert await owned.partition.checkpoint() is False
    assert [type(error) for error in owned.failures] == [ZeroDivisionError]
    assert await owned.partition.checkpoint() is False
    assert owned.log.next_offsets == [1]


async def test_proof_and_changes_are_one_transaction(owned: Owned) -> None:
    await owned.process(1, 5)
    owned.log.gate.clear()
    owned.log.entered.clear()
    proof = asyncio.create_task(owned.partition.still_ours())
    await owned.log.entered.wait()
    await owned.process(5, 9)  # while the proof is on its way
    owned.log.gate.set()
    assert await proof is True
    assert owned.log.next_offsets == [1, 5]
    assert await owned.partition.still_ours() is True
    assert owned.log.next_offsets == [1, 5, 9]
    assert await owned.partition.still_ours() is True  # nothing new: proved all the same
    assert owned.log.next_offsets == [1, 5, 9, 9]


async def test_a_cancelled_commit_is_a_failed_one(owned: Owned) -> None:
    await owned.process(1, 5)
    owned.log.gate.clear()
    owned.log.entered.clear()
    proof = asyncio.create_task(owned.partition.still_ours())
    await owned.log.entered.wait()
    proof.cancel()
    await asyncio.wait({proof})
    owned.log.gate.set()
    assert owned.partition.failure
    assert await owned.partition.checkpoint() is False
    assert owned.log.next_offsets == [1]


async def test_after_a_failed_commit_nothing_is_folded_or_written(owned: Owned) -> None:
    owned.log.error = OSError("away")
    await owned.process(1, 5)
    assert await owned.partition.checkpoint() is False
    owned.log.error = None
    await owned.process(5, 9)
    assert owned.projector.state.next_offset == 5
    assert await owned.partition.checkpoint() is False
    assert owned.log.next_offsets == [1]


async def test_old_epochs_overlaps_and_gaps(owned: Owned) -> None:
    await owned.process(1, 5, epoch=0)
    assert owned.projector.state.next_offset == 1, "fetched before the last seek"
    await owned.process(0, 5)
    assert owned.projector.state.next_offset == 5, "the first one is skipped"
    assert sum(owned.projector.pending.outcomes.values()) == 4
    with pytest.raises(GapError):
        await owned.process(7, 9)


async def test_a_topic_that_ends_below_its_checkpoint_was_recreated(owned: Owned) -> None:
    owned.saw_end(0, 0)  # once may be an answer that crossed a checkpoint
    owned.saw_end(1, 1)
    owned.saw_end(0, 0)
    with pytest.raises(RecreatedTopicError, match="ends at 0, but its checkpoint is at 1"):
        owned.saw_end(0, 0)


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
    owned.saw_end(3, 3)
    seen = [owned.partition.unsure]  # others may take long to be recovered, and reading waits for them
    owned.partition.begins_reading()
    seen.append(owned.partition.unsure)
    await owned.process(0, 1)
    assert [*seen, owned.partition.unsure] == [recovered, unsure, False]
    await owned.partition.release()


async def test_the_age_of_what_is_unread(owned: Owned) -> None:
    owned.saw_end(1, 1)
    assert owned.partition.oldest_uncommitted_ms() is None
    owned.saw_end(1, 4)  # behind somebody's open transaction
    assert owned.partition.oldest_uncommitted_ms() == NOW_MS
    await owned.process(1, 3)
    assert owned.partition.oldest_uncommitted_ms() == NOW_MS, "its own timestamp, until it is written"


async def test_it_is_behind_since_it_is_owned_where_nothing_was_ever_read() -> None:
    owned = Owned()
    assert owned.partition.lag_seconds(NOW_MS + 5_000) == 0
    owned.saw_end(4, 4)
    assert owned.partition.oldest_uncommitted_ms() == 0
    assert owned.partition.lag_seconds(NOW_MS + 5_000) == 5
    await owned.process(0, 4)
    assert owned.partition.lag_seconds(NOW_MS + 5_000) == 5
    await owned.partition.flush()
    assert owned.partition.lag_seconds(NOW_MS + 5_000) == 0
    await owned.partition.release()


class StoppedClock(FixedClock):
    """Both clocks stand still until they are set."""

    seconds = 1_000.0

    def monotonic(self) -> float:
        return self.seconds


async def test_a_checkpoint_that_took_the_whole_interval_is_followed_by_the_next_at_once() -> None:
    clock = StoppedClock(NOW_MS)
    made = Owned(clock=clock)
    made.log.gate.clear()
    await made.process(0, 1)
    await made.log.entered.wait()
    await made.process(1, 5)  # while the first is on its way
    clock.seconds += 3_600
    made.log.gate.set()
    await wait_until(lambda: made.log.next_offsets == [1, 5], "the second checkpoint")
    await made.partition.release()


async def test_the_age_of_every_record_is_observed_when_its_checkpoint_is_committed(owned: Owned) -> None:
    def observed(what: str) -> float:
        return REGISTRY.get_sample_value(f"sluice_event_to_view_seconds_{what}") or 0.0

    count, total = observed("count"), observed("sum")
    await owned.process(1, 8)
    assert observed("count") == count
    owned.clock.ms = NOW_MS + 250
    assert await owned.partition.checkpoint() is True
    assert observed("count") == count + 7
    assert observed("sum") == pytest.approx(total + 7 * 0.25)
    assert await owned.partition.still_ours() is True  # writes a checkpoint without records
    assert observed("count") == count + 7
