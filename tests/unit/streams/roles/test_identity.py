"""When a partition is still the one that was read: ids, leader epochs and records, of a Kafka made up."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping

import pytest
from aiokafka.errors import KafkaError, UnknownTopicOrPartitionError
from faust.types import TP

from streams.kafka.fingerprint_check import Comparison
from streams.kafka.topic_ids import MISSING, TopicIdentity
from streams.roles import identity as identity_module
from streams.roles.identity import FeedRecreatedError, Identity, IdentityQueries
from streams.roles.progress import RecreatedTopicError
from tables.fingerprint import RecordFingerprint, fingerprint_of
from tests.support.bronze import Record
from tests.support.kafka import wait_until

RAW, OTHER, FEED = TP("raw", 0), TP("raw", 1), TP("feed", 0)


def mark(offset: int, crc: int = 0) -> RecordFingerprint:
    return RecordFingerprint(offset, 1000 + offset, crc)


class Kafka:
    """What leaders say, and what is found at offsets: other records from `replaced_from` on."""

    def __init__(self) -> None:
        self.ids: dict[str, str | None] = {"raw": "A", "feed": "F"}
        self.epoch: int | None = 0
        self.replaced_from = self.end = 1 << 60
        self.begins = 0
        self.silent: set[TP] = set()
        self.looks: list[set[TP]] = []
        self.compared: list[int] = []
        self.gate = asyncio.Event()
        self.gate.set()

    async def topic_identities(self, tps: set[TP]) -> Mapping[TP, TopicIdentity]:
        self.looks.append(set(tps))
        said = {
            tp: TopicIdentity(self.ids[tp.topic], self.epoch, 1, 2) if tp.topic in self.ids else MISSING
            for tp in tps - self.silent
        }
        await self.gate.wait()
        return said  # type: ignore[return-value]

    async def compare(self, tp: TP, leader: int, kept: RecordFingerprint) -> Comparison:  # noqa: ARG002
        self.compared.append(kept.offset)
        if kept.offset < self.begins:
            return Comparison.DELETED
        if kept.offset >= self.end:
            return Comparison.BEYOND
        return Comparison.OTHER if kept.offset >= self.replaced_from else Comparison.SAME


@pytest.fixture
def kafka(monkeypatch: pytest.MonkeyPatch) -> Kafka:
    monkeypatch.setattr(identity_module, "SETTLE_SECONDS", 0.2)
    monkeypatch.setattr(identity_module, "PAUSE_SECONDS", 0.01)
    monkeypatch.setattr(identity_module, "BEYOND_SECONDS", 0.01)
    return Kafka()


def watch(kafka: Kafka, *, feed: bool = False) -> Identity:
    return Identity(
        IdentityQueries(lambda: kafka), RAW, done="kept is", remedy="Mend it", feed=FEED if feed else None
    )


async def test_an_id_is_adopted_where_none_was_kept_and_held_from_then_on(kafka: Kafka) -> None:
    watched = watch(kafka)
    assert await watched.begin([], []) == 2
    assert watched.topic_id == "A"
    kafka.ids["raw"] = "B"
    with pytest.raises(RecreatedTopicError, match=r"raw-0 has the topic id B, but kept is A.*Mend it"):
        await watched.check()


async def test_another_id_is_refused_whatever_the_records_say(kafka: Kafka) -> None:
    with pytest.raises(RecreatedTopicError):
        await watch(kafka).begin(["B"], [mark(5)])
    with pytest.raises(RecreatedTopicError):
        await watch(kafka).begin(["A", "B"], [])


@pytest.mark.parametrize("known", ["A", None])
async def test_records_are_compared_when_one_begins(kafka: Kafka, known: str | None) -> None:
    ids = [] if known is None else [known]
    await watch(kafka).begin(ids, [mark(5), None])
    kafka.begins, kafka.replaced_from = 6, 0
    await watch(kafka).begin(ids, [mark(5)])  # nobody can tell
    kafka.begins = 0
    with pytest.raises(RecreatedTopicError, match="another record at offset 5"):
        await watch(kafka).begin(ids, [mark(5)])
    kafka.replaced_from, kafka.end = 1 << 60, 5
    with pytest.raises(RecreatedTopicError, match="ends before offset 5"):
        await watch(kafka).begin(ids, [mark(5)])


async def test_a_log_cut_and_refilled_between_two_fetches_shows_by_the_leader_epoch(kafka: Kafka) -> None:
    watched = watch(kafka)
    await watched.begin([], [mark(5)])
    watched.processed(mark(9))
    await watched.check_processed()
    watched.processed(mark(20))
    kafka.compared.clear()
    kafka.epoch, kafka.replaced_from = 1, 15  # 16 to 20 were of the old log, and are others now
    watched.processed(mark(30, crc=1))
    with pytest.raises(RecreatedTopicError, match="another record at offset 20"):
        await watched.check_processed()
    assert kafka.compared == [9, 20]


async def test_an_election_without_loss_is_none_of_our_business(kafka: Kafka) -> None:
    watched = watch(kafka)
    await watched.begin([], [mark(5)])
    kafka.compared.clear()
    await watched.check()
    assert kafka.compared == []
    kafka.epoch = 1
    watched.processed(mark(8))
    await watched.check()
    assert kafka.compared == [5, 8]
    await watched.check()
    assert kafka.compared == [5, 8]


@pytest.mark.parametrize("epoch", [0, None])
async def test_brokers_without_ids_are_judged_by_records_at_each_look(
    kafka: Kafka, epoch: int | None
) -> None:
    kafka.ids["raw"], kafka.epoch = None, epoch
    watched = watch(kafka)
    await watched.begin([], [mark(5)])
    watched.processed(mark(7))
    await watched.check_processed()
    kafka.replaced_from = 0
    watched.processed(mark(200, crc=1))
    with pytest.raises(RecreatedTopicError):
        await watched.check_processed()


async def test_what_was_taken_before_a_good_look_may_be_committed_later(kafka: Kafka) -> None:
    watched = watch(kafka)
    await watched.begin([], [])
    watched.processed(mark(5))
    processed_at = watched.processed_at
    await watched.check()
    kafka.ids["raw"] = "B"
    await watched.check_processed(processed_at)
    await watched.check_processed()
    watched.processed(mark(6))
    await watched.check_processed(processed_at)
    with pytest.raises(RecreatedTopicError):
        await watched.check_processed()


async def test_a_topic_that_is_gone_is_not_another_one(kafka: Kafka) -> None:
    watched = watch(kafka)
    await watched.begin([], [])
    watched.processed(mark(5))
    del kafka.ids["raw"]
    await watched.check_processed()
    with pytest.raises(UnknownTopicOrPartitionError):
        await watch(kafka).begin([], [])
    kafka.ids["raw"] = "B"
    watched.processed(mark(6))
    with pytest.raises(RecreatedTopicError):
        await watched.check_processed()


async def test_another_feed_is_told_apart_even_when_nothing_was_taken(kafka: Kafka) -> None:
    watched = watch(kafka, feed=True)
    await watched.sees_feed()
    await watched.begin([], [])
    kafka.ids["feed"] = "G"
    with pytest.raises(FeedRecreatedError):
        await watched.check_processed()
    del kafka.ids["feed"]
    with pytest.raises(UnknownTopicOrPartitionError):
        await watched.check_processed()


async def test_a_leader_that_does_not_answer_holds_up_its_own_partition_alone(kafka: Kafka) -> None:
    looks = IdentityQueries(lambda: kafka)
    mine, other = (Identity(looks, tp, done="", remedy="") for tp in (RAW, OTHER))
    kafka.silent = {OTHER}
    outcomes = await asyncio.gather(mine.begin([], []), other.begin([], []), return_exceptions=True)
    assert outcomes[0] == 2
    assert isinstance(outcomes[1], KafkaError)
    kafka.silent = set()
    assert await other.begin([], []) == 2


async def test_one_look_serves_all_who_ask_and_none_who_asked_later(kafka: Kafka) -> None:
    looks = IdentityQueries(lambda: kafka)
    kafka.gate.clear()
    first = asyncio.create_task(looks.since(time.monotonic(), {RAW}))
    await wait_until(lambda: kafka.looks == [{RAW}])
    later = [asyncio.create_task(looks.since(time.monotonic(), {tp})) for tp in (RAW, OTHER, FEED)]
    await asyncio.sleep(0)
    kafka.gate.set()
    asked = (await first).asked_at
    assert min([(await task).asked_at for task in later]) > asked
    assert kafka.looks == [{RAW}, {RAW, OTHER, FEED}]


def test_a_mark_is_of_the_record_not_of_its_batch() -> None:
    kept = fingerprint_of(Record(7, 1000, b"value"))
    assert kept == fingerprint_of(Record(7, 1000, b"value"))
    others = [
        Record(8, 1000, b"value"),
        Record(7, 1001, b"value"),
        Record(7, 1000, b"valve"),
        Record(7, 1000, None),
    ]
    assert kept not in map(fingerprint_of, others)
