"""Sending bad records again, each once: it and its audit record are written in one Kafka transaction.

All replays of a deployment share one transactional id. Whoever begins fences the one before and has Kafka
abort what that left open; only then is the audit read, so that it says of every record whether it was sent.
"""

from __future__ import annotations

import asyncio
import os
import pwd
import socket
import time
from collections import Counter
from collections.abc import AsyncIterator
from dataclasses import dataclass, field

from aiokafka import AIOKafkaProducer
from aiokafka.errors import (
    IllegalOperation,
    InvalidProducerIdMapping,
    InvalidTxnState,
    KafkaError,
    TopicAuthorizationFailedError,
)

from agents.quarantine.audit import OPEN, REPLAYED, AuditRecord, encode_audit
from agents.quarantine.record import QuarantineRecord
from schemas.times import format_time
from streams.kafka.client import begin_transaction, stop_quietly
from streams.kafka.producer import ACCESS, Outbox, RefusedError, partition_count, started_producer
from streams.kafka.topics import AUDIT
from streams.kafka.write_failures import FENCED
from streams.settings import OWN_TOPICS, Settings
from streams.sources.envelope import event_id_of
from streams.sources.quarantine_audit import Audit, audit_partitions, read_audit

MOST_RECORDS = 500
MOST_BYTES = 1 << 20
"""Of one transaction; so much is held in memory, and one record more."""
ENDED = (*FENCED, InvalidTxnState, InvalidProducerIdMapping)
"""What Kafka says to a producer whose transaction another one, or the time-out, has ended."""
ABORT_SECONDS = 3.0
AUDIT_PARTITION = 0
"""Of one partition, so that audit records have an order, whatever partition of the quarantine they are of."""


@dataclass
class Outcome:
    """What came of a replay: records sent, by topic, and how many of the chosen were replayed before."""

    sent: Counter[str] = field(default_factory=Counter)
    replayed_before: int = 0
    warnings: list[str] = field(default_factory=list)


async def send_again(
    settings: Settings, records: AsyncIterator[QuarantineRecord], outcome: Outcome, *, again: bool
) -> None:
    """Send the records that are open, or with `again` all of them. `outcome` counts what is committed.

    Raises `RefusedError`, and aiokafka's errors; what is counted by then is sent nevertheless.
    """
    await audit_partitions(settings)  # without one nobody is to be fenced
    producer = await started_producer(settings, settings.group("quarantine"))
    try:
        sender = _Sender(settings, producer, outcome)
        audit = await read_audit(settings)
        chunk: list[QuarantineRecord] = []
        chunk_bytes = 0
        async for record in _open(records, audit, outcome, again=again):
            chunk.append(record)
            chunk_bytes += len(record.value or b"") + len(record.key or b"")
            if len(chunk) >= MOST_RECORDS or chunk_bytes >= MOST_BYTES:
                await sender.send(chunk)
                chunk, chunk_bytes = [], 0
        if chunk:
            await sender.send(chunk)
    finally:
        await stop_quietly(producer)


async def rehearse(
    settings: Settings, records: AsyncIterator[QuarantineRecord], outcome: Outcome, *, again: bool
) -> None:
    """Count what `send_again` would send, as things are, without disturbing one that runs."""
    async for record in _open(records, await read_audit(settings), outcome, again=again):
        outcome.sent[record.topic] += 1


async def _open(
    records: AsyncIterator[QuarantineRecord], audit: Audit, outcome: Outcome, *, again: bool
) -> AsyncIterator[QuarantineRecord]:
    """Those to send."""
    outcome.warnings += audit.warnings()
    async for record in records:
        is_open = audit.state(record) == OPEN
        outcome.replayed_before += not is_open
        if is_open or again:
            yield record


class _Sender:
    """Sends records by transactions."""

    def __init__(self, settings: Settings, producer: AIOKafkaProducer, outcome: Outcome) -> None:
        self._settings = settings
        self._producer = producer
        self._outcome = outcome
        self._audit_topic = settings.topic(AUDIT)
        self._forbidden = {settings.topic(name) for name in OWN_TOPICS}
        self._quarantine = settings.topic("events.quarantine")
        self._boxes: dict[str, Outbox] = {}
        self._partitions: dict[str, int] = {}
        self._by = operator()

    async def send(self, chunk: list[QuarantineRecord]) -> None:
        """One transaction: all of these records and their audit, or nothing."""
        for record in chunk:
            await self._check(record)
        try:
            await begin_transaction(self._producer)
            await self._write(chunk)
            await self._producer.commit_transaction()
        except BaseException as error:
            why = self._cause(error)
            await self._abort()
            if why is None:
                raise
            raise RefusedError(why) from None
        self._outcome.sent.update(record.topic for record in chunk)

    async def _check(self, record: QuarantineRecord) -> None:
        """Anybody may write to the quarantine: what a record says of its source is looked at."""
        topic, number = record.topic, record.partition
        if topic in self._forbidden:
            raise RefusedError(f"quarantined record {record.at}: {topic} is no topic of producers")
        if topic not in self._boxes:
            self._partitions[topic] = await partition_count(self._settings, topic)
            self._boxes[topic] = self._box(topic)
        if not 0 <= number < self._partitions[topic]:
            raise RefusedError(f"quarantined record {record.at}: {topic} has no partition {number}")

    def _box(self, topic: str) -> Outbox:
        return Outbox(self._producer, topic, self._partitions.get(topic, 1), transactional=True)

    async def _write(self, chunk: list[QuarantineRecord]) -> None:
        audit = self._box(self._audit_topic)
        at = format_time(time.time_ns() // 1000)
        for record in chunk:
            origin = f"quarantined record {record.at}"
            await self._boxes[record.topic].add(
                record.key, record.value, origin, record.partition, record.headers
            )
            key, value = encode_audit(self._audited(record, at))
            await audit.add(key, value, f"the audit of {origin}", AUDIT_PARTITION)
        for box in (*self._boxes.values(), audit):
            await box.settle()

    def _audited(self, record: QuarantineRecord, at: str) -> AuditRecord:
        return AuditRecord(
            action=REPLAYED,
            at=at,
            by=self._by,
            topic=self._quarantine,
            partition=record.at.partition,
            offset=record.at.offset,
            quarantined_at=record.quarantined_at,
            raw_topic=record.topic,
            raw_partition=record.partition,
            event_id=event_id_of(record.value),
        )

    def _cause(self, error: BaseException) -> str | None:
        """What a failed transaction means, for people; None: what was raised says it."""
        waiter = self._producer._txn_manager._transaction_waiter
        if waiter is not None and waiter.done() and not waiter.cancelled():
            # aiokafka knows why it ended, while what it was asked to do meanwhile fails for that it did.
            error = waiter.exception() or error
        error = error.__cause__ or error
        if isinstance(error, ENDED):
            return (
                "another `sluice quarantine replay` has begun, or this one stood still for more than"
                f" {self._settings.session_seconds} s, and Kafka takes nothing more of it: begin it again,"
                " and what was sent is passed over"
            )
        if isinstance(error, TopicAuthorizationFailedError):
            topics = error.args[0] if error.args else ()
            named = topics if isinstance(topics, str) else ", ".join(sorted(topics))
            return f"Kafka gives no right to write to {named or 'a topic'}{ACCESS}"
        if isinstance(error, IllegalOperation):
            return f"Kafka has ended the transaction: {error}"
        return None

    async def _abort(self) -> None:
        """Tell Kafka, if it can be told: readers of the raw topics wait for the transaction's end."""
        try:
            await asyncio.wait_for(self._producer.abort_transaction(), ABORT_SECONDS)
        except (KafkaError, TimeoutError, AssertionError, IllegalOperation):
            return  # it has ended, or the next one to begin or the time-out ends it


def operator() -> str:
    """Who runs this: `user@host`."""
    try:
        user = pwd.getpwuid(os.getuid()).pw_name
    except KeyError:  # a container's user has no name
        user = str(os.getuid())
    return f"{user}@{socket.gethostname()}"
