"""Sluice in the contest: its views worker, with all views and with one, and its Bronze worker."""

from __future__ import annotations

import asyncio
from collections import Counter
from typing import Any

from streams.feed.follower import Follower
from streams.feed.replica import Replica
from streams.settings import Settings
from tables.query.params import parse_view_query
from tables.query.views import answer_view
from tables.views import VIEWS
from tests.bench import bronze, worker
from tests.bench.contest import TIMEOUT_SECONDS, Arena, Run
from tests.bench.peers import topics
from tests.bench.peers.oracle import Expected
from tests.bench.peers.verdict import wrong_views
from tests.bench.process import Child

RECON = "ops_recon_variance"
READ_SECONDS = 120.0


def run_views(arena: Arena, expected: Expected, views: str = "all") -> Run:
    """`sluice worker views`; `views`: SLUICE_VIEWS."""
    return asyncio.run(_run_views(arena, expected, views))


async def _run_views(arena: Arena, expected: Expected, views: str) -> Run:
    async with worker.read_through(arena, views) as (settings, child, run):
        outcomes = await _outcomes(child, arena.events)
    rows = await recon_rows(settings, expected)
    quarantined = await topics.quarantined(settings, settings.topic("events.quarantine"))
    return run._replace(void=wrong_views(expected, rows, outcomes, quarantined))


async def _outcomes(child: Child, events: int) -> Counter[str]:
    """What the worker has counted. It has judged every event: fast and wrong is not to be measured."""
    for _ in range(100):  # counts are added right after the checkpoint was seen
        counts = worker.outcomes(child)
        if counts.total() == events:
            return counts
        await asyncio.sleep(0.1)
    raise RuntimeError(f"of {events} events the worker has counted {dict(counts)}")


async def recon_rows(settings: Settings, expected: Expected) -> list[dict[str, Any]]:
    """The rows of ops_recon_variance over all that was read, as the api would answer them."""
    minutes = [int(group.rpartition("|")[2]) for group in expected.once]
    window = [("from", str(min(minutes) * 60_000)), ("to", str((max(minutes) + 1) * 60_000))]
    view = VIEWS[RECON]
    replica = Replica({RECON: view}, settings)
    follower = asyncio.create_task(Follower(replica, settings).run())
    try:
        async with asyncio.timeout(READ_SECONDS):
            while not replica.ready:
                await replica.changed(0.1)
        query, situation = parse_view_query(view, window), replica.situation()
        answer = await replica.run(lambda reader: answer_view(reader, view, query, situation))
        rows: list[dict[str, Any]] = answer["rows"]
        return rows
    finally:
        replica.end()
        await follower
        replica.close()


def run_bronze(arena: Arena, expected: Expected) -> Run:
    """`sluice worker bronze` to a local folder: every record is there, the bad ones under `_bad`.

    With a group and a store of its own. It waits for the last ranges' time to close.
    """
    written = bronze.write(
        arena.server, arena.topic, arena.events, arena.folder,
        max_seconds=bronze.CONTEST_SECONDS, timeout_s=TIMEOUT_SECONDS,
    )  # fmt: skip
    done = asyncio.run(written)
    elapsed_s = done.last.at_s - done.first.at_s
    wrong = "" if done.bad == expected.bad else f"{done.bad:,} records are under _bad, not {expected.bad:,}"
    return Run(arena.events, elapsed_s, done.last.cpu_s - done.first.cpu_s, done.peak_rss_mib, wrong)
