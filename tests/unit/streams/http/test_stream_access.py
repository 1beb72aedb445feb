"""Streams of analysts: a token that is taken back, cities that change, how many may be open."""

from __future__ import annotations

import asyncio
import contextlib

import httpx
import pytest

from streams.access.access import EVERYONE
from streams.feed.replica import Replica
from streams.http.answer.open_streams import OpenStreams, TooManyStreamsError
from streams.http.app import create_app
from streams.http.routes.stream import HEARTBEAT
from streams.settings import Settings
from tables.views import VIEWS
from tests.support.feed_records import checkpoint, heartbeat, partial
from tests.support.replica import NOW_S, data, feed
from tests.support.visitors import Analyst, broadcasts

GMV = VIEWS["kpi_gmv"]
WINDOW = (("from", "2026-03-01T00:00:00Z"), ("to", "2026-03-01T12:00:00Z"))


async def booked(replica: Replica, amount: int = 5) -> None:
    cities = [((city, "GBP"), (1, amount, 0, 0, 0)) for city in ("london", "paris", "rome")]
    minute = int(NOW_S) // 60 - 1
    await feed(
        replica, partial(GMV, "m", minute, cities), checkpoint(amount, NOW_S), heartbeat((0, 5, 5, None))
    )


def cities(event: bytes) -> list[str]:
    return [row["city"] for row in data(event)["rows"]]


async def test_cities_that_change_change_an_open_stream(replica: Replica) -> None:
    await booked(replica)
    ana = Analyst(frozenset({"london"}))
    stream = broadcasts(replica).events(GMV, WINDOW, ana.visitor)
    assert cities(await anext(stream)) == ["london"]
    ana.scope = frozenset({"paris", "rome"})
    assert cities(await anext(stream)) == ["paris", "rome"]
    ana.scope = None
    assert cities(await anext(stream)) == ["london", "paris", "rome"]
    ana.scope = frozenset()
    assert cities(await anext(stream)) == []
    await stream.aclose()


async def test_what_is_taken_back_ends_an_open_stream(replica: Replica) -> None:
    await booked(replica)
    ana = Analyst(None)
    stream = broadcasts(replica).events(GMV, WINDOW, ana.visitor)
    await anext(stream)
    ana.lasts = False
    assert (await anext(stream)).startswith(b"event: error\ndata: ")
    with pytest.raises(StopAsyncIteration):
        await anext(stream)


async def test_whom_a_proxy_names_is_to_ask_again_and_no_error_is_told(replica: Replica) -> None:
    await booked(replica)
    ana = Analyst(None, told_again=True)
    stream = broadcasts(replica).events(GMV, WINDOW, ana.visitor)
    await anext(stream)
    ana.lasts = False
    with pytest.raises(StopAsyncIteration):
        await anext(stream)


async def test_all_who_ask_the_same_get_the_same_and_others_get_theirs(replica: Replica) -> None:
    await booked(replica)
    made = broadcasts(replica)
    analysts = [Analyst(frozenset({"london"})), Analyst(frozenset({"london"})), Analyst(frozenset({"rome"}))]
    streams = [made.events(GMV, WINDOW, one.visitor) for one in analysts]
    assert [cities(await anext(one)) for one in streams] == [["london"], ["london"], ["rome"]]
    following = [asyncio.ensure_future(anext(one)) for one in streams]
    await asyncio.sleep(0)
    await booked(replica, 7)
    first, second, third = [await one for one in following]
    assert first == second
    assert cities(third) == ["rome"]
    for one in streams:
        await one.aclose()


async def test_a_stream_goes_on_from_the_last_id(replica: Replica) -> None:
    await booked(replica)
    ana = Analyst(None)
    first = await anext(broadcasts(replica).events(GMV, WINDOW, ana.visitor))
    last_id = first.split(b"\n")[0].removeprefix(b"id: ").decode()
    again = broadcasts(replica).events(GMV, WINDOW, ana.visitor, last_id)
    assert await anext(again) == HEARTBEAT, "nothing has changed since"
    await again.aclose()
    await booked(replica, 7)
    assert data(await anext(broadcasts(replica).events(GMV, WINDOW, ana.visitor, last_id)))["rows"]


def test_open_streams_are_bounded_in_all_and_by_analyst() -> None:
    streams = OpenStreams(Settings.load({"SLUICE_HTTP_STREAMS": "3", "SLUICE_HTTP_ANALYST_STREAMS": "2"}))
    ana, ben = Analyst(None, "ana").visitor, Analyst(None, "ben").visitor
    with contextlib.ExitStack() as opened:
        for one in (ana, ana):
            opened.enter_context(streams.opened(one))
        with pytest.raises(TooManyStreamsError, match="SLUICE_HTTP_ANALYST_STREAMS"), streams.opened(ana):
            pass
        opened.enter_context(streams.opened(ben))
        with pytest.raises(TooManyStreamsError, match="SLUICE_HTTP_STREAMS"), streams.opened(ben):
            pass
    with streams.opened(ana), streams.opened(ben):
        pass


def test_a_stream_counts_as_often_as_it_has_questions() -> None:
    streams = OpenStreams(Settings.load({"SLUICE_HTTP_STREAMS": "6", "SLUICE_HTTP_ANALYST_STREAMS": "4"}))
    ana, ben = Analyst(None, "ana").visitor, Analyst(None, "ben").visitor
    with streams.opened(ana, 3):
        with pytest.raises(TooManyStreamsError, match="SLUICE_HTTP_ANALYST_STREAMS"), streams.opened(ana, 2):
            pass
        refused = pytest.raises(TooManyStreamsError, match="SLUICE_HTTP_STREAMS")
        with streams.opened(ana), streams.opened(ben, 2), refused, streams.opened(ben):
            pass
    with streams.opened(ana, 4):
        pass


def test_as_it_comes_there_is_room_for_consoles_and_a_thousand_streams() -> None:
    streams = OpenStreams(Settings.load({}))
    with contextlib.ExitStack() as opened:
        for number in range(100):
            for _ in range(10):
                opened.enter_context(streams.opened(Analyst(None, f"analyst-{number}").visitor))
        for _ in range(10):
            opened.enter_context(streams.opened(Analyst(None, "ana").visitor, 20))


def test_who_is_called_like_everyone_has_a_bound_too() -> None:
    streams = OpenStreams(Settings.load({"SLUICE_HTTP_STREAMS": "3", "SLUICE_HTTP_ANALYST_STREAMS": "1"}))
    namesake = Analyst(None, EVERYONE.analyst).visitor
    refused = pytest.raises(TooManyStreamsError, match="SLUICE_HTTP_ANALYST_STREAMS")
    with streams.opened(namesake), refused, streams.opened(namesake):
        pass
    with streams.opened(EVERYONE), streams.opened(EVERYONE):
        pass


async def test_a_question_that_cannot_be_answered_leaves_no_stream_open(replica: Replica) -> None:
    replica.settings.__dict__["http_streams"] = 1
    transport = httpx.ASGITransport(create_app(replica, Analyst(frozenset())))
    async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1") as client:
        for path in ("kpi_gmv?step=1s", "exp_metric_cuped") * 2:
            assert (await client.get(f"/v1/stream/{path}")).status_code in (400, 403)
