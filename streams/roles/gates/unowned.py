"""Partitions that nobody reads: the leader of the gates tells of them, as there is no owner who would.

Of a role that was never started, which has published no offset, nothing is told.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping

from aiokafka import TopicPartition
from aiokafka.errors import KafkaError
from faust.types import TP

from streams.clock import SYSTEM_CLOCK, Clock
from streams.kafka.availability import connected_admin
from streams.kafka.client import reading
from streams.kafka.instances import NOT_NOW, members
from streams.kafka.refusals import in_words
from streams.kafka.topology import partitions_of
from streams.roles.lag_alarms import LagAlarms
from streams.settings import Settings

log = logging.getLogger(__name__)

ROLES = ("views", "bronze")
LOOK_SECONDS = 2.0
WHY = "is read by nobody and has unread records"


class UnownedPartitions:
    """Looked at while this process leads. How old unread records are is counted from when they were first
    seen without an owner: their own times are for those who may read them."""

    def __init__(self, settings: Settings, clock: Clock = SYSTEM_CLOCK) -> None:
        self._settings = settings
        self._clock = clock
        self._alarms = {role: LagAlarms(settings, role) for role in ROLES}
        self._since: dict[tuple[str, TP], float] = {}

    async def run(self) -> None:
        """Look until cancelled."""
        try:
            while True:
                for role in ROLES:
                    try:
                        await self._look(role)
                    except (KafkaError, OSError) as error:
                        log.warning("looking who reads as %s: %s", role, in_words(error))
                await asyncio.sleep(LOOK_SECONDS)
        finally:
            for alarms in self._alarms.values():
                await alarms.close()

    async def _look(self, role: str) -> None:
        """Where a group has members, each partition has an owner, who tells of it."""
        unread = {} if await _has_members(self._settings, role) else await _unread(self._settings, role)
        now = self._clock.monotonic()
        self._since = {
            key: since for key, since in self._since.items() if key[0] != role or unread.get(key[1])
        } | {(role, tp): self._since.get((role, tp), now) for tp, is_unread in unread.items() if is_unread}
        ages = {tp: now - self._since.get((role, tp), now) for tp in unread}
        self._alarms[role].look(ages, unread, WHY)


async def _has_members(settings: Settings, role: str) -> bool:
    try:
        return bool(await members(settings, role))
    except NOT_NOW:
        return False


async def _unread(settings: Settings, role: str) -> Mapping[TP, bool]:
    """Of the partitions of which a role has published an offset, whether there are records after it. Raises
    aiokafka's errors."""
    partitions = await partitions_of(settings, settings.raw_topics)
    async with connected_admin(settings) as admin:
        group = settings.group(role)
        committed = await admin.list_consumer_group_offsets(group, partitions=partitions)
    done = {tp: at.offset for tp, at in committed.items() if at.offset >= 0}
    if not done:
        return {}
    async with reading(settings) as consumer:
        ends: Mapping[TopicPartition, int] = await consumer.end_offsets(list(done))
    return {TP(*tp): offset < ends[tp] for tp, offset in done.items()}
