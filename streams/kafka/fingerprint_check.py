"""Reads one record again, to compare it with its stored fingerprint."""

from __future__ import annotations

import logging
from enum import Enum, auto
from typing import Any

from aiokafka import TopicPartition
from aiokafka.errors import OffsetOutOfRangeError, RequestTimedOutError, for_code
from aiokafka.protocol.fetch import FetchRequest
from faust.types import TP

from streams.kafka.fetched_bytes import FetchedBytes
from streams.kafka.topic_ids import CONNECTIONS
from tables.fingerprint import RecordFingerprint, fingerprint_of

log = logging.getLogger(__name__)

MAX_WAIT_MS = 100
READ_UNCOMMITTED = 0


class Comparison(Enum):
    """How a stored fingerprint compares with the record that Kafka has at its offset."""

    SAME = auto()
    OTHER = auto()
    DELETED = auto()
    """The partition now begins after it: unknown."""
    BEYOND = auto()
    """The partition ends before it."""
    UNREADABLE = auto()
    """The client cannot read what Kafka has there: unknown."""


async def compare(consumer: Any, tp: TP, leader: int, fingerprint: RecordFingerprint) -> Comparison:
    """Compare the record at the fingerprint's offset.

    `consumer`: an `AIOKafkaConsumer`; `leader`: the number of the leader's node. Raises aiokafka's errors,
    also if the node is no longer the leader.
    """
    topics = [(tp.topic, [(tp.partition, fingerprint.offset, 1)])]  # a broker sends a whole batch at least
    request = FetchRequest(MAX_WAIT_MS, 1, 1, READ_UNCOMMITTED, topics)
    response = await consumer._client.send(leader, request, group=CONNECTIONS)
    answers = [answer for _, partitions in response.topics for answer in partitions]
    if not answers:  # the response of a broker whose quota is exhausted
        raise RequestTimedOutError(f"reading {tp.topic}-{tp.partition} at {fingerprint.offset}: no answer")
    ((_, code, highwater, *rest),) = answers
    if for_code(code) is OffsetOutOfRangeError:
        known = TopicPartition(*tp)
        beginning = (await consumer.beginning_offsets([known]))[known]
        return Comparison.DELETED if beginning > fingerprint.offset else Comparison.BEYOND
    if code:
        raise for_code(code)(f"reading {tp.topic}-{tp.partition} at {fingerprint.offset}")
    if 0 <= highwater <= fingerprint.offset:
        return Comparison.BEYOND
    if not rest[-1]:
        raise RequestTimedOutError(f"reading {tp.topic}-{tp.partition} at {fingerprint.offset}: nothing came")
    try:
        there = _mark_at(FetchedBytes(rest[-1]), fingerprint.offset)
    except Exception as error:  # noqa: BLE001 - a batch may be malformed
        log.warning("reading %s-%d at %d again: %s", *tp, fingerprint.offset, type(error).__name__)
        return Comparison.UNREADABLE
    return Comparison.SAME if there == fingerprint else Comparison.OTHER


def _mark_at(records: FetchedBytes, offset: int) -> RecordFingerprint | None:
    while records.has_next():
        batch = records.next_batch()
        if batch.next_offset <= offset or getattr(batch, "is_control_batch", False):
            continue
        for record in batch:
            if record.offset == offset:
                return fingerprint_of(record)
    return None
