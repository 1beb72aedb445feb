"""`sluice worker gates`: evaluates the recon gates while it leads, and stands by while another process does.

Every process follows the feed, as the api does, so that a standby can take over at once. docs/gates.md has
the rules, and what happens to a leader that dies or is stopped.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from fractions import Fraction

from aiokafka.errors import KafkaError

from agents.backoff import Backoff
from agents.gates.evaluator import AlarmCode, GateEvaluator, Publication
from schemas.times import SECOND_US
from streams import logs, metrics, shutdown
from streams.clock import SYSTEM_CLOCK, Clock
from streams.errors import ErrorCode
from streams.feed.follower import Follower
from streams.feed.replica import Replica
from streams.health import Health
from streams.kafka.message_formats import UnreadableBatchError
from streams.kafka.refusals import in_words
from streams.kafka.write_failures import log_failed_write
from streams.roles.gates.writer import GateWriter
from streams.roles.leader_election import LeaderElection
from streams.roles.lifecycle import CannotStartError, serving, topics_there
from streams.settings import Settings
from tables.gates.figures import VIEW, ReconReader, Window, pairs_kept
from tables.gates.records import RECON
from tables.gates.rule import GateState, Limits, Rule
from tables.keys import FeedFormatError
from tables.views import VIEWS

log = logging.getLogger(__name__)

EVALUATE_SECONDS = 0.1
"""Evenly spaced, so that how long so many evaluations in a row take does not depend on the traffic. Ten,
which a better state needs, fit into the two seconds after a checkpoint in which a change is to be published.
"""
SWEEP_SECONDS = 600.0
PUBLISH_TIMEOUT_SECONDS = 10.0
CODES = {GateState.ALARM: ErrorCode.QUALITY_CHECK_FAILED, GateState.STALE: ErrorCode.PIPELINE_LAG_EXCEEDED}
"""An alarm is raised when a gate closes: charges and payouts do not agree, or that is not known."""


def run_gates(settings: Settings) -> None:
    """Run the gates role until SIGTERM or SIGINT. Raises `CannotStartError`, or what it failed with."""
    settings.check_gates()
    with serving(settings) as health:
        try:
            shutdown.run(_gates(settings, health))
        except (FeedFormatError, UnreadableBatchError) as error:
            raise CannotStartError(str(error)) from None


def rule_of(settings: Settings) -> Rule:
    """The rule that the settings make."""
    limits = Limits(Fraction(settings.recon_warn), Fraction(settings.recon_alarm), settings.recon_min_minor)
    return Rule.of(
        limits,
        clear_at=Fraction(settings.gate_clear_at),
        raise_after=settings.gate_raise,
        clear_after=settings.gate_clear,
        hold_us=settings.gate_hold_seconds * SECOND_US,
    )


async def _gates(settings: Settings, health: Health) -> None:
    stop = shutdown.stop_on_signals()
    if not await topics_there(settings, "gates", health, stop):
        return
    replica = Replica({VIEW: VIEWS[VIEW]}, settings)
    follower = asyncio.create_task(Follower(replica, settings).run())
    follower.add_done_callback(lambda _: stop.set())
    worker = GatesWorker(settings, replica, health)
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
        self, settings: Settings, replica: Replica, health: Health, clock: Clock = SYSTEM_CLOCK
    ) -> None:
        self._settings = settings
        self._clock = clock
        self._replica = replica
        self._health = health
        self._election = LeaderElection(settings, "gates", settings.topic("ops.gates"))
        self._reader = ReconReader(Window(settings.recon_window_hours, settings.recon_settlement_hours))
        self._log: GateWriter | None = None
        self._keeper: GateEvaluator | None = None
        self._measures = _Measures()
        self._swept_at = 0.0
        self._not_before = 0.0

    async def run(self, stop: asyncio.Event) -> None:
        """Evaluate over and over until `stop`, whenever this process leads.

        It stands for election once it has read the feed: a leader that could not judge would close the gates.
        """
        while not self._replica.ready and not stop.is_set():
            self._health.waiting_for = self._replica.waiting_for
            await self._replica.changed(EVALUATE_SECONDS)
        if not await self._join(stop):
            return
        self._health.waiting_for = None
        membership = asyncio.create_task(self._election.run())
        next_at = self._clock.monotonic()
        try:
            while not stop.is_set():
                await self._turn()
                next_at = max(next_at + EVALUATE_SECONDS, self._clock.monotonic())
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(stop.wait(), max(0.0, next_at - self._clock.monotonic()))
        finally:
            membership.cancel()
            await asyncio.gather(membership, return_exceptions=True)
            await self._resign()
            await self._election.leave()

    async def _join(self, stop: asyncio.Event) -> bool:
        backoff = Backoff()
        while not stop.is_set():
            try:
                await self._election.join()
                return True
            except (KafkaError, OSError) as error:
                log.warning("joining the gates' group: %s", in_words(error))
                await backoff.pause(stop)
        return False

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
        if self._keeper is None:
            if self._clock.monotonic() < self._not_before:
                return
            await self._take_over()
        assert self._log is not None
        assert self._keeper is not None
        situation = self._replica.situation()
        reading = await self._replica.run(lambda reader: self._reader.read(reader, situation))
        now_us = self._clock.wall_us()
        publication = self._keeper.evaluate(reading, now_us)
        if reading.stale is None and self._clock.monotonic() - self._swept_at > SWEEP_SECONDS:
            self._swept_at = self._clock.monotonic()
            ended = self._keeper.end_gates(await self._replica.run(pairs_kept), now_us)
            publication.gates.extend(ended.gates)
            publication.alarms.extend(ended.alarms)
        if publication.gates:
            await self._log.publish(*publication)
        _emit(publication)
        self._measures.show(self._keeper)

    async def _take_over(self) -> None:
        """Fence the former leader, then read the gates back."""
        started = self._clock.monotonic()
        if self._log is not None:
            await self._log.close()
        self._log = GateWriter(self._settings)
        await self._log.open()
        codes = {state: AlarmCode(code.name, code.severity) for state, code in CODES.items()}
        keeper = GateEvaluator(rule_of(self._settings), codes)
        records = await self._log.read_back(keeper.restore)
        self._keeper = keeper
        log.info(
            "leading the gates after %.2f s, from %d records", self._clock.monotonic() - started, records
        )

    async def _resign(self) -> None:
        """Forget what was led: it has to be read back before the next evaluation."""
        gate_log, self._log, self._keeper = self._log, None, None
        self._measures.clear()
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


class _Measures:
    """The leader's gates as metrics; a standby exports none."""

    def __init__(self) -> None:
        self._currencies: set[str] = set()

    def show(self, keeper: GateEvaluator) -> None:
        worst = keeper.worst()
        for currency, state in worst.items():
            metrics.GATE_STATE.labels(RECON, currency).set(state.rank)
        for currency in self._currencies - worst.keys():
            metrics.GATE_STATE.remove(RECON, currency)
        self._currencies = set(worst)
        for state, count in keeper.counts().items():
            metrics.GATES.labels(RECON, state.value).set(count)

    def clear(self) -> None:
        self._currencies.clear()
        metrics.GATE_STATE.clear()
        metrics.GATES.clear()
