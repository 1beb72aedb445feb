"""Deadlines pass without an event: in answers, in streams and in metrics."""

from __future__ import annotations

import asyncio

import httpx
import pytest

from streams.access.access import EVERYONE
from streams.feed.replica import Replica
from tables.views import VIEWS
from tests.support.feed_records import MICROS, checkpoint, entity, heartbeat
from tests.support.replica import NOW_S, SetClock, data, feed
from tests.support.visitors import broadcasts

HOUR_S = 3600
DISPUTES, BOOKINGS = VIEWS["ops_dispute_queue"], VIEWS["ops_acceptance_windows"]


def due(seconds: int) -> int:
    return (int(NOW_S) + seconds) * MICROS


@pytest.fixture
async def replica(replica: Replica) -> Replica:
    """A dispute to be answered in 25 h, and a booking in two."""
    opened = [True, int(NOW_S) * MICROS, 0, "e1", "oslo"]
    await feed(
        replica,
        entity(DISPUTES, "d1", [*opened, "NOK", 500, due(25 * HOUR_S), "c1"]),
        entity(BOOKINGS, "b1", [*opened, due(2 * HOUR_S), None]),
        checkpoint(1, NOW_S),
        heartbeat((0, 1, 1, None)),
    )
    return replica


@pytest.fixture
def clock(replica: Replica) -> SetClock:
    assert isinstance(replica.clock, SetClock)
    return replica.clock


async def shown(api: httpx.AsyncClient, view: str, names: list[str], **params: str) -> list[int]:
    (row,) = (await api.get(f"/v1/views/{view}", params=params)).json()["rows"]
    return [row[name] for name in names]


@pytest.mark.parametrize(
    ("hours", "disputes", "bookings"),
    [
        (0, [1, 0, 0], [1, 0, 0]),
        (1, [1, 0, 0], [1, 0, 0]),
        (1.5, [1, 1, 0], [1, 1, 0]),
        (2, [1, 1, 0], [1, 1, 0]),
        (2.001, [1, 1, 0], [0, 0, 1]),
        (25, [1, 1, 0], [0, 0, 1]),
        (25.001, [1, 0, 1], [0, 0, 1]),
    ],
)
async def test_answers_and_metrics_change_with_the_clock_alone(
    api: httpx.AsyncClient, clock: SetClock, hours: float, disputes: list[int], bookings: list[int]
) -> None:
    at = str(round((NOW_S + hours * HOUR_S) * 1000))
    clock.now = NOW_S + hours * HOUR_S
    metrics = (await api.get("/metrics")).text.splitlines()
    for view, names, expected in (
        ("ops_dispute_queue", ["open", "due_24h", "overdue"], disputes),
        ("ops_acceptance_windows", ["open", "expiring_1h", "breached"], bookings),
    ):
        assert await shown(api, view, names) == expected
        assert await shown(api, view, names, as_of=at) == expected
        for name, count in zip(names, expected, strict=True):
            line = f'sluice_view_entities{{selection="{name}",view="{view}"}} {count}.0'
            assert line in metrics


async def test_a_stream_tells_of_a_deadline_that_has_passed(replica: Replica, clock: SetClock) -> None:
    stream = broadcasts(replica).events(DISPUTES, (), EVERYONE)
    first = await asyncio.wait_for(anext(stream), 30)
    following = asyncio.ensure_future(anext(stream))
    clock.now += 25 * HOUR_S + 1
    rows = [data(event)["rows"][0] for event in (first, await asyncio.wait_for(following, 30))]
    assert [row["overdue"] for row in rows] == [0, 1]
    await stream.aclose()
