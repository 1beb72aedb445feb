"""Sluice in the contest: its views worker, with all views and with one, and its Bronze worker."""

from __future__ import annotations

import asyncio
from typing import Any

from streams.feed.follower import Follower
from streams.feed.replica import Replica
from streams.settings import Settings
from tables.query.params import parse_view_query
from tables.query.views import answer_view
from tables.views import VIEWS
from tests.bench import contest
from tests.bench.contest import Arena, Run, ViewsRun
from tests.bench.peers import topics
from tests.bench.peers.oracle import Expected
from tests.bench.peers.verdict import wrong_views

RECON = "ops_recon_variance"
READ_SECONDS = 120.0


def run_views(arena: Arena, expected: Expected, views: str = "all") -> Run:
    """`sluice worker views`; `views`: SLUICE_VIEWS."""
    return asyncio.run(_run_views(arena, expected, {"SLUICE_VIEWS": views}))


async def _run_views(arena: Arena, expected: Expected, changes: dict[str, str]) -> Run:
    found: ViewsRun = await contest.run_worker(arena, changes)
    rows = await recon_rows(found.settings, expected)
    quarantined = await topics.quarantined(found.settings, found.settings.topic("events.quarantine"))
    return found.run._replace(void=wrong_views(expected, rows, found.outcomes, quarantined))


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
    """`sluice worker bronze` to a local folder: every record is there, the bad ones under `_bad`."""
    run, bad = contest.run_bronze_worker(arena)
    wrong = "" if bad == expected.bad else f"{bad:,} records are under _bad instead of {expected.bad:,}"
    return run._replace(void=wrong)
