"""`sluice worker notify`: tells people of alarms, while it leads; another one that is started stands by.

The topics are small and are read from their beginning whenever the lead is taken over: what people have been
told follows from the records, and from what the group has committed. docs/alarms.md has the rules.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import KafkaError

import streams.kafka.fetched_bytes  # noqa: F401 - lets aiokafka read whatever names headers have
from agents.backoff import Backoff
from agents.notify.announcer import Source
from streams import metrics, shutdown
from streams.clock import SYSTEM_CLOCK
from streams.health import Health
from streams.kafka.client import reading
from streams.kafka.message_formats import UnreadableBatchError
from streams.kafka.refusals import in_words
from streams.roles.leader_election import LeaderElection
from streams.roles.lifecycle import CannotStartError, serving, topics_there
from streams.roles.notify.bulletin import Bulletin
from streams.roles.notify.delivery import Delivery
from streams.roles.notify.positions import Position, decode, encode
from streams.roles.notify.targets import Target, read_targets
from streams.settings import SettingError, Settings

log = logging.getLogger(__name__)

ROLE = "notify"
FETCH_MS = 200
LOOK_SECONDS = 0.2
PARTITION = 0
"""Of both topics, however many they have: all writers write there."""


def run_notify(settings: Settings) -> None:
    """Run the notify role until SIGTERM or SIGINT. Raises `SettingError`, `KeptFileError`,
    `CannotStartError`, or what it failed with."""
    if settings.notify_file is None:
        raise SettingError("SLUICE_NOTIFY_FILE", "", "a TOML file that says who is told (docs/alarms.md)")
    targets = read_targets(settings.notify_file)
    with serving(settings) as health:
        try:
            shutdown.run(_run(settings, targets, health))
        except UnreadableBatchError as error:
            raise CannotStartError(str(error)) from None


async def _run(settings: Settings, targets: list[Target], health: Health) -> None:
    stop = shutdown.stop_on_signals()
    if not await topics_there(settings, ROLE, health, stop):
        return
    election = LeaderElection(settings, ROLE, settings.topic(Source.ALARMS))
    async with election.member(stop) as joined:
        if joined:
            health.waiting_for = None
            await NotifyWorker(settings, targets, election).run(stop, health)


class NotifyWorker:
    """One process of the notify role."""

    def __init__(self, settings: Settings, targets: list[Target], election: LeaderElection) -> None:
        self._settings = settings
        self._targets = targets
        self._election = election
        self._partitions = {TopicPartition(settings.topic(one), PARTITION): one for one in Source}
        self._committed: tuple[int, str] | None = None
        self._generation = 0
        self._posting: list[asyncio.Task[None]] = []

    async def run(self, stop: asyncio.Event, health: Health) -> None:
        """Tell people whenever this process leads, until `stop`."""
        backoff = Backoff()
        while not stop.is_set():
            if self._election.taken is not None:
                raise self._election.taken
            health.waiting_for = self._election.waiting_for
            if not self._election.leads:
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(stop.wait(), LOOK_SECONDS)
                continue
            try:
                await self._lead(stop)
                backoff.reset()
            except (KafkaError, OSError) as error:
                log.warning("reading the alarms: %s; next try in %.1f s", in_words(error), backoff.seconds)
                await backoff.pause(stop)

    async def _lead(self, stop: asyncio.Event) -> None:
        """Until this process leads no longer, or `stop`. Raises aiokafka's errors."""
        self._generation = self._election.generation
        self._committed = await self._election.published()
        known = {} if self._committed is None else decode(self._committed[1])
        async with self._delivering() as deliveries, reading(self._settings) as consumer:
            consumer.assign(list(self._partitions))
            await consumer.seek_to_beginning()
            bulletin = Bulletin(deliveries, known)
            await self._read_to_end(consumer, bulletin)
            bulletin.begin(SYSTEM_CLOCK.wall_ms())
            metrics.NOTIFY_LEADS.set(1)
            _log_begin(self._targets, known)
            while not stop.is_set() and await self._still_leads():
                await self._commit(bulletin)
                await self._read(consumer, bulletin)
                bulletin.pass_time(SYSTEM_CLOCK.wall_ms())
            await self._commit(bulletin)

    async def _still_leads(self) -> bool:
        """Whether nobody else has told people meanwhile. During a rebalance that is not known, and we go on:
        who becomes the leader then tells what is not committed."""
        if not self._election.leads:
            return self._election.leads is None
        if self._election.generation != self._generation:
            self._generation = self._election.generation
            return await self._election.published() == self._committed
        return True

    @asynccontextmanager
    async def _delivering(self) -> AsyncIterator[list[Delivery]]:
        """The targets' deliveries while it lasts; what they have not told then is told by the next leader."""
        seconds = float(self._settings.notify_give_up_seconds)
        deliveries = [Delivery(target, seconds) for target in self._targets]
        self._posting = [
            asyncio.create_task(one.run(), name=f"notify-{one.target.name}") for one in deliveries
        ]
        try:
            yield deliveries
        finally:
            metrics.NOTIFY_LEADS.set(0)
            for task in self._posting:
                task.cancel()
            await asyncio.gather(*self._posting, return_exceptions=True)

    async def _read_to_end(self, consumer: AIOKafkaConsumer, bulletin: Bulletin) -> None:
        """The alarms before who has taken them on: what is open is known only by their end."""
        for tp, source in self._partitions.items():
            end = (await consumer.end_offsets([tp]))[tp]
            while await consumer.position(tp) < end:
                for records in (await consumer.getmany(tp, timeout_ms=FETCH_MS)).values():
                    bulletin.take(source, tp, records)
            bulletin.reaches({source: end})

    async def _read(self, consumer: AIOKafkaConsumer, bulletin: Bulletin) -> None:
        for tp, records in (await consumer.getmany(timeout_ms=FETCH_MS)).items():
            bulletin.take(self._partitions[tp], tp, records)

    async def _commit(self, bulletin: Bulletin) -> None:
        """Commit how far people have been told, where that is news. Raises what ended a delivery."""
        for task in self._posting:
            if task.done():
                task.result()
        said = encode(bulletin.positions())
        if said != self._committed and self._election.leads:
            await self._election.publish(*said)
            self._committed = said


def _log_begin(targets: list[Target], known: dict[str, Position]) -> None:
    names = ", ".join(target.name for target in targets)
    new = [target.name for target in targets if target.name not in known]
    log.info(
        "telling %s of alarms%s", names, f"; new, and told what is open: {', '.join(new)}" if new else ""
    )
