"""The typed client, of the api itself."""

from __future__ import annotations

import asyncio
import queue
import threading
from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime
from typing import Any

import pytest

from streams.client import ApiError, ApiRefusalError, SluiceClient, ViewAnswer
from streams.client import client as client_module
from streams.feed.replica import Replica
from streams.http.app import create_app
from streams.http.background.ops_topics import OpsTopics
from streams.settings import Settings
from tables.gates.alarms import Alarm
from tables.gates.records import encode_gate, gate_key
from tables.views import VIEWS
from tests.support.feed_records import TOPIC, checkpoint, entity, heartbeat, partial
from tests.support.gate_records import gate_record
from tests.support.kafka import wait_until
from tests.support.replica import NOW_S, SetClock, feed
from tests.support.served_app import serving
from tests.support.visitors import Analyst

GMV, PAYOUTS = VIEWS["kpi_gmv"], VIEWS["ops_payout_backlog"]
MINUTE = int(NOW_S) // 60 - 1
NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)


class Api:
    """A running api, and what it has."""

    def __init__(self, url: str, replica: Replica, ana: Analyst) -> None:
        self.url, self.replica, self.ana = url, replica, ana
        self.client = SluiceClient(url, "ana-token")

    async def booked(self, amount: int, offset: int) -> None:
        groups = [((city, "GBP"), (1, amount, 0, 0, 0)) for city in ("london", "a,b")]
        await feed(
            self.replica,
            partial(GMV, "m", MINUTE, groups),
            checkpoint(offset, NOW_S),
            heartbeat((0, 1, 1, None)),
        )


@pytest.fixture
async def api() -> AsyncIterator[Api]:
    replica = Replica(VIEWS, Settings.load({"SLUICE_STREAM_SECONDS": "0.1"}), SetClock())
    replica.topics, replica.waiting_for = {TOPIC: 1}, None
    ops = OpsTopics(replica.settings)
    ops.waiting_for = None
    ops.gates[gate_key("london", "GBP")] = encode_gate(gate_record("london"))
    ops.alarms.take(
        Alarm(
            alarm_id="a", code="QUALITY_CHECK_FAILED", severity="critical", subject="recon/london|GBP",
            state="raised", at="2026-03-01T11:00:00Z", detail="why",
        )
    )  # fmt: skip
    ana = Analyst(None)
    async with serving(create_app(replica, ana, ops)) as url:
        yield Api(url, replica, ana)
        replica.end()
    replica.close()


async def asked(call: Any, *given: Any, **parameters: Any) -> Any:
    return await asyncio.to_thread(call, *given, **parameters)


async def test_views_are_listed(api: Api) -> None:
    listed = await asked(api.client.views)
    assert [view.name for view in listed] == list(VIEWS)
    assert next(view for view in listed if view.name == "kpi_gmv").dimensions == ["city", "currency"]
    assert await asked(api.client.ready) == (True, "ready")


async def test_a_view_and_its_filters(api: Api) -> None:
    await api.booked(2**53 - 1, 1)
    answer = await asked(api.client.view, "kpi_gmv", from_="2026-03-01T00:00:00Z", to="2026-03-01T12:00:00Z")
    assert isinstance(answer, ViewAnswer)
    assert (answer.as_of, answer.start, answer.end) == (NOON, NOON.replace(hour=0), NOON)
    assert [row["gmv_minor"] for row in answer.rows] == [2**53 - 1] * 2
    assert (answer.complete, answer.partitions[0].checkpoint_offset) == (True, 1)
    for city, found in (
        ("london,rome", ["london"]),
        (["a,b"], ["a,b"]),
        (["a,b", "london", None], ["a,b", "london"]),
    ):
        answer = await asked(api.client.view, "kpi_gmv", city=city)
        assert [row["city"] for row in answer.rows] == found


async def test_entities_come_page_after_page(api: Api) -> None:
    members = [True, 10**15, 0, "e", None, "GBP", 5, None, "p1"]
    await feed(api.replica, *(entity(PAYOUTS, f"po{n}", members) for n in range(5)), checkpoint(7, NOW_S))
    found = await asked(lambda: list(api.client.entities("ops_payout_backlog", state="open", limit=2)))
    assert [row["payout_id"] for row in found] == [f"po{n}" for n in range(5)]
    page = await asked(api.client.entity_page, "ops_payout_backlog", limit=2)
    assert page.cursor
    assert len(page.rows) == 2


async def test_gates_and_alarms(api: Api) -> None:
    (gate,) = (await asked(api.client.gates, city="london")).rows
    assert (gate.city, gate.state, gate.open, gate.charges_minor) == ("london", "ok", True, 100)
    answer = await asked(api.client.alarms, state="raised")
    assert (answer.open, answer.rows[0].alarm_id, answer.rows[0].cleared_at) == (1, "a", None)


async def test_what_is_refused_says_why(api: Api) -> None:
    with pytest.raises(ApiRefusalError, match="there is no view 'gmv'") as refused:
        await asked(api.client.view, "gmv")
    assert refused.value.status == 404
    with pytest.raises(ApiRefusalError, match="window: ") as refused:
        await asked(api.client.view, "kpi_gmv", window="soon")
    assert refused.value.status == 400
    api.ana.lasts = False
    with pytest.raises(ApiRefusalError) as refused:
        await asked(api.client.view, "kpi_gmv")
    assert refused.value.status == 401


class Following:
    """A stream that is followed in a thread of its own."""

    def __init__(self, stream: Iterator[ViewAnswer]) -> None:
        self.heard: queue.Queue[ViewAnswer | Exception] = queue.Queue()
        self._stream = stream
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self) -> None:
        try:
            for answer in self._stream:
                self.heard.put(answer)
        except Exception as error:  # noqa: BLE001 - the test looks at it
            self.heard.put(error)

    async def next(self) -> Any:
        await wait_until(lambda: not self.heard.empty(), "the next answer")
        return self.heard.get()


async def test_a_stream_says_what_changes_and_why_it_ends(api: Api) -> None:
    await api.booked(5, 1)
    following = Following(api.client.stream("kpi_gmv", city="london"))
    assert (await following.next()).rows[0]["gmv_minor"] == 5
    await api.booked(7, 2)
    assert (await following.next()).rows[0]["gmv_minor"] == 7
    api.ana.lasts = False
    error = await following.next()
    assert isinstance(error, ApiError)
    assert "your token" in str(error)


async def test_a_stream_that_the_api_ends_without_a_word_goes_on(
    api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(client_module, "FIRST_PAUSE_SECONDS", 0.01)
    api.ana.visitor = api.ana.visitor._replace(told_again=True)
    await api.booked(5, 1)
    following = Following(api.client.stream("kpi_gmv", city="london"))
    assert (await following.next()).rows[0]["gmv_minor"] == 5
    for amount in (7, 9):
        before = api.ana.requests
        api.ana.lasts = False
        await wait_until(lambda before=before: api.ana.requests > before, "the next request")
        await api.booked(amount, amount)
        assert (await following.next()).rows[0]["gmv_minor"] == amount
    assert following.heard.empty(), "the answer that it has is not sent again"
    api.ana.visitor = api.ana.visitor._replace(told_again=False)
    api.ana.lasts = False
    assert isinstance(await following.next(), ApiRefusalError)


async def test_a_stream_that_breaks_goes_on(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(client_module, "FIRST_PAUSE_SECONDS", 0.01)
    monkeypatch.setattr(client_module, "SILENCE_SECONDS", 1.0)  # a comment comes every 15 s only
    await api.booked(5, 1)
    following = Following(api.client.stream("kpi_gmv", city="london"))
    assert (await following.next()).rows[0]["gmv_minor"] == 5
    await asyncio.sleep(1.5)  # what the client takes for a broken connection
    assert following.heard.empty(), "the answer that it has is not sent again"
    await api.booked(7, 2)
    assert (await following.next()).rows[0]["gmv_minor"] == 7
    api.ana.lasts = False
    assert isinstance(await following.next(), ApiError)
