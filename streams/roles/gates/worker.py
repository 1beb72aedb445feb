"""`sluice worker gates`: evaluates the gates while it leads, and stands by while another process does.

Every process follows the feed, as the api does, so that a standby can take over at once. docs/gates.md has
the rules, and what happens to a leader that dies or is stopped.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Sequence

from aiokafka.errors import KafkaError

from agents.gates.evaluator import Publication
from streams import logs, metrics, shutdown
from streams.clock import SYSTEM_CLOCK, Clock
from streams.feed.follower import Follower
from streams.feed.replica import Replica
from streams.health import Health
from streams.kafka.message_formats import UnreadableBatchError
from streams.kafka.write_failures import log_failed_write
from streams.roles.gates.declared import CODES, DeclaredGates
from streams.roles.gates.limits import GateOn, gates_on
from streams.roles.gates.overrides import Overrides
from streams.roles.gates.unowned import UnownedPartitions
from streams.roles.gates.writer import GateWriter
from streams.roles.leader_election import LeaderElection
from streams.roles.lifecycle import CannotStartError, serving, topics_there
from streams.settings import Settings
from tables.keys import FeedFormatError
from tables.views import VIEWS

log = logging.getLogger(__name__)

EVALUATE_SECONDS = 0.1
"""Evenly spaced, so that how long so many evaluations in a row take does not depend on the traffic. Ten,
which a better state needs, fit into the two seconds after a checkpoint in which a change is to be published.
"""
PUBLISH_TIMEOUT_SECONDS = 10.0


def run_gates(settings: Settings) -> None:
    """Run the gates role until SIGTERM or SIGINT. Raises `CannotStartError`, or what it failed with."""
    on = gates_on(settings)
    with serving(settings) as health:
        try:
            shutdown.run(_gates(settings, on, health))
        except (FeedFormatError, UnreadableBatchError) as error:
            raise CannotStartError(str(error)) from None


async def _gates(settings: Settings, on: Sequence[GateOn], health: Health) -> None:
    stop = shutdown.stop_on_signals()
    if not await topics_there(settings, "gates", health, stop):
        return
    replica = Replica({one.gate.view: VIEWS[one.gate.view] for one in on}, settings)
    follower = asyncio.create_task(Follower(replica, settings).run())
    follower.add_done_callback(lambda _: stop.set())
    worker = GatesWorker(settings, on, replica, health)
    try:
        await worker.run(stop)
    finally:
        replica.end()
        follower.cancel()
        (outcome,) = await asyncio.gather(follower, return_exceptions=True)
        replica.close()
    if isinstance(outcome, Exception):
        raise outcome


class GatesWorker:
    """One process of the gates role."""

    def __init__(
        self,
        settings: Settings,
        on: Sequence[GateOn],
        replica: Replica,
        health: Health,
        clock: Clock = SYSTEM_CLOCK,
    ) -> None:
        self._settings = settings
        self._on = on
        self._clock = clock
        self._replica = replica
        self._health = health
        self._election = LeaderElection(settings, "gates", settings.topic("ops.gates"))
        self._overrides = Overrides(settings)
        self._log: GateWriter | None = None
        self._gates: DeclaredGates | None = None
        self._not_before = 0.0
        self._unowned: asyncio.Task[None] | None = None

    async def run(self, stop: asyncio.Event) -> None:
        """Evaluate over and over until `stop`, whenever this process leads.

        It stands for election once it has read the feed: a leader that could not judge would close the gates.
        """
        following = asyncio.create_task(self._overrides.follow())
        try:
            await self._lead_or_stand_by(stop)
        finally:
            await self._overrides.close(following)

    async def _lead_or_stand_by(self, stop: asyncio.Event) -> None:
        while not (self._replica.ready and self._overrides.ready.is_set()) and not stop.is_set():
            self._health.waiting_for = self._replica.waiting_for or "the overrides of gates to be read"
            await self._replica.changed(EVALUATE_SECONDS)
        async with self._election.member(stop) as joined:
            if joined:
                await self._take_turns(stop)

    async def _take_turns(self, stop: asyncio.Event) -> None:
        self._health.waiting_for = None
        next_at = self._clock.monotonic()
        try:
            while not stop.is_set():
                await self._turn()
                next_at = max(next_at + EVALUATE_SECONDS, self._clock.monotonic())
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(stop.wait(), max(0.0, next_at - self._clock.monotonic()))
        finally:
            await self._resign()

    async def _turn(self) -> None:
        if self._election.taken is not None:
            raise self._election.taken
        self._health.waiting_for = self._replica.waiting_for or self._election.waiting_for
        if not self._election.leads:
            if self._election.leads is False:
                await self._resign()
            return
        generation = self._election.generation
        try:
            async with asyncio.timeout(PUBLISH_TIMEOUT_SECONDS):
                await self._evaluate()
        except (KafkaError, OSError, TimeoutError) as error:
            what = "publishing gates, after which the lead is taken over again,"
            log_failed_write(what, error, self._settings.topic("ops.gates"))
            await self._resign()
            if generation == self._election.generation:
                # A process that was stopped for long learns within two heartbeats that another one leads.
                self._not_before = self._clock.monotonic() + 2 * self._settings.session_seconds / 5

    async def _evaluate(self) -> None:
        """One evaluation, and one transaction with what is to be published."""
        if self._gates is None:
            if self._clock.monotonic() < self._not_before:
                return
            await self._take_over()
        assert self._log is not None
        assert self._gates is not None
        publication = await self._gates.evaluate(
            self._replica, self._clock.wall_us(), self._clock.monotonic(), self._overrides.newest
        )
        if publication.gates:
            await self._log.publish(*publication)
        metrics.GATES_EVALUATED.set(self._clock.wall_ms() / 1000)
        _emit(publication)
        self._gates.show()

    async def _take_over(self) -> None:
        """Fence the former leader, then read the gates back."""
        started = self._clock.monotonic()
        if self._log is not None:
            await self._log.close()
        self._log = GateWriter(self._settings)
        await self._log.open()
        gates = DeclaredGates(self._settings, self._on)
        records = await self._log.read_back(gates.restore)
        self._gates = gates
        looking = UnownedPartitions(self._settings, self._clock).run()
        self._unowned = asyncio.create_task(looking, name="unowned partitions")
        log.info(
            "leading the gates after %.2f s, from %d records", self._clock.monotonic() - started, records
        )

    async def _resign(self) -> None:
        """Forget what was led: it has to be read back before the next evaluation."""
        gate_log, self._log, self._gates = self._log, None, None
        if self._unowned is not None:
            await shutdown.cancelled(self._unowned)
            self._unowned = None
        metrics.GATE_STATE.clear()
        metrics.GATES.clear()
        if gate_log is not None:
            await gate_log.close()


def _emit(publication: Publication) -> None:
    """One log line and count for each code of the alarms raised: a stale feed raises one for every gate."""
    raised = [alarm for alarm in publication.alarms if alarm.state == "raised"]
    for code in CODES.values():
        details = [alarm.detail for alarm in raised if alarm.code == code.name]
        if details:
            more = f" (and {len(details) - 1} more gates)" if len(details) > 1 else ""
            logs.emit(code, details[0] + more, gates=len(details))
