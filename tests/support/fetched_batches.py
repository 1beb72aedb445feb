"""Record batches as the consumer has them once they are fetched."""

from __future__ import annotations

from aiokafka import TopicPartition
from aiokafka.consumer.fetcher import READ_COMMITTED, PartitionRecords

from streams.kafka.batches import _wanted_batches
from streams.kafka.fetched_bytes import Batches, FetchedBytes

TP = TopicPartition("events.raw", 3)


def batches(data: bytes) -> Batches:
    records = PartitionRecords(TP, FetchedBytes(data), [], 0, None, None, True, READ_COMMITTED)
    return _wanted_batches(records)
