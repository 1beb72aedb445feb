"""Metadata with topic ids: read by hand as Kafka's schema says, and put together from what leaders answer."""

from __future__ import annotations

from io import BytesIO
from types import SimpleNamespace
from typing import Any

import pytest
from aiokafka.errors import NodeNotReadyError
from aiokafka.protocol.metadata import MetadataResponse_v1
from aiokafka.protocol.types import (
    Boolean,
    CompactArray,
    CompactString,
    Int16,
    Int32,
    Int64,
    Schema,
    TaggedFields,
)
from faust.types import TP

from streams.kafka.topic_ids import MISSING, TopicIdentity, TopicIdRequest, topic_identities

ID = bytes(range(16))
TEXT = "AAECAwQFBgcICQoLDA0ODw"
V10 = Schema(
    ("throttle", Int32),
    (
        "brokers",
        CompactArray(
            ("id", Int32),
            ("host", CompactString()),
            ("port", Int32),
            ("rack", CompactString()),
            ("tags", TaggedFields),
        ),
    ),
    ("cluster", CompactString()),
    ("controller", Int32),
    (
        "topics",
        CompactArray(
            ("code", Int16),
            ("name", CompactString()),
            ("id_high", Int64),
            ("id_low", Int64),
            ("internal", Boolean),
            (
                "partitions",
                CompactArray(
                    ("code", Int16),
                    ("number", Int32),
                    ("leader", Int32),
                    ("epoch", Int32),
                    ("replicas", CompactArray(Int32)),
                    ("isr", CompactArray(Int32)),
                    ("offline", CompactArray(Int32)),
                    ("tags", TaggedFields),
                ),
            ),
            ("operations", Int32),
            ("tags", TaggedFields),
        ),
    ),
    ("operations", Int32),
    ("tags", TaggedFields),
)


def topic(
    name: str, leaders: list[int], *, epoch: int = 0, topic_id: bytes = ID, code: int = 0
) -> tuple[Any, ...]:
    high, low = (int.from_bytes(half, "big", signed=True) for half in (topic_id[:8], topic_id[8:]))
    partitions: list[Any] = [
        (0, number, leader, epoch, list(range(number % 200)), [leader], None, {})
        for number, leader in enumerate(leaders)
    ]
    return (code, name, high, low, False, partitions, 0, {})


def v10(*topics: tuple[Any, ...]) -> Any:
    brokers: list[Any] = [(number, "host" * 50, 9092, None, {}) for number in range(3)]
    data = V10.encode((0, brokers, None, 1, list(topics), 0, {}))
    return TopicIdRequest(["raw"]).prepare({3: (0, 13)}).RESPONSE_TYPE.decode(BytesIO(data))


class Client:
    """Answers by node; None: the node is away."""

    def __init__(self, answers: dict[int, Any], leader: int | None = 1) -> None:
        self.answers, self.updates = answers, 0
        self.asked: list[int] = []
        self.cluster = SimpleNamespace(
            leader_for_partition=lambda _: leader, brokers=lambda: [SimpleNamespace(nodeId=1)]
        )

    async def send(self, node: int, _: object, *, group: object) -> Any:  # noqa: ARG002
        self.asked.append(node)
        if self.answers[node] is None:
            raise NodeNotReadyError
        return self.answers[node]

    def force_metadata_update(self) -> None:
        self.updates += 1


RAW = TP("raw", 0)


async def test_an_answer_of_many_partitions_is_read_as_its_schema_says() -> None:
    answer = v10(topic("other", [1]), topic("raw", [1] * 300, epoch=7))
    found = await topic_identities(
        Client({1: answer}), [RAW, TP("raw", 299), TP("raw", 300), TP("none", 0), TP("other", 0)]
    )
    assert found[RAW] == found[TP("raw", 299)] == TopicIdentity(TEXT, 7, 1, 300)
    assert found[TP("other", 0)] == TopicIdentity(TEXT, 0, 1, 1)
    assert found[TP("raw", 300)] is MISSING
    assert TP("none", 0) not in found


async def test_a_topic_that_is_not_there_is_missing() -> None:
    assert await topic_identities(Client({1: v10(topic("raw", [], code=3))}, leader=None), [RAW]) == {
        RAW: MISSING
    }


async def test_the_leaders_own_word_counts_and_disagreement_is_no_answer() -> None:
    told = v10(topic("raw", [2], epoch=1))
    client = Client({1: told, 2: v10(topic("raw", [2], epoch=2))})
    assert await topic_identities(client, [RAW]) == {RAW: TopicIdentity(TEXT, 2, 2, 1)}
    assert client.asked == [1, 2]
    for says in (topic("raw", [2], topic_id=bytes(15) + b"x"), topic("raw", [], code=3)):
        assert await topic_identities(Client({1: told, 2: v10(says)}), [RAW]) == {}
    silent = Client({1: told, 2: None})
    assert await topic_identities(silent, [RAW]) == {}
    assert silent.updates == 1


@pytest.mark.parametrize(("highest", "version"), [(13, 10), (9, 7), (6, 1)])
def test_each_broker_is_asked_as_it_can_be(highest: int, version: int) -> None:
    request: Any = TopicIdRequest(["raw"]).prepare({3: (0, highest)})
    assert version == request.API_VERSION
    assert request.encode()


async def test_a_broker_without_ids_says_who_leads() -> None:
    answer = MetadataResponse_v1(
        brokers=[], controller_id=1, topics=[(0, "raw", False, [(0, 0, 1, [1], [1]), (0, 1, 1, [1], [1])])]
    )
    assert await topic_identities(Client({1: answer}), [RAW]) == {RAW: TopicIdentity(None, None, 1, 2)}
    assert await topic_identities(Client({1: v10(topic("raw", [1], topic_id=bytes(16)))}), [RAW]) == {
        RAW: TopicIdentity(None, 0, 1, 1)
    }
