"""Leader election among equal processes: the owner of one partition leads, in a dedicated group.

Being elected proves nothing, as a process that was stopped learns late that it no longer leads: a leader's
writes must be fenced as well (streams/roles/gates/writer.py), or may be repeated (streams/roles/notify).
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator, Collection
from typing import Any

from aiokafka import AIOKafkaConsumer, ConsumerRebalanceListener, TopicPartition
from aiokafka.errors import KafkaError

import streams.kafka.fetched_bytes  # noqa: F401 - lets aiokafka read whatever names headers have
from agents.backoff import Backoff
from streams.faust.instance_guard import InstanceGuard, InstanceTakenError
from streams.kafka.client import client_kwargs, commit_once, started
from streams.kafka.instances import InstanceAssignor, client_id
from streams.kafka.refusals import in_words
from streams.settings import Settings
from streams.shutdown import cancelled

log = logging.getLogger(__name__)

POLL_SECONDS = 1.0


class LeaderElection(ConsumerRebalanceListener):  # type: ignore[misc]
    """Membership of a role's group in which the owner of partition 0 of `topic` leads.

    `taken`: why this process can't be a member any more; `waiting_for`: what joining waits for, if anything.
    """

    def __init__(self, settings: Settings, role: str, topic: str) -> None:
        group = settings.group(role)
        self._tp = TopicPartition(topic, 0)
        self._leads: bool | None = None
        self.taken: InstanceTakenError | None = None
        self.waiting_for: str | None = None
        self._guard = InstanceGuard(settings, group, self._instance_taken, self._tell_waiting)
        self._consumer = AIOKafkaConsumer(
            **client_kwargs(settings),
            client_id=client_id(role),
            group_id=group,
            group_instance_id=settings.instance or None,
            partition_assignment_strategy=[InstanceAssignor],  # the leader stays leader when others join
            enable_auto_commit=False,
            auto_offset_reset="latest",
            session_timeout_ms=settings.session_seconds * 1000,
            heartbeat_interval_ms=settings.session_seconds * 1000 // 5,
            metadata_max_age_ms=30_000,
        )

    @contextlib.asynccontextmanager
    async def member(self, stop: asyncio.Event) -> AsyncIterator[bool]:
        """Become a member, however often that is tried, stay one, and leave the group in the end, so that
        another one leads at once. False: `stop` was set before it was one.
        """
        if not await self._join(stop):
            yield False
            return
        staying = asyncio.create_task(self._stay())
        try:
            yield True
        finally:
            await cancelled(staying)
            self._leads = None
            await self._consumer.stop()

    async def _join(self, stop: asyncio.Event) -> bool:
        backoff = Backoff()
        while not stop.is_set():
            try:
                await started(self._consumer)
                self._guard.attach(self._consumer)
                self._consumer.subscribe([self._tp.topic], listener=self)
                return True
            except (KafkaError, OSError) as error:
                log.warning("joining the group: %s", in_words(error))
                await backoff.pause(stop)
        return False

    def _instance_taken(self, error: InstanceTakenError) -> None:
        self.taken = error

    def _tell_waiting(self, what: str | None) -> None:
        self.waiting_for = what

    async def _stay(self) -> None:
        """Nothing is read: the partition only stands for the lead."""
        while True:
            try:
                await self._consumer.getmany(timeout_ms=int(POLL_SECONDS * 1000))
            except KafkaError as error:
                log.warning("election: %s", in_words(error))
                await asyncio.sleep(POLL_SECONDS)

    @property
    def leads(self) -> bool | None:
        """Whether this process is the leader, as far as it knows; None while that is being decided."""
        return self._leads

    @property
    def generation(self) -> int:
        """The group's generation that this process knows of."""
        generation: int = self._consumer._coordinator.generation
        return generation

    async def published(self) -> tuple[int, str] | None:
        """The offset that a leader has committed last, with its metadata. Raises `KafkaError`."""
        committed = (await self._consumer._coordinator.fetch_committed_offsets([self._tp])).get(self._tp)
        return None if committed is None else (committed.offset, committed.metadata)

    async def publish(self, offset: int, metadata: str) -> None:
        """Commit an offset, as the leader: of one that is none any more Kafka refuses it. Raises
        `KafkaError`."""
        await commit_once(self._consumer, {self._tp: (offset, metadata)})

    async def on_partitions_revoked(self, revoked: Collection[Any]) -> None:  # noqa: ARG002
        """A rebalance begins: there is no leader."""
        self._leads = None

    async def on_partitions_assigned(self, assigned: Collection[Any]) -> None:
        """A rebalance has ended."""
        # aiokafka forgets it, and a process that was stopped would then claim its old lead with equal right.
        InstanceAssignor.on_generation_assignment(self.generation)
        self._consumer.pause(*assigned)
        self._leads = self._tp in assigned
        log.info("generation %d: %s", self.generation, "this one leads" if self._leads else "a standby")
