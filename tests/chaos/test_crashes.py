"""Two views workers and an api under load, killed, stopped and resumed; the broker restarts: still exact.

The load's clock runs 375 times as fast as the wall's, so that panes roll, expire and meet late events all the
while. test_crashes_whole.py is about all roles together, by the wall's clock.

The seed is printed; `SLUICE_CHAOS_SEED` sets it. What happens when depends on the machine all the same: each
blow falls after so many more records are in checkpoints, plus a random moment.
"""

from __future__ import annotations

import contextlib
import time
from pathlib import Path

from streams.embedded.broker import EmbeddedKafka
from streams.kafka import topics
from tests.oracle.load import Load, Mix
from tests.support.chaos.blows import Chaos, drawn_seed
from tests.support.chaos.traffic import Producing, Watching
from tests.support.feed import FeedWatcher, exact, source_ends
from tests.support.processes import Sluice
from tests.support.sending import started_producer

EVENTS_PER_SECOND = 1_500


async def test_views_and_quarantine_stay_exact(
    own_kafka: EmbeddedKafka, prefix: str, tmp_path: Path, kills: int
) -> None:
    seed = drawn_seed()
    load = Load(seed, int(time.time() * 1000) - 96 * 3_600_000, Mix(milliseconds=250, late_hours=5))
    with Sluice(
        tmp_path, own_kafka.bootstrap, prefix, pane_minutes=60, pane_hours=3, dedupe_seconds=600
    ) as sluice:
        await topics.create(sluice.settings)
        producer = await started_producer(
            own_kafka.bootstrap, enable_idempotence=True, request_timeout_ms=120_000, linger_ms=5
        )
        async with FeedWatcher(sluice.settings) as feed, contextlib.AsyncExitStack() as stopped:
            stopped.push_async_callback(producer.stop)
            chaos = Chaos(seed, own_kafka, sluice, feed)
            producing = chaos.producing = Producing(producer, sluice.raw_topic, load.take, EVENTS_PER_SECOND)
            stopped.push_async_callback(producing.stop)
            watching = Watching(chaos.api, producing)
            stopped.push_async_callback(watching.stop)
            await blows(chaos, kills)
            chaos.producing = None
            await producing.stop()
            chaos.say(f"{producing.sent} records sent; waiting for the end")
            await feed.caught_up(seconds=90)
            chaos.revive()
            await watching.stop()
            chaos.say(f"{watching.answers} answers, {watching.incomplete} of them incomplete")
            oracle = await exact(sluice, chaos.api)
            chaos.say(f"exact: {oracle.counts()} of {sum((await source_ends(sluice.settings)).values())}")
    assert not watching.wrong, watching.wrong[:20]
    assert watching.answers > 50
    assert not feed.wrong, feed.wrong
    assert not chaos.exits, "ended by themselves:\n" + "\n".join(chaos.exits)


async def blows(chaos: Chaos, kills: int) -> None:
    """So many kills; among them, at random places, one worker stopped and resumed, and a broker restart."""
    plan = [chaos.kill] * kills
    plan.insert(chaos.random.randint(1, kills), chaos.stop_and_resume)
    plan.insert(chaos.random.randint(1, kills), chaos.restart_broker)
    await chaos.both_own()
    for blow in plan:
        await chaos.progress()
        await blow()
    await chaos.progress()
