"""What Kafka lets us do with topics and groups, as it says itself (KIP-430).

aiokafka does not ask for it, so the requests are declared here.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import IncompatibleBrokerVersion, NoError, for_code
from aiokafka.protocol.api import Request, RequestStruct, Response
from aiokafka.protocol.types import Array, Boolean, Bytes, Int16, Int32, Schema, String

_BITS = {"Read": 3, "Write": 4, "Create": 5, "Alter": 7, "Describe": 8, "DescribeConfigs": 10}
"""Kafka's numbers of operations; in an answer the bit of each is set that is allowed."""
_UNKNOWN = (-(1 << 31), 0)
"""The answer of a broker that does not know; and one that cannot be: what is described may be described."""
NOT_ALLOWED = 29
"""The error code of a topic that may not be described, whether there is one or not."""


class _MetadataResponseV8(Response):  # type: ignore[misc]  # untyped
    API_KEY = 3
    API_VERSION = 8
    SCHEMA = Schema(
        ("throttle_time_ms", Int32),
        ("brokers", Array(("node_id", Int32), ("host", String()), ("port", Int32), ("rack", String()))),
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
                ("authorized_operations", Int32),
            ),
        ),
        ("cluster_authorized_operations", Int32),
    )


class _MetadataRequestV8(RequestStruct):  # type: ignore[misc]  # untyped
    API_KEY = 3
    API_VERSION = 8
    RESPONSE_TYPE = _MetadataResponseV8
    SCHEMA = Schema(
        ("topics", Array(String())),
        ("allow_auto_topic_creation", Boolean),
        ("include_cluster_authorized_operations", Boolean),
        ("include_topic_authorized_operations", Boolean),
    )


class _TopicRights(Request[_MetadataRequestV8]):  # type: ignore[misc]  # untyped
    API_KEY = 3

    def __init__(self, topics: Collection[str]) -> None:
        self._topics = list(topics)

    def build(self, request_struct_class: Any) -> Any:
        return request_struct_class(self._topics, False, False, True)


class _DescribeGroupsResponseV3(Response):  # type: ignore[misc]  # untyped
    API_KEY = 15
    API_VERSION = 3
    SCHEMA = Schema(
        ("throttle_time_ms", Int32),
        (
            "groups",
            Array(
                ("error_code", Int16),
                ("group", String()),
                ("state", String()),
                ("protocol_type", String()),
                ("protocol", String()),
                (
                    "members",
                    Array(
                        ("member_id", String()),
                        ("client_id", String()),
                        ("client_host", String()),
                        ("member_metadata", Bytes),
                        ("member_assignment", Bytes),
                    ),
                ),
                ("authorized_operations", Int32),
            ),
        ),
    )


class _DescribeGroupsRequestV3(RequestStruct):  # type: ignore[misc]  # untyped
    API_KEY = 15
    API_VERSION = 3
    RESPONSE_TYPE = _DescribeGroupsResponseV3
    SCHEMA = Schema(("groups", Array(String())), ("include_authorized_operations", Boolean))


class _GroupRights(Request[_DescribeGroupsRequestV3]):  # type: ignore[misc]  # untyped
    API_KEY = 15

    def __init__(self, group: str) -> None:
        self._group = group

    def build(self, request_struct_class: Any) -> Any:
        return request_struct_class([self._group], True)


async def topic_operations(
    admin: AIOKafkaAdminClient, topics: Collection[str]
) -> dict[str, frozenset[str] | None]:
    """What may be done with each topic; None: there is no such topic, or the broker does not say.

    No topic is made by asking. Raises aiokafka's errors.
    """
    try:
        answer = await admin._client.send(admin._client.get_random_node(), _TopicRights(topics))
    except (IncompatibleBrokerVersion, NotImplementedError):  # before Kafka 2.3
        return dict.fromkeys(topics)
    found: dict[str, frozenset[str] | None] = dict.fromkeys(topics)
    for code, topic, _, _, operations in answer.topics:
        if code == NOT_ALLOWED:
            found[topic] = frozenset()
        elif for_code(code) is NoError:
            found[topic] = _operations(operations)
    return found


async def is_hidden(admin: AIOKafkaAdminClient, topic: str) -> bool:
    """Whether Kafka does not even let us know if there is such a topic. Raises aiokafka's errors."""
    return (await topic_operations(admin, [topic]))[topic] == frozenset()


async def group_operations(admin: AIOKafkaAdminClient, group: str) -> frozenset[str] | None:
    """The same of a consumer group. Raises aiokafka's errors, `GroupAuthorizationFailedError` among them."""
    coordinator = await admin.find_coordinator(group)
    try:
        answer = await admin._client.send(coordinator, _GroupRights(group))
    except (IncompatibleBrokerVersion, NotImplementedError):
        return None
    ((code, _, _, _, _, _, operations),) = answer.groups
    if for_code(code) is not NoError:
        raise for_code(code)(group)
    return _operations(operations)


def _operations(bits: int) -> frozenset[str] | None:
    if bits in _UNKNOWN:
        return None
    return frozenset(name for name, bit in _BITS.items() if bits >> bit & 1)
