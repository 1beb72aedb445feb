"""What Kafka refuses for its size: how it reports this, what it accepts, and which setting changes that."""

from __future__ import annotations

import asyncio
import logging
import time
from typing import Any

from aiokafka import AIOKafkaProducer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from aiokafka.errors import KafkaError, MessageSizeTooLargeError, RecordListTooLargeError
from aiokafka.record.default_records import DefaultRecordBatch, DefaultRecordBatchBuilder

from streams.kafka.client import client_kwargs
from streams.settings import Settings

log = logging.getLogger(__name__)

TOO_LARGE = (MessageSizeTooLargeError, RecordListTooLargeError)
"""How Kafka refuses a batch for its size: the first for max.message.bytes, the second for segment.bytes."""
REQUEST_BYTES = 100 << 20
"""Kafka's default socket.request.max.bytes. Above it, it closes the connection; clients retry for ever."""
ROOM_BYTES = 1 << 20
"""What else there may be in a request: a batch of the feed, and names."""
ASK_SECONDS = 5.0
FRESH_SECONDS = 60.0


def name_topic(error: BaseException, topic: str, size: int) -> None:
    """Make an error of Kafka's say which topic refused a batch of `size` bytes, and what to do."""
    if not isinstance(error, KafkaError) or error.args:
        return
    if isinstance(error, TOO_LARGE):
        setting = "max.message.bytes" if isinstance(error, MessageSizeTooLargeError) else "segment.bytes"
        error.args = (f"topic {topic} takes no record batch of {size:,} bytes: raise its {setting}",)
    else:
        error.args = (f"writing to topic {topic}",)


def forget_refused(producer: AIOKafkaProducer, tp: TopicPartition, records: int) -> None:
    """Go on after a batch of so many records that Kafka has refused for its size: it has not seen their
    sequence numbers, after which aiokafka would continue."""
    producer._txn_manager.increment_sequence_number(tp, -records)


def packed_bytes(key: bytes | None, value: bytes | None, headers: list[tuple[str, bytes | None]]) -> int:
    """The size of a batch with only this record, as Sluice's producers pack it. Slow for large records."""
    builder = DefaultRecordBatchBuilder(2, DefaultRecordBatch.CODEC_LZ4, 1, -1, -1, 0, 1)
    builder.append(0, int(time.time() * 1000), key, value, headers)
    return len(builder.build())


class LargestBatch:
    """The maximum size in bytes of a batch for `topic`, requested at most once a minute."""

    def __init__(self, settings: Settings, topic: str) -> None:
        self._settings = settings
        self._topic = topic
        self._known = 0
        self._asked_at = float("-inf")

    async def ask(self) -> int:
        """The settings of topic and brokers; a setting that can't be read is taken to be Kafka's default."""
        if time.monotonic() - self._asked_at > FRESH_SECONDS:
            self._known = await self._ask()
            self._asked_at = time.monotonic()
        return self._known

    async def _ask(self) -> int:
        admin = AIOKafkaAdminClient(**client_kwargs(self._settings), client_id="sluice")
        found = [REQUEST_BYTES - ROOM_BYTES]
        try:
            async with asyncio.timeout(ASK_SECONDS):
                await admin.start()
                topic = ConfigResource(ConfigResourceType.TOPIC, self._topic)
                found += await _values(admin, [topic], "max.message.bytes")
                brokers = [
                    ConfigResource(ConfigResourceType.BROKER, str(broker.nodeId))
                    for broker in admin._client.cluster.brokers()
                ]
                for size in await _values(admin, brokers, "socket.request.max.bytes"):
                    found.append(max(size - ROOM_BYTES, size // 2))
        except (KafkaError, OSError) as error:
            log.warning("asking what topic %s takes: %s: %s", self._topic, type(error).__name__, error)
        finally:
            await admin.close()
        return min(found)


async def _values(admin: AIOKafkaAdminClient, resources: list[Any], name: str) -> list[int]:
    """The setting of each visible resource."""
    return [
        int(entry[1])
        for response in await admin.describe_configs(resources)
        for resource in response.resources
        for entry in resource[4]
        if entry[0] == name and entry[1]
    ]
