"""The partition counts of topics. It requests all topics: requesting one by name may create it."""

from __future__ import annotations

from collections.abc import Collection

from aiokafka import TopicPartition
from aiokafka.admin import AIOKafkaAdminClient

from streams.kafka.authorized_operations import is_hidden
from streams.kafka.client import started_admin
from streams.kafka.refusals import right
from streams.settings import Settings


async def partition_counts(settings: Settings, names: Collection[str]) -> dict[str, int]:
    """`Topology.partition_counts`, asked once, over a connection of its own."""
    topology = Topology(settings)
    try:
        return await topology.partition_counts(names)
    finally:
        await topology.close()


async def absence(settings: Settings, topic: str, operation: str) -> str:
    """`Topology.absence`, asked once, over a connection of its own."""
    topology = Topology(settings)
    try:
        return await topology.absence(topic, operation)
    finally:
        await topology.close()


async def partitions_of(settings: Settings, names: Collection[str]) -> list[TopicPartition]:
    """All partitions of those of the topics that exist, in order. Raises aiokafka's errors."""
    counts = await partition_counts(settings, names)
    return [TopicPartition(name, number) for name in sorted(counts) for number in range(counts[name])]


class Topology:
    """Requests topics from Kafka, over one connection that is reopened after a failure."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._admin: AIOKafkaAdminClient | None = None

    async def partition_counts(self, names: Collection[str]) -> dict[str, int]:
        """Partitions of those of the topics that exist. Raises aiokafka's errors."""
        if self._admin is None:
            self._admin = await started_admin(self._settings)
        try:
            topics = await self._admin.describe_topics()
        except BaseException:
            await self.close()
            raise
        return {
            t["topic"]: len(t["partitions"]) for t in topics if t["topic"] in names and not t["error_code"]
        }

    async def absence(self, topic: str, operation: str) -> str:
        """What to wait for where there is no such topic among them: for the topic, or for a right to it.
        `operation`: what is to be done with it. Raises aiokafka's errors."""
        if self._admin is None:
            self._admin = await started_admin(self._settings)
        if await is_hidden(self._admin, topic):
            return f"the {right(f'{operation} topic {topic}')}"
        return f"topic {topic}: `sluice topics create` makes it"

    async def close(self) -> None:
        """Close the connection."""
        admin, self._admin = self._admin, None
        if admin is not None:
            await admin.close()
