"""Views are rebuilt under load, by a process that is killed at random moments; workers die, too. No answer
shows a mixture, and at the end the new definitions are what SQL makes of Bronze.

The seed is printed; `SLUICE_CHAOS_SEED` sets it.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
import time
from pathlib import Path

from streams.embedded.broker import EmbeddedKafka
from streams.kafka import topics
from tests.oracle.load import Load, Mix
from tests.support.bronze_equality import hold_views
from tests.support.bronze_rows import Bronze
from tests.support.bronze_topic import until_covered
from tests.support.chaos.blows import drawn_seed
from tests.support.chaos.switching import Answers, answer_differences
from tests.support.chaos.traffic import Producing
from tests.support.feed import FeedWatcher
from tests.support.former import OTHERWISE, former_release
from tests.support.kafka import read_all
from tests.support.processes import Role, Sluice
from tests.support.sending import produce_all, started_producer

EVENTS = 20_000
EVENTS_PER_SECOND = 300
LONGEST_SECONDS = 6.0


async def test_views_are_rebuilt_exactly_through_kills(
    own_kafka: EmbeddedKafka, prefix: str, tmp_path: Path, kills: int
) -> None:
    draw = random.Random(drawn_seed())
    load = Load(draw.randrange(1_000), int(time.time() * 1000) - 48 * 3_600_000, Mix(milliseconds=1500))
    views = list(OTHERWISE)
    bootstrap = own_kafka.bootstrap
    with Sluice(
        tmp_path, bootstrap, prefix, partitions=4, pane_minutes=120, pane_hours=5, dedupe_seconds=900
    ) as sluice:
        await topics.create(sluice.settings)
        bronze, api = sluice.bronze(), sluice.api()
        this, sluice.release = sluice.release, former_release(tmp_path / "former", *views)
        former = sluice.worker("former")
        sluice.release = this
        async with FeedWatcher(sluice.settings) as feed, contextlib.AsyncExitStack() as stopped:
            await produce_all(bootstrap, sluice.raw_topic, load.take(EVENTS))
            await feed.caught_up()
            await until_covered(sluice, sluice.store, former, bronze)
            former.kill()
            workers = [sluice.worker("views-1"), sluice.worker("views-2")]
            answers = Answers(api, views)
            stopped.push_async_callback(answers.stop)
            producer = await started_producer(bootstrap, enable_idempotence=True, linger_ms=5)
            stopped.push_async_callback(producer.stop)
            producing = Producing(producer, sluice.raw_topic, load.take, EVENTS_PER_SECOND)
            stopped.push_async_callback(producing.stop)
            killed = 0
            for number, view in enumerate(views):
                most = kills * (number + 1) // len(views) - killed
                killed += await rebuild(sluice, view, draw, most, workers)
                assert producing.running
            print(f"killed {killed} times")  # noqa: T201
            await producing.stop()
            await feed.caught_up(seconds=90)
            await until_covered(sluice, sluice.store, *workers, bronze, seconds=90)
            await answers.stop()
            assert not feed.wrong
        assert not answers.wrong, answers.wrong[:10]
        assert answers.former.keys() == answers.new.keys() == set(views)
        records = {sluice.raw_topic: await read_all(bootstrap, sluice.raw_topic)}
        for met in (answers.former, answers.new):
            assert answer_differences(met, records, sluice.settings, tmp_path) == []
        await hold_views(sluice, api, Bronze(tmp_path / "store"))
        assert all(worker.running for worker in workers)


async def rebuild(sluice: Sluice, view: str, draw: random.Random, kills: int, workers: list[Role]) -> int:
    """Rebuild a view, with so many kills at most; how many fell."""
    role = sluice.role(f"rebuild-{view}", "views", "rebuild", view, "--json")
    for fell in range(kills):
        role.start()
        await asyncio.sleep(draw.uniform(0.5, LONGEST_SECONDS))  # no wait: the moment is what is random
        if not role.running:
            assert role.process.returncode == 0, role.output()
            return fell
        role.kill()
        if draw.random() < 0.3:
            worker = draw.choice(workers)
            worker.kill()
            worker.start()
    role.start()
    assert await role.end(120) == 0, role.output()
    return kills
