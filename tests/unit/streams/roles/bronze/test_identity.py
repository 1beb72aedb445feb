"""What Bronze keeps of a partition's identity and first position, and what a worker makes of it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec
import pytest
from faust.types import TP

from agents.bronze.commit import Built, Committer
from agents.bronze.files import (
    CorruptFileError,
    Intent,
    ObjectEntry,
    Position,
    commit_path,
    decode_commit,
    decode_position,
    encode,
    intent_path,
    position_path,
)
from streams.kafka.fingerprint_check import Comparison
from streams.kafka.topic_ids import TopicIdentity
from streams.roles import recoveries
from streams.roles.progress import RecreatedTopicError
from streams.roles.sinks import role
from streams.store.bronze_verify import verify
from tables.fingerprint import RecordFingerprint, fingerprint_of
from tests.support.bronze import MemoryStore, Record, builder, built
from tests.support.bronze_owner import ONE, TWO, Worker
from tests.support.events import AT_MS, click
from tests.support.kafka import wait_until

TOPIC, PARTITION = ONE


def records(first: int, end: int) -> list[Record]:
    return [Record(offset, AT_MS, click(offset)) for offset in range(first, end)]


def committer(store: MemoryStore, nonce: str = "me") -> Committer:
    return Committer(store, TOPIC, PARTITION, nonce, lambda *_: None)


def another_topic(worker: Worker, monkeypatch: pytest.MonkeyPatch) -> None:
    async def topic_identities(tps: set[TP]) -> Mapping[TP, TopicIdentity]:
        return dict.fromkeys(tps, TopicIdentity("another", 0, 1, 2))

    monkeypatch.setattr(worker.thread, "topic_identities", topic_identities)


def beginnings(worker: Worker, monkeypatch: pytest.MonkeyPatch, **at: int) -> None:
    async def beginnings(tps: set[TP]) -> Mapping[TP, int]:
        return {tp: at.get(f"p{tp.partition}", 0) for tp in tps}

    monkeypatch.setattr(worker.thread, "beginnings", beginnings)


async def position(worker: Worker, tp: TP) -> Position | None:
    file = await worker.store.get(position_path(*tp))
    return None if file is None else decode_position("", file.data)


async def test_a_commit_says_whose_it_is_and_where_it_ended(worker: Worker) -> None:
    await worker.assigned(ONE)
    await worker.take(ONE, 0, 5)
    await worker.owner.drain()
    commit = decode_commit(path := commit_path(*ONE, 0), worker.store.files[path].data)
    assert (commit.topic_id, commit.last_record) == ("id", fingerprint_of(records(4, 5)[0]))


async def test_a_range_without_records_carries_the_last_one_on(worker: Worker) -> None:
    await worker.assigned(ONE)
    await worker.take(ONE, 0, 5)
    await worker.owner.flush(3)
    await worker.take(ONE, 5, 5)
    owned = worker.owner.owned[ONE]
    owned.range.add([], 9)
    await worker.owner.drain()
    commit = decode_commit(path := commit_path(*ONE, 5), worker.store.files[path].data)
    assert (commit.next, commit.last_record) == (9, fingerprint_of(records(4, 5)[0]))


async def test_another_topic_is_refused_when_nothing_but_a_position_is_there(
    worker: Worker, monkeypatch: pytest.MonkeyPatch
) -> None:
    await worker.assigned(ONE)
    await worker.owner.drain()
    assert await position(worker, ONE) == Position(0, 2, "id")
    later = Worker(worker.store)
    another_topic(later, monkeypatch)
    with pytest.raises(RecreatedTopicError, match="topic id another, but what Bronze has is of id"):
        await later.assigned(ONE)


@pytest.mark.parametrize("known", ["of id", None])
async def test_an_intent_left_open_by_the_old_topic_is_not_filled_from_the_new_one(
    worker: Worker, monkeypatch: pytest.MonkeyPatch, known: str | None
) -> None:
    left = Intent(
        first=0, last=9, next=10, objects=(ObjectEntry("event=x/y", 1, 1, "not there"),), nonce="old",
        topic_id=known, last_record=RecordFingerprint(9, AT_MS, 1),
    )  # fmt: skip
    await worker.store.create(intent_path(*ONE, 0), encode(left))

    async def other(*_: object) -> Comparison:
        return Comparison.OTHER

    monkeypatch.setattr(worker.thread, "compare", other)
    with pytest.raises(RecreatedTopicError):
        await worker.assigned(ONE)


async def test_nothing_of_another_topic_is_written(worker: Worker, monkeypatch: pytest.MonkeyPatch) -> None:
    await worker.assigned(ONE)
    await worker.take(ONE, 0, 5)
    await worker.owner.flush(3)
    another_topic(worker, monkeypatch)
    await worker.take(ONE, 5, 8)
    await worker.owner.flush(3)
    assert await worker.nexts() == {0: 5}
    assert not [path for path in worker.store.files if f"{8 - 1:020d}" in path]
    assert [type(error) for error in worker.app.crashes] == [RecreatedTopicError]


async def test_commits_of_older_releases_are_gone_on_from_and_get_a_position(worker: Worker) -> None:
    await committer(worker.store).commit(built(records(0, 5)))
    stored_commit = msgspec.json.decode(worker.store.files[commit_path(*ONE, 0)].data)
    assert stored_commit.keys() == {"first", "last", "next", "objects"}
    assert await worker.assigned(ONE) == {ONE: 5}
    assert await position(worker, ONE) == Position(5, 2, "id")
    await worker.take(ONE, 5, 8)
    await worker.owner.drain()
    assert await worker.nexts() == {0: 8}
    assert not (await verify(worker.store)).problems


async def test_the_first_of_two_writers_says_where_a_partition_begins() -> None:
    store = MemoryStore()
    first, second = committer(store, "a"), committer(store, "b")
    assert (await first.resume(None)).next is (await second.resume(None)).next is None
    assert await first.keep_position(Position(7, 2, "id"))
    assert await first.keep_position(Position(7, 2, "id"))  # the answer was lost
    assert not await second.keep_position(Position(9, 2, "id"))
    assert (await second.resume(None)).next == 7
    made = builder(7)
    made.lose(9)
    made.add(records(9, 12), 12)
    made.close()
    await second.commit(Built(made.first, made.next, made.lost, made.objects()))
    assert (await first.resume(None)).next == 12
    assert (await verify(store)).lost == [(TOPIC, 0, 7, 9)]


async def test_a_partition_that_came_later_begins_at_0_and_others_where_kafka_did(
    worker: Worker, monkeypatch: pytest.MonkeyPatch
) -> None:
    lost: list[Any] = []

    async def raise_lost(*said: Any) -> None:
        lost.append(said[1:])

    monkeypatch.setattr(role, "raise_lost", raise_lost)
    beginnings(worker, monkeypatch, p0=40, p1=50)
    assert await worker.assigned(ONE, TWO) == {ONE: 40, TWO: 50}
    assert lost == []
    grown = TP(TOPIC, 2)
    beginnings(worker, monkeypatch, p0=40, p1=50, p2=60)
    assert await worker.assigned(ONE, TWO, grown) == {ONE: 40, TWO: 50, grown: 60}
    assert lost == [("bronze", *grown, (0, 60))]
    await worker.owner.drain()


async def test_what_is_deleted_while_the_store_is_away_at_first_sight_is_lost(
    worker: Worker, monkeypatch: pytest.MonkeyPatch
) -> None:
    lost: list[Any] = []

    async def raise_lost(*said: Any) -> None:
        lost.append(said[-1])

    monkeypatch.setattr(role, "raise_lost", raise_lost)
    monkeypatch.setattr(recoveries, "READY_SECONDS", 0.05)
    worker.store.gate.clear()
    await worker.assigned(ONE)
    beginnings(worker, monkeypatch, p0=30)
    worker.store.gate.set()
    await wait_until(lambda: ONE in worker.owner.owned)
    assert lost == [(0, 30)]
    await worker.owner.drain()


@pytest.mark.parametrize(("beginning", "until"), [(10, 20), (20, None), (30, None)])
async def test_a_pending_range_is_finished_unless_kafka_has_deleted_all_of_it(
    worker: Worker, monkeypatch: pytest.MonkeyPatch, beginning: int, until: int | None
) -> None:
    async def raise_lost(*_: Any) -> None:
        pass

    monkeypatch.setattr(role, "raise_lost", raise_lost)
    entry = ObjectEntry("event=search.click/dt=2026-03-01/x", 20, 1, "AAAAAA==")
    pending = Intent(first=0, last=19, next=20, objects=(entry,), nonce="dead")
    await worker.store.create(intent_path(*ONE, 0), encode(pending))
    beginnings(worker, monkeypatch, p0=beginning)
    await worker.assigned(ONE)
    made = worker.owner.owned[ONE].range
    assert (made.first, made.next, made.lost, made.until) == (0, beginning, (0, beginning), until)
    await worker.owner.drain()


def test_a_position_that_cannot_be_is_refused_by_name() -> None:
    for data in (b"{", b'{"first":-1}', b'{"first":"1"}', b"\xff"):
        with pytest.raises(CorruptFileError, match=r"0\.position\.json cannot"):
            decode_position(position_path(*ONE), data)
