"""A restoration is killed again and again; what it comes to is what one in one go comes to.

The seed is printed; `SLUICE_CHAOS_SEED` sets it.
"""

from __future__ import annotations

import asyncio
import random
import time
from pathlib import Path
from typing import Any

from streams.embedded.broker import EmbeddedKafka
from streams.kafka import topics
from tables.codec import Checkpoint
from tests.oracle.load import Load, Mix
from tests.oracle.views import VIEWS
from tests.support.bronze_folder import write_bronze
from tests.support.chaos.blows import drawn_seed
from tests.support.feed import FeedWatcher, ask, feed_reader, windows
from tests.support.kafka import Read, wait_until
from tests.support.processes import Role, Sluice

EVENTS = 20_000
RULES = {"partitions": 2, "pane_minutes": 120, "pane_hours": 5, "dedupe_seconds": 900}


async def test_a_restoration_is_exact_through_kills(
    kafka: EmbeddedKafka, prefix: str, tmp_path: Path, kills: int
) -> None:
    draw = random.Random(drawn_seed())
    load = Load(draw.randrange(1_000), int(time.time() * 1000) - 24 * 3_600_000, Mix(partitions=2))
    former = {"raw_topics": f"{prefix}events.raw", "bronze_former": f"file://{tmp_path}/former"}
    write_bronze(tmp_path / "former", offset(load.take(EVENTS)), ranges=40, topic=former["raw_topics"])
    whole = tmp_path / "whole"
    whole.mkdir()
    with Sluice(whole, kafka.bootstrap, f"{prefix}whole-", **former, **RULES) as at_once:
        await topics.create(at_once.settings)
        done = at_once.run("restore", "--json")
        assert done.returncode == 0, done.stderr
    with Sluice(tmp_path, kafka.bootstrap, prefix, **former, **RULES) as sluice:
        await topics.create(sluice.settings)
        print(f"killed {await killed(sluice, draw, max(2, kills // 3))} times")  # noqa: T201
    assert await answers(sluice) == await answers(at_once)


async def killed(sluice: Sluice, draw: random.Random, kills: int) -> int:
    """Restore, with so many kills at most; how many fell."""
    async with FeedWatcher(sluice.settings) as feed:
        for fell in range(kills + 1):
            role = sluice.started(f"restore-{fell}", "restore", *(["--resume"] if fell else []))
            if fell < kills:
                await moved(feed, role)
                await asyncio.sleep(draw.uniform(0, 1.0))  # no wait: the moment is what is random
            if fell == kills or not role.running:
                break
            role.kill()
        assert await role.end(120) == 0, role.output()
        assert not feed.wrong
    return fell


async def moved(feed: FeedWatcher, role: Role) -> None:
    """Wait until there is another checkpoint, or all is restored."""
    before = dict(feed.next)
    await wait_until(lambda: feed.next != before or not role.running, "a checkpoint", seconds=60)


async def answers(sluice: Sluice) -> tuple[list[Any], dict[str, Any]]:
    """What the feed's checkpoints say, and each view's rows, of several windows."""
    reader = await feed_reader(sluice.settings)
    rows = {
        view: [
            ask(reader, sluice.settings, view, params)["rows"]
            for params in windows(view, reader.newest_us() or 0)
        ]
        for view in VIEWS
    }
    return [told(one) for _, one in sorted(reader.checkpoints.items())], rows


def told(checkpoint: Checkpoint) -> tuple[Any, ...]:
    """Of a checkpoint what does not depend on when it was written."""
    return checkpoint.next, checkpoint.watermark, checkpoint.kafka_ms, checkpoint.views


def offset(raws: list[Any]) -> list[Read]:
    """Records as Kafka would have had them."""
    nexts = [0] * RULES["partitions"]
    reads = []
    for raw in raws:
        reads.append(Read(raw.partition, nexts[raw.partition], raw.timestamp_ms, raw.key, raw.value, ()))
        nexts[raw.partition] += 1
    return reads
