"""How far a bronze worker is, once a second: metrics, the group's offsets, and whether it is stuck."""

from __future__ import annotations

import asyncio
import logging
import time

from streams import metrics
from streams.clock import now_ms
from streams.faust.app import all_of, consumer_of
from streams.faust.transport import OwnerApp
from streams.roles.bronze.commit_hint import publish
from streams.roles.bronze.owner import BronzeOwner
from streams.roles.lag import LagGauges, MoveWatch, StuckError
from streams.roles.recreated_topic import RecreatedTopicError
from streams.settings import Settings

log = logging.getLogger(__name__)

BEAT_SECONDS = 1.0
BEATS_A_PUBLISH = 5


class BronzeMonitor:
    """Watches the partitions of a `BronzeOwner`; ends a process that has unread records and does not move."""

    def __init__(self, settings: Settings, owner: BronzeOwner, app: OwnerApp) -> None:
        self._owner = owner
        self._app = app
        self._lag = LagGauges(settings.group("bronze"))
        self._moves = MoveWatch()

    async def run(self) -> None:
        """Watch until cancelled."""
        beats = 0
        while True:
            try:
                await self._beat(publishes=beats % BEATS_A_PUBLISH == 0)
            except (RecreatedTopicError, StuckError) as error:
                await self._app.crash(error)
            except Exception as error:  # noqa: BLE001 - the next beat may work
                log.warning("watching Bronze: %s: %s", type(error).__name__, error)
                for partition in self._owner.owned.values():
                    partition.moved_at = time.monotonic()  # nobody moves while Kafka is away
            beats += 1
            await asyncio.sleep(BEAT_SECONDS)

    async def _beat(self, *, publishes: bool) -> None:
        owned = dict(self._owner.owned)
        thread = consumer_of(self._app).thread
        positions = {tp: partition.position for tp, partition in owned.items()}
        ends = await thread.ends(set(owned)) if owned else {}
        now = now_ms()
        waiting = self._owner.waiting_since_ms
        oldest = list(waiting.values())
        self._moves.begins_look(reading=not owned or consumer_of(self._app).flow_active)
        self._moves.keep(set(owned))
        for tp, partition in owned.items():
            # What lies behind somebody's open transaction is not written either, and cannot be read yet.
            end = max(ends[tp], thread.highwater(tp) or 0)
            partition.saw_end(ends[tp], end, positions[tp], now)
            oldest_ms = partition.oldest_uncommitted_ms()
            self._lag.measure(tp, end - partition.committed, oldest_ms, now)
            oldest += [] if oldest_ms is None else [oldest_ms]
            # Waiting for the store is no standing still.
            waits = tp in waiting or self._owner.blocked or partition.waits_for_store
            self._moves.look(tp, partition.moved_at, waits=waits)
        metrics.BRONZE_OLDEST.set(max(0, now - min(oldest, default=now)) / 1000)
        self._lag.keep(set(owned))
        await all_of(owned.identity.check() for owned in owned.values() if owned.identity is not None)
        await self._owner.look_for_lost()
        if publishes:
            newest = {tp: partition.newest for tp, partition in owned.items() if partition.newest is not None}
            await publish(thread, newest)
