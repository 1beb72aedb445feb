"""GET /v1/views/{name}/explain over a Bronze in a folder: what it answers, to whom, and what it cannot."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import socket
from collections.abc import AsyncIterator, Iterable, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from streams.access.access import Visitor
from streams.feed.replica import Replica
from streams.http.app import create_app, everyone
from streams.http.background.explainer import MOST_WAITING
from streams.http.connection.guard import VisitorOf
from streams.settings import Settings
from streams.verify.question import MODULE
from tables.scope import Scope
from tables.views import VIEWS
from tests.support.bronze_folder import write_bronze
from tests.support.feed_records import TOPIC
from tests.support.kafka import Read, wait_until
from tests.support.replica import SetClock
from tests.support.view_records import LIMITS, PARTITIONS, reader_of, records
from tests.support.visitors import Analyst

READS = records(1, in_time=True)


@pytest.fixture
def silent() -> Iterator[int]:
    """The port of something that takes connections, and never answers."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server.getsockname()[1]


@pytest.fixture
def replica(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Replica]:
    """An api's, which has folded all records; its processes are started with the same settings."""
    limits = {"PANE_MINUTES": 60, "PANE_HOURS": LIMITS.pane_hours, "EXPLAIN_SECONDS": 300}
    for name, value in {**limits, "BRONZE_URL": f"file://{tmp_path}/bronze"}.items():
        monkeypatch.setenv(f"SLUICE_{name}", str(value))
    clock = SetClock()
    made = Replica(VIEWS, Settings.load(), clock)
    made.topics, made.waiting_for = {TOPIC: PARTITIONS}, None
    made.reader = reader_of(READS)
    newest_us = made.reader.newest_us()
    assert newest_us is not None
    clock.now = newest_us / 1e6
    yield made
    made.end()
    made.close()


@asynccontextmanager
async def asked(
    replica: Replica, scope: Scope = None, visitor_of: VisitorOf | None = None
) -> AsyncIterator[httpx.AsyncClient]:
    transport = httpx.ASGITransport(create_app(replica, visitor_of or Analyst(scope)))
    async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1", timeout=None) as client:
        yield client


def path(view: str) -> str:
    return f"/v1/views/{view}/explain"


def part(reads: list[Read]) -> list[Read]:
    """Of each partition the first half."""
    ends = {number: sum(read.partition == number for read in reads) // 2 for number in range(PARTITIONS)}
    return [read for read in reads if read.offset < ends[read.partition]]


@pytest.mark.parametrize(
    ("view", "measure"), [("ops_recon_variance", "charges_minor"), ("ops_quarantine", "accepted")]
)
async def test_the_events_add_up_to_the_rows(
    replica: Replica, tmp_path: Path, view: str, measure: str
) -> None:
    write_bronze(tmp_path / "bronze", READS)
    async with asked(replica) as client:
        live = (await client.get(f"/v1/views/{view}")).json()
        answer = await client.get(path(view))
        as_csv = await client.get(path(view), params={"format": "csv"})
    found: dict[str, Any] = answer.json()
    assert (found["adds_up"], found["rows"]) == (True, live["rows"])
    assert sum(row[measure] for row in found["events"]) == sum(row[measure] for row in live["rows"]) > 0
    assert sum(row["records"] for row in found["events"]) == found["sources"]["bronze"]
    spans = {one["partition"]: one["checkpoint_offset"] for one in found["partitions"]}
    assert spans == {one["partition"]: one["checkpoint_offset"] for one in live["partitions"]}
    assert as_csv.text.startswith("event,")
    assert len(as_csv.text.splitlines()) == 1 + len(found["events"])


async def test_who_sees_some_cities_is_shown_nothing_of_others(replica: Replica, tmp_path: Path) -> None:
    write_bronze(tmp_path / "bronze", READS)
    async with asked(replica, frozenset({"lisbon"})) as client:
        live = (await client.get("/v1/views/kpi_funnel")).json()
        answer = await client.get(path("kpi_funnel"))
        assert (await client.get(path("exp_metric_cuped"))).status_code == 403
    found = answer.json()
    assert (found["adds_up"], found["rows"]) == (True, live["rows"])
    assert [row["city"] for row in found["rows"]] == ["lisbon"]
    assert sum(row["impressions"] for row in found["events"]) == found["rows"][0]["impressions"] > 0
    shown = [*found["newest"], *(event for one in found["left_out"] for event in one["examples"])]
    assert {event["city"] for event in shown} == {"lisbon"}
    assert {one["why"] for one in found["left_out"]} == {"duplicate"}
    assert "porto" not in answer.text
    of_lisbon = [read.value for read in READS if read.value and b'"lisbon"' in read.value]
    assert all(any(event["event_id"].encode() in value for value in of_lisbon) for event in shown)


async def test_only_what_chooses_rows_may_be_asked(replica: Replica, tmp_path: Path) -> None:
    write_bronze(tmp_path / "bronze", READS)
    async with asked(replica) as client:
        for name, value in (("group_by", "currency"), ("step", "5m"), ("citty", "lisbon"), ("window", "x")):
            refused = await client.get(path("kpi_gmv"), params={name: value})
            assert (refused.status_code, refused.json()["parameter"]) == (400, name)
        unknown = await client.get(path("kpi_gmw"))
        assert (unknown.status_code, "did you mean kpi_gmv?" in unknown.text) == (404, True)


async def test_without_a_bronze_it_says_so(replica: Replica, tmp_path: Path) -> None:
    async with asked(replica) as client:
        answer = await client.get(path("kpi_gmv"))
    assert answer.status_code == 503
    assert answer.json()["detail"].startswith(f"there is no Bronze at file://{tmp_path}/bronze: has the api")


async def test_a_damaged_bronze_is_named(replica: Replica, tmp_path: Path) -> None:
    write_bronze(tmp_path / "bronze", READS)
    damaged = next((tmp_path / "bronze").glob("event=booking.confirmed/**/*.gz"))
    damaged.write_bytes(b"")
    async with asked(replica) as client:
        answer = await client.get(path("kpi_gmv"))
    assert answer.status_code == 503
    assert f"{damaged.relative_to(tmp_path / 'bronze')} is not what was committed" in answer.json()["detail"]


async def test_a_kafka_that_is_away_is_named(
    replica: Replica, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_bronze(tmp_path / "bronze", part(READS))
    monkeypatch.setenv("SLUICE_KAFKA", "127.0.0.1:1")
    async with asked(replica) as client:
        answer = await client.get(path("kpi_gmv"))
    assert answer.status_code == 503
    assert answer.json()["detail"].startswith(
        "what is not in Bronze yet cannot be read from Kafka: 127.0.0.1:1:"
    )


async def test_one_is_answered_at_a_time_some_wait_and_none_takes_for_ever(
    replica: Replica, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, silent: int
) -> None:
    write_bronze(tmp_path / "bronze", part(READS))
    monkeypatch.setenv("SLUICE_KAFKA", f"127.0.0.1:{silent}")
    monkeypatch.setenv("SLUICE_EXPLAIN_SECONDS", "3")
    replica.settings = Settings.load()
    async with asked(replica, visitor_of=everyone) as client:
        asking = [asyncio.create_task(client.get(path("kpi_gmv"))) for _ in range(MOST_WAITING + 2)]
        busy, late = await first_two(asking)
        async with asyncio.timeout(60):
            waiting = asyncio.create_task(client.get(path("kpi_gmv")))
            others = [await client.get(route) for route in ("/metrics", "/readyz", "/v1/views/kpi_gmv")]
            assert not waiting.done(), "it waits for a Kafka that is silent"
            await waiting
    assert [answer.status_code for answer in others] == [200, 200, 200]
    assert (busy.status_code, busy.headers["retry-after"]) == (429, "5")
    assert late.status_code == 503
    assert "SLUICE_EXPLAIN_SECONDS" in late.json()["detail"]


@pytest.fixture
def never_answered(replica: Replica, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, silent: int) -> Replica:
    """One whose explanations wait for a Kafka that is silent."""
    write_bronze(tmp_path / "bronze", part(READS))
    monkeypatch.setenv("SLUICE_KAFKA", f"127.0.0.1:{silent}")
    return replica


async def test_an_analyst_has_one_question_at_a_time(never_answered: Replica) -> None:
    ana, ben = Analyst(None, "ana"), Analyst(None, "ben")

    def by_name(headers: Iterable[tuple[bytes, bytes]], _: str | None) -> Visitor:
        return (ben if (b"x-name", b"ben") in headers else ana).visitor

    async with asked(never_answered, visitor_of=by_name) as client:
        asking = [asyncio.create_task(client.get(path("kpi_gmv"))) for _ in range(2)]
        done, waiting = await asyncio.wait(asking, return_when=asyncio.FIRST_COMPLETED)
        (refused,) = [one.result() for one in done]
        assert (refused.status_code, refused.headers["retry-after"]) == (429, "5")
        assert "of yours" in refused.json()["detail"]
        other = asyncio.create_task(client.get(path("kpi_gmv"), headers={"x-name": "ben"}))
        await wait_until(lambda: len(explaining()) == 2, "another's question beside it")
        ben.lasts = ana.lasts = False
        assert {(await one).status_code for one in (*waiting, other)} == {401}


async def test_what_may_no_longer_be_seen_is_not_answered(never_answered: Replica) -> None:
    ana = Analyst(frozenset({"lisbon", "porto"}))
    async with asked(never_answered, visitor_of=ana) as client:
        for scope in (frozenset({"lisbon"}), frozenset[str]()):
            asking = asyncio.create_task(client.get(path("kpi_gmv")))
            await wait_until(lambda: bool(explaining()), "the question")
            ana.scope = scope
            refused = await asking
            assert refused.status_code == 503
            assert "have changed meanwhile" in refused.json()["detail"]
        asking = asyncio.create_task(client.get(path("kpi_gmv")))
        await wait_until(lambda: bool(explaining()), "the question")
        ana.lasts = False
        assert (await asking).status_code == 401


def explaining() -> list[asyncio.Task[Any]]:
    return [task for task in asyncio.all_tasks() if task.get_name() == "explain-kpi_gmv"]


async def first_two(asking: list[asyncio.Task[httpx.Response]]) -> list[httpx.Response]:
    """The first two answers; nobody waits for the others any more."""
    found: list[httpx.Response] = []
    for one in asyncio.as_completed(asking):
        found.append(await one)
        if len(found) == 2:
            break
    for task in asking:
        task.cancel()
    await asyncio.gather(*asking, return_exceptions=True)
    return found


async def test_a_process_that_is_killed_is_told(
    replica: Replica, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, silent: int
) -> None:
    write_bronze(tmp_path / "bronze", part(READS))
    monkeypatch.setenv("SLUICE_KAFKA", f"127.0.0.1:{silent}")
    async with asked(replica) as client:
        asking = asyncio.create_task(client.get(path("kpi_gmv")))
        os.kill(await wait_until(child, "the process", seconds=60), signal.SIGKILL)
        answer = await asking
    assert answer.status_code == 503
    assert answer.json()["detail"].startswith("its process ended with -9: ")
    assert "SLUICE_VERIFY_MEMORY_MB" in answer.json()["detail"]


def child() -> int | None:
    """The process that explains an answer of this one's."""
    for status in Path("/proc").glob("[0-9]*/status"):
        with contextlib.suppress(OSError):  # it has ended
            is_ours = f"PPid:\t{os.getpid()}\n" in status.read_text()
            if is_ours and MODULE.encode() in (status.parent / "cmdline").read_bytes():
                return int(status.parent.name)
    return None


@pytest.mark.parametrize("scope", [None, frozenset({"lisbon"})])
async def test_where_groups_are_summed_as_other_it_is_not_known_whether_events_add_up(
    replica: Replica, tmp_path: Path, scope: Scope
) -> None:
    write_bronze(tmp_path / "bronze", READS)
    replica.reader = reader_of(READS, LIMITS._replace(max_groups=1))
    async with asked(replica, scope) as client:
        live = (await client.get("/v1/views/kpi_funnel", params={"city": "lisbon"})).json()
        found = (await client.get(path("kpi_funnel"), params={"city": "lisbon"})).json()
    assert "_other" not in str(live["rows"])
    assert (found["adds_up"], found["differences"]) == (None, [])
    assert ["SLUICE_MAX_GROUPS" in note for note in found["notes"]] == [True]
    assert sum(row["impressions"] for row in found["events"]) > 0
