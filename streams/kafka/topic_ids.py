"""Which topic a name refers to: its id and its partitions' leader epochs, as the leaders report them.

aiokafka requests metadata without either, so the requests are declared here (KIP-320, KIP-516). A broker puts
new metadata into its answers before it opens the corresponding logs (KRaft, BrokerMetadataPublisher): one
that has returned records of a new topic already answers with its id. So the leaders are asked.
"""

from __future__ import annotations

import asyncio
import base64
import logging
from collections.abc import Collection, Iterable, Mapping
from io import BytesIO
from struct import Struct
from typing import Any, NamedTuple, TypeAlias, cast

from aiokafka.errors import KafkaError
from aiokafka.protocol.api import Request, RequestStruct, Response
from aiokafka.protocol.metadata import MetadataRequest_v1
from aiokafka.protocol.types import (
    Array,
    Boolean,
    CompactArray,
    CompactString,
    Int16,
    Int32,
    Schema,
    String,
    TaggedFields,
)
from faust.types import TP

log = logging.getLogger(__name__)

NO_ERROR, UNKNOWN_TOPIC = 0, 3
CONNECTIONS = "identity"
"""The group of connections for these requests: on those of fetches they would wait for a long poll."""
NODE_SECONDS = 2.0
NO_ID = bytes(16)


class TopicIdentity(NamedTuple):
    """A partition's topic as its leader (a node's number) reports it.

    `topic_id`: as Kafka's tools print it; None: the broker has no topic ids. `leader_epoch`: None likewise.
    `partitions`: the topic's partition count.
    """

    topic_id: str | None
    leader_epoch: int | None
    leader: int
    partitions: int


class _Missing:
    """Instead of a `TopicIdentity`: there is no such topic, or it has no such partition."""


MISSING = _Missing()

TopicIdentities = Mapping[TP, TopicIdentity | _Missing]
"""What is known; a partition whose leader did not answer is left out."""


_Topic = tuple[int, str, bytes, bool, list[Any]]
"""Error code, name, id, whether it is internal; partitions: (error code, number, leader, leader epoch)."""
_INT16, _PARTITION = Struct(">h"), Struct(">hiii")


class _Uuid:
    @staticmethod
    def encode(value: bytes) -> bytes:
        return value

    @staticmethod
    def decode(data: BytesIO) -> bytes:
        return data.read(16)

    @staticmethod
    def repr(value: bytes) -> str:
        return value.hex()


_UUID = cast(Any, _Uuid)


class _MetadataResponseV7(Response):  # type: ignore[misc]  # untyped
    API_KEY = 3
    API_VERSION = 7
    SCHEMA = Schema(
        ("throttle_time_ms", Int32),
        (
            "brokers",
            Array(("node_id", Int32), ("host", String()), ("port", Int32), ("rack", String())),
        ),
        ("cluster_id", String()),
        ("controller_id", Int32),
        (
            "topics",
            Array(
                ("error_code", Int16),
                ("topic", String()),
                ("is_internal", Boolean),
                (
                    "partitions",
                    Array(
                        ("error_code", Int16),
                        ("partition", Int32),
                        ("leader", Int32),
                        ("leader_epoch", Int32),
                        ("replicas", Array(Int32)),
                        ("isr", Array(Int32)),
                        ("offline_replicas", Array(Int32)),
                    ),
                ),
            ),
        ),
    )


class _MetadataRequestV7(RequestStruct):  # type: ignore[misc]  # untyped
    API_KEY = 3
    API_VERSION = 7
    RESPONSE_TYPE = _MetadataResponseV7
    SCHEMA = Schema(("topics", Array(String())), ("allow_auto_topic_creation", Boolean))


class _MetadataResponseV10(Response):  # type: ignore[misc]  # untyped
    """Parsed by hand: it is read at each checkpoint, and a schema takes ten times as long over partitions."""

    API_KEY = 3
    API_VERSION = 10
    SCHEMA = Schema()

    def __init__(self, topics: list[_Topic]) -> None:
        self.topics = topics

    @classmethod
    def decode(cls, data: BytesIO | bytes) -> _MetadataResponseV10:
        """The topics; everything else is skipped."""
        raw = data if isinstance(data, bytes) else data.read()
        count, at = _unsigned(raw, 4)  # after the throttle time: brokers
        for _ in range(count - 1):
            at = _skip(raw, at + 4)  # host
            at = _skip_tags(raw, _skip(raw, at + 4))  # rack
        count, at = _unsigned(raw, _skip(raw, at) + 4)  # after the cluster's id and controller: topics
        topics = []
        for _ in range(count - 1):
            topic, at = _read_topic(raw, at)
            topics.append(topic)
        return cls(topics)


def _read_topic(raw: bytes, at: int) -> tuple[_Topic, int]:
    (code,) = _INT16.unpack_from(raw, at)
    length, at = _unsigned(raw, at + 2)
    name, at = raw[at : at + length - 1].decode(), at + length - 1
    topic_id = raw[at : at + 16]
    count, at = _unsigned(raw, at + 17)
    partitions = []
    for _ in range(count - 1):
        partitions.append(_PARTITION.unpack_from(raw, at))
        at += _PARTITION.size
        for _ in range(3):  # replicas, those in sync, those offline
            replicas, at = _unsigned(raw, at)
            at += 4 * max(0, replicas - 1)
        at = _skip_tags(raw, at)
    return (code, name, topic_id, False, partitions), _skip_tags(raw, at + 4)


def _unsigned(raw: bytes, at: int) -> tuple[int, int]:
    """A varint, and where it ends; for a compact array or string it is the length + 1, or 0 for null."""
    value = raw[at]
    if value < 128:
        return value, at + 1
    value, shift = value & 127, 7
    while raw[at := at + 1] >= 128:
        value |= (raw[at] & 127) << shift
        shift += 7
    return value | raw[at] << shift, at + 1


def _skip(raw: bytes, at: int) -> int:
    """The position after a compact string."""
    length, at = _unsigned(raw, at)
    return at + max(0, length - 1)


def _skip_tags(raw: bytes, at: int) -> int:
    count, at = _unsigned(raw, at)
    for _ in range(count):
        _, at = _unsigned(raw, at)
        size, at = _unsigned(raw, at)
        at += size
    return at


class _MetadataRequestV10(RequestStruct):  # type: ignore[misc]  # untyped
    API_KEY = 3
    API_VERSION = 10
    FLEXIBLE_VERSION = True
    RESPONSE_TYPE = _MetadataResponseV10
    SCHEMA = Schema(
        (
            "topics",
            CompactArray(("topic_id", _UUID), ("topic", CompactString()), ("tags", TaggedFields)),
        ),
        ("allow_auto_topic_creation", Boolean),
        ("include_cluster_authorized_operations", Boolean),
        ("include_topic_authorized_operations", Boolean),
        ("tags", TaggedFields),
    )


_Structs: TypeAlias = MetadataRequest_v1 | _MetadataRequestV7 | _MetadataRequestV10


class TopicIdRequest(Request[_Structs]):  # type: ignore[misc]  # untyped
    """Metadata of some topics, with topic ids if the broker has them (Kafka 2.8)."""

    API_KEY = 3

    def __init__(self, topics: Collection[str]) -> None:
        self._topics = list(topics)

    def build(self, request_struct_class: type[_Structs]) -> _Structs:
        """The request in the version that the broker supports."""
        match request_struct_class.API_VERSION:
            case 10:
                asked: list[tuple[bytes, str, dict[int, bytes]]] = [
                    (NO_ID, topic, {}) for topic in self._topics
                ]
                return request_struct_class(asked, False, False, False, {})
            case 7:
                return request_struct_class(self._topics, False)
        return request_struct_class(self._topics)


class _Answer(NamedTuple):
    topic_id: str | None
    leaders: dict[int, tuple[int, int | None]]
    """Partition → its leader's node, and its epoch."""


_Answers = dict[str, _Answer | None]
"""What a node says of each topic; None: there is none."""


async def topic_identities(client: Any, tps: Collection[TP]) -> TopicIdentities:
    """Ask the leaders of these partitions which topics they belong to. `client`: an `AIOKafkaClient`.

    Nodes that do not answer are skipped, and so are partitions that nodes disagree on.
    """
    topics = sorted({tp.topic for tp in tps})
    answers: dict[int, _Answers] = {}
    failed: set[int] = set()
    todo = {node for tp in tps if (node := client.cluster.leader_for_partition(tp)) not in (None, -1)}
    if not todo:
        todo = {broker.nodeId for broker in client.cluster.brokers()}
    while todo:
        nodes = sorted(todo, key=str)
        for node, answer in zip(
            nodes, await asyncio.gather(*(_ask(client, node, topics) for node in nodes)), strict=True
        ):
            if answer is None:
                failed.add(node)
            else:
                answers[node] = answer
        todo = _leaders(answers.values(), tps) - answers.keys() - failed
    if failed:
        client.force_metadata_update()
    settled = ((tp, _settle(tp, answers)) for tp in tps)
    return {tp: sight for tp, sight in settled if sight is not None}


async def _ask(client: Any, node: int, topics: list[str]) -> _Answers | None:
    try:
        async with asyncio.timeout(NODE_SECONDS):
            return _read(await client.send(node, TopicIdRequest(topics), group=CONNECTIONS))
    except (KafkaError, OSError) as error:  # running out of time is an OSError
        log.debug("asking node %s for topic ids: %r", node, error)
        return None


def _read(response: Any) -> _Answers:
    read: _Answers = {}
    for code, topic, *rest in response.topics:
        if code == UNKNOWN_TOPIC:
            read[topic] = None
        elif code == NO_ERROR:
            topic_id = _id_text(rest[0]) if response.API_VERSION >= 10 else None
            partitions = next(member for member in rest if isinstance(member, list))
            read[topic] = _Answer(
                topic_id,
                {
                    partition: (leader, more[0] if response.API_VERSION >= 7 else None)
                    for _, partition, leader, *more in partitions
                },
            )
    return read


def _id_text(topic_id: bytes) -> str | None:
    return None if topic_id == NO_ID else base64.urlsafe_b64encode(topic_id).decode().rstrip("=")


def _leaders(answers: Iterable[_Answers], tps: Collection[TP]) -> set[int]:
    found = set()
    for answer in answers:
        for tp in tps:
            of_topic = answer.get(tp.topic)
            if of_topic is not None and tp.partition in of_topic.leaders:
                found.add(of_topic.leaders[tp.partition][0])
    return found - {-1}


def _settle(tp: TP, answers: Mapping[int, _Answers]) -> TopicIdentity | _Missing | None:
    said = [answer[tp.topic] for answer in answers.values() if tp.topic in answer]
    there = [answer for answer in said if answer is not None and tp.partition in answer.leaders]
    if said and not there:
        return MISSING
    if len(there) < len(said) or len({answer.topic_id for answer in there}) != 1:
        return None  # metadata is propagating through the cluster
    of = max(there, key=lambda answer: answer.leaders[tp.partition][1] or 0)
    leader, epoch = of.leaders[tp.partition]
    return TopicIdentity(of.topic_id, epoch, leader, len(of.leaders)) if leader in answers else None
