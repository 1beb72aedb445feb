"""What views cost a worker: `sluice worker views` on a topic of every event, with all views, without the one
that counts every record, with four, and with each one alone.

The first three go by turns, several times; each view alone is run once, and its cost is what it takes more
than the cheapest one.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import NamedTuple

from tables.views import VIEWS
from tests.bench import worker
from tests.bench.contest import Arena, Run, hold
from tests.bench.stage import filled_topic, say

FOUR = ("ops_payout_backlog", "ops_recon_variance", "kpi_gmv", "kpi_funnel")
SCORECARD = "ops_quarantine"
ALL, FEW = "all", "four"
EVENTS = 1_000_000


class Costs(NamedTuple):
    """Several views together, and each one alone, by name."""

    together: Mapping[str, Run]
    alone: Mapping[str, Run]


def measure(arena: Arena, rounds: int) -> Costs:
    """Run the workers."""
    most = [name for name in VIEWS if name != SCORECARD]
    named = {ALL: "all", f"all but {SCORECARD}": ",".join(most), FEW: ",".join(FOUR)}
    together = hold({name: partial(once, arena, views) for name, views in named.items()}, rounds, say)
    alone = hold({name: partial(once, arena, name) for name in VIEWS}, 1, say)
    return Costs(together, alone)


def arena_of(server: str, folder: Path) -> Arena:
    """The topic of all events, filled now unless a former run has done so."""
    topic = asyncio.run(filled_topic(server, "catalogue", EVENTS))
    return Arena(server, topic, EVENTS, folder)


def once(arena: Arena, views: str) -> Run:
    """One worker from the topic's beginning to its end. `views`: SLUICE_VIEWS."""
    return asyncio.run(_once(arena, views))


async def _once(arena: Arena, views: str) -> Run:
    async with worker.read_through(arena, views) as (_, _, run):
        return run
