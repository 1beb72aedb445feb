"""A market as workers leave it in Bronze, and what the views' api answers over the same records.

Records come again, inside and outside of the window of duplicates, on their own partition and on another.
"""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, NamedTuple

from streams.kafka import topics
from tests.oracle.load import Load, Mix
from tests.support.bronze_topic import until_covered
from tests.support.feed import FeedWatcher, api_has_read, feed_reader
from tests.support.processes import Role, Sluice
from tests.support.sending import produce_all

EVENTS = 20_000
MILLISECONDS = 8000.0
"""Mean time between two records: they are of two days in all, and come again after 2 h at most, about."""
SPARE_SECONDS = 3 * 3600
"""Ten times what the load's length varies by: Kafka refuses records of the future."""
Rows = set[tuple[str | int | None, ...]]


class Figures(NamedTuple):
    """By city and currency: a day's bookings and gmv_minor; open, open_minor, failed and failed_minor."""

    gmv: Rows
    payouts: Rows


class Market(NamedTuple):
    """A folder of Bronze, a whole day that is in it, and what the views say."""

    folder: Path
    day: str
    views: Figures


def figures(found: dict[str, list[Any]]) -> Figures:
    """What a recipe has found."""
    return Figures({tuple(row) for row in found["gmv"]}, {tuple(row) for row in found["payouts"]})


async def write(folder: Path, bootstrap: str, prefix: str) -> Market:
    """Send a load, write it to Bronze, and ask the views."""
    load = Load(
        5,
        int((time.time() - EVENTS * MILLISECONDS / 1000 - SPARE_SECONDS) * 1000),
        Mix(milliseconds=MILLISECONDS, duplicates_back=1000),
    )
    store = folder / "store"
    with Sluice(folder, bootstrap, prefix, partitions=4) as sluice:
        await topics.create(sluice.settings)
        api, views = sluice.api(), sluice.worker()
        bronze = sluice.bronze()
        async with FeedWatcher(sluice.settings) as feed:
            await produce_all(bootstrap, sluice.raw_topic, load.take(EVENTS))
            await feed.caught_up(seconds=60)
        await until_covered(sluice, sluice.store, views, bronze)
        await api_has_read(api, await feed_reader(sluice.settings))
        # The views have no day that they hold in part alone: that of a moment a day ago is over.
        day = datetime.now(UTC).date() - timedelta(days=1)
        asked = {"from": f"{day}T00:00:00Z", "to": f"{day + timedelta(days=1)}T00:00:00Z"}
        return Market(
            store,
            str(day),
            Figures(
                await _rows(api, "kpi_gmv", "bookings", "gmv_minor", **asked),
                await _rows(api, "ops_payout_backlog", "open", "open_minor", "failed", "failed_minor"),
            ),
        )


async def _rows(api: Role, view: str, *measures: str, **asked: str) -> Rows:
    """The rows of a view in which any of these measures is not 0."""
    response = await api.get(f"/v1/views/{view}", **asked)
    assert response.status_code == 200, response.text
    answer = response.json()
    assert answer["complete"], answer["partitions"]
    rows = [[row[name] for name in ("city", "currency", *measures)] for row in answer["rows"]]
    found = {tuple(row) for row in rows if any(row[2:])}
    assert len(found) > 15, "all cities and currencies are there"
    return found
