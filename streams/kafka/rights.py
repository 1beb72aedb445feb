"""Which of its rights a role does not have, asked before it starts."""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial

from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.client import CoordinationType
from aiokafka.errors import GroupAuthorizationFailedError, TransactionalIdAuthorizationFailed

from streams.kafka.acls import Acl, acls
from streams.kafka.authorized_operations import group_operations, topic_operations
from streams.kafka.records import until_coordinated
from streams.settings import Settings


async def missing_rights(admin: AIOKafkaAdminClient, settings: Settings, role: str) -> list[str]:
    """Which operations a role may not do, each with on what. Raises aiokafka's errors.

    Left out is what an older broker does not say, and topics that do not exist, if we may know that.
    """
    wanted = acls(settings, [role])
    missing = await _of_topics(admin, [acl for acl in wanted if acl.resource == "topic"])
    for acl in wanted:
        if acl.resource == "group":
            missing += await until_coordinated(partial(_of_group, admin, acl))
        elif acl.resource == "transactional-id":
            missing += await until_coordinated(partial(_of_id, admin, acl))
    return missing


async def _of_topics(admin: AIOKafkaAdminClient, wanted: Iterable[Acl]) -> list[str]:
    by_name = {acl.name: acl.operations for acl in wanted}
    missing = []
    for topic, allowed in (await topic_operations(admin, by_name)).items():
        if allowed is not None:
            missing += [f"{one} topic {topic}" for one in by_name[topic] if one not in allowed]
    return missing


async def _of_group(admin: AIOKafkaAdminClient, acl: Acl) -> list[str]:
    try:
        allowed = await group_operations(admin, acl.name)
    except GroupAuthorizationFailedError:
        allowed = frozenset()
    if allowed is None:
        return []
    return [f"{one} group {acl.name}" for one in acl.operations if one not in allowed]


async def _of_id(admin: AIOKafkaAdminClient, acl: Acl) -> list[str]:
    """Kafka says of an id whether it may be described, which the right to write includes, and no more."""
    one_of_them = acl.name if acl.pattern == "literal" else f"{acl.name}0"
    try:
        await admin._client.coordinator_lookup(CoordinationType.TRANSACTION, one_of_them)
    except TransactionalIdAuthorizationFailed:
        return [f"{one} transactional id {acl.name}" for one in acl.operations]
    return []
