"""Prevents two processes with one SLUICE_INSTANCE from taking a group's membership from each other for ever.

aiokafka's heartbeats and commits do not carry the instance, so no broker can report to the replaced member
that it is fenced: it is an unknown member, rejoins, and the other one is replaced. A member therefore checks
which process has its instance before it joins: it takes over from a killed process at once, does not take
over from a living one, and does not rejoin after another process has replaced it.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable
from typing import Any

from aiokafka import AIOKafkaConsumer
from aiokafka.client import ConnectionGroup
from aiokafka.errors import GroupCoordinatorNotAvailableError, KafkaError
from aiokafka.protocol.admin import DescribeGroupsRequest
from aiokafka.protocol.group import JoinGroupRequest

from streams.kafka.instances import LOOK_SECONDS, THIS, Member, members_of
from streams.settings import Settings

log = logging.getLogger(__name__)

FENCED_INSTANCE_ID = 82
"""Kafka's error code; aiokafka has no exception for it."""
MARGIN_SECONDS = 5.0
DRAIN_SECONDS = 5.0
"""How long a process of this machine may be on its way out, such as one whose supervisor was killed."""


class InstanceTakenError(Exception):
    """Another living process has this SLUICE_INSTANCE; `str()` names the setting and that process."""


class InstanceGuard:
    """Sits between a consumer's coordinator and its broker. Runs in the consumer's event loop.

    `on_taken` is called once, when another process has the instance: the consumer then never rejoins. `tell`
    is called with what joining waits for, and with None when the wait is over.
    """

    def __init__(
        self,
        settings: Settings,
        group: str,
        on_taken: Callable[[InstanceTakenError], None],
        tell: Callable[[str | None], None],
    ) -> None:
        self._instance = settings.instance
        self._group = group
        self._wait_seconds = settings.session_seconds + MARGIN_SECONDS
        self._on_taken = on_taken
        self._tell = tell
        self._member_id = ""
        self._taken = False

    def attach(self, consumer: AIOKafkaConsumer) -> None:
        """Guard a consumer that has started and has not subscribed yet."""
        if not self._instance:
            return
        self._coordinator: Any = consumer._coordinator
        self._send = self._coordinator._send_req
        self._coordinator._send_req = self._guarded

    async def _guarded(self, request: Any) -> Any:
        joins = isinstance(request, JoinGroupRequest)
        if joins and not self._coordinator.member_id:
            await self._until_free()
        response = await self._send(request)
        if getattr(response, "error_code", 0) == FENCED_INSTANCE_ID:
            await self._give_way(f"another process joined group {self._group} with it")
        if joins and response.error_code == 0:
            self._member_id = response.member_id
        return response

    async def _until_free(self) -> None:
        """Return when this process may join with the instance; never, if another process has it."""
        began = time.monotonic()
        told = False
        try:
            while (holder := await self._holder()) is not None and not self._is_ours(holder):
                if time.monotonic() - began > self._patience(holder):
                    if holder.process is None and self._member_id:
                        return  # the group is rebalancing, and may wait for us
                    await self._give_way(f"{holder} is in group {self._group} with it")
                if not told:
                    told = True
                    what = (
                        f"SLUICE_INSTANCE={self._instance} to be free in group {self._group}: {holder} has it"
                    )
                    log.warning("waiting for %s", what)
                    self._tell(what)
                await self._closing(LOOK_SECONDS)
        finally:
            if told:
                self._tell(None)

    def _is_ours(self, holder: Member) -> bool:
        """Whether it is this process, or a dead one."""
        process = holder.process
        if process is None:
            return holder.member_id == self._member_id
        if process.nonce == THIS.nonce:
            return True
        # A process that took it while we had it came after us, wherever it runs.
        return not self._member_id and process.is_gone()

    def _patience(self, holder: Member) -> float:
        """How many seconds a holder may take to disappear: a dead one at most its session time-out."""
        if holder.process is None:
            return self._wait_seconds
        if self._member_id:
            return 0.0  # it came after us, and lives
        return DRAIN_SECONDS if holder.process.host == THIS.host else self._wait_seconds

    async def _holder(self) -> Member | None:
        coordinator = self._coordinator
        try:
            response = await coordinator._client.send(
                coordinator.coordinator_id,
                DescribeGroupsRequest([self._group]),
                group=ConnectionGroup.COORDINATION,
            )
            found = members_of(response)
        except KafkaError:
            await self._closing(LOOK_SECONDS)
            coordinator.coordinator_dead()
            raise
        return next((member for member in found if member.instance == self._instance), None)

    async def _closing(self, seconds: float | None) -> None:
        """Wait for a time, less if the consumer is closed: then raises the error that ends a join."""
        await asyncio.wait({self._coordinator._closing}, timeout=seconds)
        if self._coordinator._closing.done():
            raise GroupCoordinatorNotAvailableError

    async def _give_way(self, why: str) -> None:
        """Report it, and stay out of the group until the consumer is closed."""
        if not self._taken:
            self._taken = True
            self._on_taken(
                InstanceTakenError(
                    f"SLUICE_INSTANCE={self._instance} is taken: {why}."
                    " Give every worker of a role an instance of its own, or none"
                )
            )
        await self._closing(None)
