"""All roles under load, by the wall's clock, killed, stopped and resumed; the broker restarts: still exact.

Money leaks and is made good all the while, so that gates close and open. Afterwards every offset is in Bronze
once, the api's views are SQL over Bronze and over the topic, no gate was open that should have been closed,
and every alarm was told once. The seed is printed; `SLUICE_CHAOS_SEED` sets it.
"""

from __future__ import annotations

import contextlib
import time
from collections import Counter
from collections.abc import Awaitable, Callable
from functools import partial
from pathlib import Path

from streams.embedded.broker import EmbeddedKafka
from streams.kafka import topics
from tests.oracle.load import Load, Mix
from tests.oracle.views import Oracle
from tests.support.bronze_equality import hold_quarantine, hold_views
from tests.support.bronze_rows import Bronze
from tests.support.chaos.blows import drawn_seed
from tests.support.chaos.bronze_whole import commit_differences, row_differences
from tests.support.chaos.gate_history import (
    alarm_differences,
    changes,
    decoded,
    figure_differences,
    gate_differences,
)
from tests.support.chaos.staleness import TimedWatcher, open_while_stale
from tests.support.chaos.traffic import Producing, Watching
from tests.support.chaos.whole import LiveLoad, WholeChaos
from tests.support.feed import exact, micros, source_ends
from tests.support.gates import GateTopics
from tests.support.kafka import create_topics, wait_until
from tests.support.processes import Role, Sluice
from tests.support.sending import started_producer

Blow = Callable[[], Awaitable[None]]
EVENTS_PER_SECOND = 1_000
# One member of each pair with a name of its own (static membership), one without.
NAMED = ("views-1", "bronze-2", "gates-1")
MIX = Mix(milliseconds=0.9, late_hours=5, duplicates_back=30_000)


async def test_all_roles_together_stay_exact(
    own_kafka: EmbeddedKafka, prefix: str, tmp_path: Path, kills: int
) -> None:
    seed = drawn_seed()
    load = LiveLoad(Load(seed, int(time.time() * 1000), MIX), MIX.partitions)
    with Sluice(
        tmp_path, own_kafka.bootstrap, prefix, pane_minutes=60, pane_hours=3, dedupe_seconds=20,
        stale_seconds=5, recon_window_hours=2, bronze_max_seconds=3,
    ) as sluice:  # fmt: skip
        await make_topics(sluice)
        producer = await started_producer(
            own_kafka.bootstrap, enable_idempotence=True, request_timeout_ms=120_000, linger_ms=5
        )
        async with TimedWatcher(sluice.settings) as feed, contextlib.AsyncExitStack() as stopped:
            stopped.push_async_callback(producer.stop)
            chaos = WholeChaos(seed, own_kafka, sluice, feed, NAMED)
            producing = chaos.producing = Producing(producer, sluice.raw_topic, load.take, EVENTS_PER_SECOND)
            stopped.push_async_callback(producing.stop)
            watching = Watching(chaos.api, producing)
            stopped.push_async_callback(watching.stop)
            await blows(chaos, kills)
            chaos.producing = None
            await producing.stop()
            chaos.say(f"{producing.sent} records sent; waiting for the end")
            await at_the_end(chaos)
            await watching.stop()
            chaos.say(f"{watching.answers} answers, {watching.incomplete} of them incomplete")
            oracle = await hold_views_and_bronze(chaos)
            chaos.say(f"exact: {oracle.counts()}")
            await hold_gates(chaos, feed, producing, oracle)
    assert not watching.wrong, watching.wrong[:20]
    assert watching.answers > 50
    assert not feed.wrong, feed.wrong
    assert not chaos.exits, "ended by themselves:\n" + "\n".join(chaos.exits)


async def make_topics(sluice: Sluice) -> None:
    """All topics; that of the gates keeps every record for as long as a test lasts."""
    await create_topics(
        sluice.settings.kafka[0], sluice.settings.topic("ops.gates"), cleanup_policy="compact",
        min_compaction_lag_ms=86_400_000,
    )  # fmt: skip
    await topics.create(sluice.settings)


async def blows(chaos: WholeChaos, kills: int) -> None:
    """So many kills and, among them, at random places, sleepers of each pair and a broker restart."""
    victims = chaos.victims(kills)
    plan: list[Blow] = [partial(chaos.kill_one, victim) for victim in victims]
    others: list[Blow] = [
        chaos.stop_and_resume, chaos.stop_a_bronze_worker, chaos.stop_the_leader,
        chaos.views_away, chaos.restart_broker
    ]  # fmt: skip
    for other in others:
        plan.insert(chaos.random.randint(1, len(plan)), other)
    await chaos.both_own()
    await chaos.leader(chaos.gates)
    for blow in plan:
        await chaos.progress(4_000)
        await blow()
    await chaos.progress()


async def at_the_end(chaos: WholeChaos) -> None:
    """Until everything that was sent is in checkpoints and in Bronze, and all gates were judged on it."""
    await chaos.feed.caught_up(seconds=90)
    read_at_us = time.time() * 1e6
    ends = await source_ends(chaos.sluice.settings)

    def in_bronze() -> bool:
        chaos.revive()
        return chaos.in_bronze(ends)

    await wait_until(in_bronze, "Bronze to cover the topics", seconds=60)
    gates = GateTopics(chaos.sluice.settings)

    async def judged() -> bool:
        chaos.revive()
        newest = [records[-1] for records in decoded(await gates.reads()).values()]
        return bool(newest) and all(
            record["state"] != "stale" and micros(record["evaluated_at"]) > read_at_us for record in newest
        )

    await wait_until(judged, "all gates to be judged on all that there is", seconds=60)
    # Now, as this process is about to be too busy to notice when workers report.
    await end(chaos, chaos.gates)


async def end(chaos: WholeChaos, workers: list[Role]) -> None:
    """Have these end in good order, and not come again."""
    chaos.roles = [role for role in chaos.roles if role not in workers]
    for worker in workers:
        await worker.says("metrics on", 90)  # one that was killed just now has not begun yet
        assert await worker.terminate() == 0, worker.tail()


async def hold_views_and_bronze(chaos: WholeChaos) -> Oracle:
    """Views and quarantine are SQL over the topic, the views over Bronze too; Bronze is the topic."""
    sluice, settings = chaos.sluice, chaos.sluice.settings
    oracle = await exact(sluice, chaos.api)
    await end(chaos, chaos.bronze)
    verified = sluice.run("bronze", "verify")
    chaos.say(f"sluice bronze verify: {verified.stdout.strip()}")
    assert verified.returncode == 0, verified.stdout + verified.stderr
    bronze = Bronze(chaos.bronze_folder)
    found = await commit_differences(chaos.bronze_folder, settings) + await row_differences(bronze, settings)
    assert not found, "\n".join(found[:40])
    await hold_views(sluice, chaos.api, bronze)
    await hold_quarantine(sluice, bronze)
    return oracle


async def hold_gates(chaos: WholeChaos, feed: TimedWatcher, producing: Producing, oracle: Oracle) -> None:
    """Every gate's record was right when it was written, and every alarm told once."""
    settings, gates = chaos.sluice.settings, GateTopics(chaos.sluice.settings)
    reads, alarms = await gates.reads(), await gates.alarms()
    records = decoded(reads)
    ends = {partition: end for (_, partition), end in (await source_ends(settings)).items()}
    assert ends == {partition: acked[-1][1] for partition, acked in producing.acked.items()}
    found = gate_differences(reads, settings) + alarm_differences(reads, alarms)
    found += figure_differences({key: mine[-1] for key, mine in records.items()}, oracle)
    opened = [record for mine in records.values() for record in mine if record["open"]]
    for record in opened:
        found += [
            f"open though {why}: {record}"
            for why in open_while_stale(record, feed, producing.acked, settings)
        ]
    closed = [record for mine in records.values() for record in mine if record["state"] == "stale"]
    judged = [bool(open_while_stale(record, feed, producing.acked, settings)) for record in closed]
    into = Counter(change.state for change in changes(reads))
    chaos.say(f"{len(opened)} gate records open, {len(closed)} stale ({sum(judged)} of them clearly)")
    chaos.say(f"gates came into {dict(into)}; {len(alarms)} alarms")
    assert not found, f"{len(found)} wrong:\n" + "\n".join(found[:30])
    assert into["alarm"] > 10
    assert into["ok"] > 10
    assert into["stale"] > 10
    assert len(opened) > 50
    assert any(judged), "what would have been wrong had they been open is seen as such"
