"""What becomes of topics behind Sluice's back: recreated, grown, configured, and rid of records."""

from __future__ import annotations

from functools import partial

from aiokafka import TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewPartitions, NewTopic
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from aiokafka.admin.records_to_delete import RecordsToDelete
from aiokafka.errors import TopicAlreadyExistsError, for_code

from tests.support.kafka import wait_until


async def recreate(bootstrap: str, topic: str, partitions: int = 1, **config: str) -> None:
    """Delete a topic, and make it anew at once."""
    settings = {name.replace("_", "."): value for name, value in config.items()}
    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap)
    await admin.start()
    try:
        await admin.delete_topics([topic])

        async def made() -> bool:
            answer = await admin.create_topics([NewTopic(topic, partitions, 1, topic_configs=settings)])
            code = answer.topic_errors[0][1]
            assert not code or for_code(code) is TopicAlreadyExistsError, answer
            return not code

        await wait_until(made, f"{topic} to be made anew")

        async def described() -> bool:
            (found,) = await admin.describe_topics([topic])
            return found["error_code"] == 0 and len(found["partitions"]) == partitions

        await wait_until(described, f"{topic} to be known")
    finally:
        await admin.close()


async def delete_topic(bootstrap: str, topic: str) -> None:
    """Delete a topic; returns when there is none."""
    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap)
    await admin.start()
    try:
        await admin.delete_topics([topic])

        async def gone() -> bool:
            return topic not in await admin.list_topics()

        await wait_until(gone, f"{topic} to be gone")
    finally:
        await admin.close()


async def delete_records(bootstrap: str, topic: str, before: int, partition: int = 0) -> None:
    """Delete the records below an offset, as retention would."""
    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap)
    await admin.start()
    try:
        await admin.delete_records({TopicPartition(topic, partition): RecordsToDelete(before_offset=before)})
    finally:
        await admin.close()


async def grow(bootstrap: str, partitions: int, *topics: str) -> None:
    """Give topics more partitions."""
    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap)
    await admin.start()
    try:
        await admin.create_partitions({topic: NewPartitions(partitions) for topic in topics})
    finally:
        await admin.close()


async def configure(bootstrap: str, topic: str, **config: int | str) -> None:
    """Give a topic these settings and no others; returns when its broker follows them.

    A broker answers before it follows, and describes a setting before that, too. It takes changes one after
    the other: once it describes a second one, it has followed the first.
    """
    settings = {name.replace("_", "."): str(value) for name, value in config.items()}
    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap)
    await admin.start()
    try:
        for more in ({}, {"file.delete.delay.ms": "59999"}):
            wanted = {**settings, **more}
            (answer,) = await admin.alter_configs(
                [ConfigResource(ConfigResourceType.TOPIC, topic, configs=wanted)]
            )
            assert not answer.resources[0][0], answer
            await wait_until(partial(_has, admin, topic, wanted), f"{topic} to have {wanted}")
    finally:
        await admin.close()


async def _has(admin: AIOKafkaAdminClient, topic: str, wanted: dict[str, str]) -> bool:
    (answer,) = await admin.describe_configs([ConfigResource(ConfigResourceType.TOPIC, topic)])
    found = {entry[0]: entry[1] for entry in answer.resources[0][4]}
    return wanted.items() <= found.items()
