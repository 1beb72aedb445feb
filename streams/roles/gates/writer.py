"""`ops.gates` and `ops.alarms` for their only writer.

The transactional id is fixed: a new leader initialises it, which fences the former leader and aborts its open
transaction. Only then are the gates read back, so that nothing can be written after what was read.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from aiokafka import AIOKafkaProducer, TopicPartition

from agents.protocols import FeedRecord
from streams.feed.alien_records import tell
from streams.feed.quarantine import Record
from streams.feed.writer import commit_all, read_partition
from streams.kafka.client import stop_quietly, transactional_producer
from streams.settings import Settings
from tables.gates.alarms import Alarm, encode_alarm
from tables.record_check import gate_problem, is_gate_key

PARTITION = 0
"""Of both topics, however many they have: gates are few, and one transaction writes them all."""


class GateWriter:
    """The right to write gates and alarms, from `open` until another process takes it."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._gates = settings.topic("ops.gates")
        self._alarms = settings.topic("ops.alarms")
        self._producer: AIOKafkaProducer | None = None

    async def open(self) -> None:
        """Become the writer; the former one can't write any more."""
        self._producer = await transactional_producer(self._settings, self._settings.group("gates"))

    async def read_back(self, restore: Callable[[bytes, bytes | None], None]) -> int:
        """Pass every gate's records to `restore`, in order; returns how many there were. After `open`.

        Skips records that are not Sluice's. A gate's unreadable record is passed on: it closes the gate.
        """
        tp = TopicPartition(self._gates, PARTITION)

        def take(offset: int, key: bytes | None, value: bytes | None) -> None:
            problem = gate_problem(key, value)
            if problem is not None:
                tell(tp, offset, key, problem)
            if key is not None and is_gate_key(key):
                restore(key, value)

        return await read_partition(self._settings, tp, take)

    async def publish(self, gates: Sequence[FeedRecord], alarms: Sequence[Alarm]) -> None:
        """All of it or nothing. Raises, ProducerFenced among others, when it is not known to be written."""
        assert self._producer is not None, "it is open"
        written: dict[str, Sequence[Record]] = {
            self._alarms: [(*encode_alarm(alarm), []) for alarm in alarms],
            self._gates: [(key, value, []) for key, value in gates],
        }
        await commit_all(self._producer, PARTITION, written)

    async def close(self) -> None:
        """Release it."""
        if self._producer is not None:
            await stop_quietly(self._producer)
