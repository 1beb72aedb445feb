"""What `ops.gates`, `ops.alarms` and `ops.acks` say, read by each api for itself."""

from __future__ import annotations

import logging
import time
from typing import Any

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import KafkaError

import streams.kafka.fetched_bytes  # noqa: F401 - lets aiokafka read whatever names headers have
from agents.backoff import Backoff
from schemas.times import format_time
from streams.feed.alien_records import tell
from streams.feed.replica import Replica
from streams.kafka.availability import reason_of
from streams.kafka.client import reading
from streams.kafka.message_formats import UnreadableBatchError
from streams.kafka.topology import absence, partitions_of
from streams.settings import Settings
from tables.gates.acks import decode_ack
from tables.gates.alarm_log import AlarmLog
from tables.gates.alarms import decode_alarm
from tables.record_check import NOT_OURS, gate_problem

log = logging.getLogger(__name__)

FETCH_MS = 500
SILENT_SECONDS = 10.0


class OpsTopics:
    """Records of gates by key, and the alarms. `waiting_for`: why they have not been read to their end; None
    once they have. `unknown_because`: why newer ones may be missing; None: Kafka has just said that there are
    none.

    What was read stays while Kafka is away: a gate's record expires by itself, an alarm does not.
    """

    def __init__(self, settings: Settings) -> None:
        self.gates: dict[bytes, bytes] = {}
        self.alarms = AlarmLog()
        self.waiting_for: str | None = "the gates to be read"
        self.unknown_because: str | None = None
        self._settings = settings
        self._gates_topic, self._alarms_topic = settings.topic("ops.gates"), settings.topic("ops.alarms")
        self._acks_topic = settings.topic("ops.acks")

    async def follow(self, replica: Replica) -> None:
        """Follow the topics until the process is to end; after a failure from their beginning."""
        backoff = Backoff()
        while not replica.closing.is_set():
            try:
                await self._follow(replica)
                backoff.reset()
            except (KafkaError, OSError) as error:
                why = await reason_of(self._settings, error)
                self.unknown_because = why
                log.warning("reading the gates: %s; next try in %.1f s", why, backoff.seconds)
            except UnreadableBatchError as error:
                # What was read before it is not the newest, and what comes after it is not read.
                topics = f"{self._gates_topic} or {self._alarms_topic}"
                self.waiting_for = f"{topics} to be readable again: {error}"
                log.error("reading %s: %s; next try in %.1f s", topics, error, backoff.seconds)  # noqa: TRY400
            await backoff.pause(replica.closing)

    async def _follow(self, replica: Replica) -> None:
        """Read from the beginning and go on. Returns if there are no such topics; one that an upgrade has yet
        to make, of acks, is not waited for."""
        names = (self._gates_topic, self._alarms_topic)
        partitions = await partitions_of(self._settings, (*names, self._acks_topic))
        missing = [name for name in names if name not in {tp.topic for tp in partitions}]
        if missing:
            self.waiting_for = await absence(self._settings, missing[0], "Read")
            log.warning("waiting for %s", self.waiting_for)
            return
        async with reading(self._settings) as consumer:
            consumer.assign(partitions)
            await consumer.seek_to_beginning()
            ends = await consumer.end_offsets(partitions)
            gates: dict[bytes, bytes] = {}
            alarms = AlarmLog()
            began_ms = int(time.time() * 1000)
            while not replica.closing.is_set():
                for tp, records in (await consumer.getmany(timeout_ms=FETCH_MS)).items():
                    if tp.topic == self._gates_topic:
                        _take_gates(gates, tp, records)
                    elif tp.topic == self._alarms_topic:
                        _take_alarms(alarms, tp, records)
                    else:
                        _take_acks(alarms, tp, records)
                if self.gates is not gates and await _reached(consumer, ends):
                    self.gates, self.alarms, self.waiting_for = gates, alarms, None
                if self.gates is gates:
                    self.unknown_because = _silence(consumer, partitions, began_ms)


def _silence(consumer: AIOKafkaConsumer, partitions: list[TopicPartition], began_ms: int) -> str | None:
    """Whether a partition has not been answered for, as where Kafka is away: the consumer asks for each all
    the time, and says nothing where nobody answers."""
    heard_ms = min(consumer.last_poll_timestamp(tp) or began_ms for tp in partitions)
    if time.time() * 1000 - heard_ms < SILENT_SECONDS * 1000:
        return None
    return f"Kafka has not said since {format_time(heard_ms * 1000)} whether there are newer ones"


def _take_gates(read: dict[bytes, bytes], tp: TopicPartition, records: list[Any]) -> None:
    """Take a partition's records. A gate whose record cannot be read is left out, which counts as closed."""
    for record in records:
        problem = gate_problem(record.key, record.value)
        if problem is not None:
            tell(tp, record.offset, record.key, problem)
        if record.value is None or problem is not None:
            read.pop(record.key, None)
        else:
            read[record.key] = record.value


def _take_alarms(alarms: AlarmLog, tp: TopicPartition, records: list[Any]) -> None:
    for record in records:
        alarm = decode_alarm(record.value)
        if alarm is None:
            tell(tp, record.offset, record.key, NOT_OURS)
        else:
            alarms.take(alarm)


def _take_acks(alarms: AlarmLog, tp: TopicPartition, records: list[Any]) -> None:
    for record in records:
        ack = decode_ack(record.value)
        if record.value is not None and (ack is None or ack.alarm_id.encode() != record.key):
            tell(tp, record.offset, record.key, NOT_OURS)
        else:
            alarms.take_ack((record.key or b"").decode(errors="replace"), ack)


async def _reached(consumer: AIOKafkaConsumer, ends: dict[TopicPartition, int]) -> bool:
    return all([await consumer.position(tp) >= end for tp, end in ends.items()])
