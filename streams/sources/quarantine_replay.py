"""Sending bad records again, or dismissing them, each once: what is sent and its audit record are written in
one Kafka transaction.

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
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from typing import NamedTuple

from aiokafka import AIOKafkaProducer
from aiokafka.errors import (
    IllegalOperation,
    InvalidProducerIdMapping,
    InvalidTxnState,
    KafkaError,
)

from agents.quarantine.audit import DISMISSED, OPEN, REPLAYED, AuditRecord, encode_audit
from agents.quarantine.record import Position, QuarantineRecord
from agents.quarantine.repair import Repair, Repaired, RepairError
from schemas.times import format_time
from streams.kafka.client import begin_transaction, stop_quietly
from streams.kafka.producer import Outbox, RefusedError, partition_count, started_producer
from streams.kafka.refusals import refusal
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


class Work(NamedTuple):
    """What is done with the chosen records: those in `states` are sent again once they are repaired, or are
    dismissed, if there is a reason to (`dismissed_because`)."""

    states: frozenset[str] = frozenset((OPEN,))
    repair: Repair = Repair()
    dismissed_because: str = ""


@dataclass
class Outcome:
    """What came of it: records sent or dismissed, by the topic they came from, and how many of the chosen are
    `passed` over, or would be but for `--again`, by their state.

    `unrepaired`: why records could not be repaired → how many, and the first one's place. `tell` is called
    now and then, with how many are done.
    """

    sent: Counter[str] = field(default_factory=Counter)
    passed: Counter[str] = field(default_factory=Counter)
    unrepaired: dict[str, tuple[int, Position]] = field(default_factory=dict)
    warnings: list[str] = field(default_factory=list)
    tell: Callable[[int], None] = lambda _: None

    @property
    def replayed_before(self) -> int:
        """How many of the chosen were replayed before."""
        return self.passed[REPLAYED]


async def send_again(
    settings: Settings, records: AsyncIterator[QuarantineRecord], outcome: Outcome, work: Work
) -> None:
    """Do the work on the chosen records. `outcome` counts what is committed.

    Raises `RefusedError`, and aiokafka's errors; what is counted by then is done nevertheless.
    """
    await audit_partitions(settings)  # without one nobody is to be fenced
    producer = await started_producer(settings, settings.group("quarantine"))
    try:
        sender = _Sender(settings, producer, outcome, work)
        audit = await read_audit(settings)
        chunk: list[Repaired] = []
        chunk_bytes = 0
        async for repaired in to_do(records, audit, outcome, work):
            chunk.append(repaired)
            chunk_bytes += len(repaired.value or b"") + len(repaired.record.key or b"")
            if len(chunk) >= MOST_RECORDS or chunk_bytes >= MOST_BYTES:
                await sender.send(chunk)
                chunk, chunk_bytes = [], 0
        if chunk:
            await sender.send(chunk)
    finally:
        await stop_quietly(producer)


async def to_do(
    records: AsyncIterator[QuarantineRecord], audit: Audit, outcome: Outcome, work: Work
) -> AsyncIterator[Repaired]:
    """Those on which something is to be done, repaired; the others are counted."""
    outcome.warnings += audit.warnings()
    async for record in records:
        state = audit.state(record)
        outcome.passed[state] += state != OPEN
        if state not in work.states:
            continue
        try:
            repaired = work.repair.apply(record)
        except RepairError as error:
            count, first = outcome.unrepaired.get(str(error), (0, record.at))
            outcome.unrepaired[str(error)] = count + 1, first
        else:
            yield repaired


class _Sender:
    """Sends records by transactions, or what is said of them alone."""

    def __init__(self, settings: Settings, producer: AIOKafkaProducer, outcome: Outcome, work: Work) -> None:
        self._settings = settings
        self._producer = producer
        self._outcome = outcome
        self._because = work.dismissed_because
        self._audit_topic = settings.topic(AUDIT)
        self._forbidden = {settings.topic(name) for name in OWN_TOPICS}
        self._quarantine = settings.topic("events.quarantine")
        self._boxes: dict[str, Outbox] = {}
        self._partitions: dict[str, int] = {}
        self._by = operator()

    async def send(self, chunk: list[Repaired]) -> None:
        """One transaction: all of these records and their audit, or nothing."""
        for repaired in () if self._because else chunk:
            await self._check(repaired.record)
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
        self._outcome.sent.update(repaired.record.topic for repaired in chunk)
        self._outcome.tell(self._outcome.sent.total())

    async def _check(self, record: QuarantineRecord) -> None:
        """Anybody may write to the quarantine: what a record says of its source is looked at."""
        topic, number = record.topic, record.partition
        if topic in self._forbidden:
            raise RefusedError(f"quarantined record {record.at}: {topic} is no topic of producers")
        if topic not in self._boxes:
            self._partitions[topic] = await partition_count(self._settings, topic, "Write")
            self._boxes[topic] = self._box(topic)
        if not 0 <= number < self._partitions[topic]:
            raise RefusedError(f"quarantined record {record.at}: {topic} has no partition {number}")

    def _box(self, topic: str) -> Outbox:
        return Outbox(self._producer, topic, self._partitions.get(topic, 1), transactional=True)

    async def _write(self, chunk: list[Repaired]) -> None:
        audit = self._box(self._audit_topic)
        at = format_time(time.time_ns() // 1000)
        for repaired in chunk:
            record = repaired.record
            origin = f"quarantined record {record.at}"
            if not self._because:
                await self._boxes[record.topic].add(
                    record.key, repaired.value, origin, record.partition, record.headers
                )
            key, value = encode_audit(self._audited(repaired, at))
            await audit.add(key, value, f"the audit of {origin}", AUDIT_PARTITION)
        for box in (*self._boxes.values(), audit):
            await box.settle()

    def _audited(self, repaired: Repaired, at: str) -> AuditRecord:
        record, sent = repaired.record, not self._because
        return AuditRecord(
            action=REPLAYED if sent else DISMISSED,
            at=at,
            by=self._by,
            topic=self._quarantine,
            partition=record.at.partition,
            offset=record.at.offset,
            quarantined_at=record.quarantined_at,
            raw_topic=record.topic if sent else None,
            raw_partition=record.partition if sent else None,
            event_id=event_id_of(repaired.value),
            changed=list(repaired.changed) or None,
            reason=self._because or None,
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
                "another `sluice quarantine replay` has begun, or a `dismiss`, or this one stood still for"
                f" more than {self._settings.session_seconds} s, and Kafka takes nothing more of it: begin it"
                " again, and what was done is passed over"
            )
        if (refused := refusal(error, "Write")) is not None:
            return refused
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
