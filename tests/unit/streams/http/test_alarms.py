"""GET /v1/alarms: rows, filters, what an analyst may see."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, Literal

import httpx
import pytest

from streams.feed.replica import Replica
from streams.http.app import create_app
from streams.http.background.ops_topics import OpsTopics
from tables.gates.alarms import Alarm
from tests.support.visitors import Analyst

PATH = "/v1/alarms"


def alarm(
    subject: str,
    state: Literal["raised", "cleared"] = "raised",
    minute: int = 0,
    code: str = "QUALITY_CHECK_FAILED",
    severity: str = "critical",
) -> Alarm:
    return Alarm(
        alarm_id=f"{subject}/1", code=code, severity=severity, subject=subject, state=state,
        at=f"2026-03-01T11:{minute:02d}:00Z", detail="why",
    )  # fmt: skip


ALARMS = [
    alarm("recon/london|GBP"),
    alarm("recon/paris|EUR", minute=1),
    alarm("recon/|USD", minute=2),
    alarm("events.raw-3", minute=3, code="PIPELINE_LAG_EXCEEDED", severity="warning"),
    alarm("recon/london|GBP", "cleared", minute=4),
]


@asynccontextmanager
async def asked(
    replica: Replica,
    scope: frozenset[str] | None = None,
    *,
    read: bool = True,
    unknown_because: str | None = None,
) -> AsyncIterator[httpx.AsyncClient]:
    ops = OpsTopics(replica.settings)
    for one in ALARMS:
        ops.alarms.take(one)
    ops.unknown_because = unknown_because
    ops.waiting_for = None if read else "the gates to be read"
    transport = httpx.ASGITransport(create_app(replica, Analyst(scope), ops))
    async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1") as client:
        yield client


def subjects(answer: httpx.Response) -> list[str]:
    return [row["subject"] for row in answer.json()["rows"]]


async def test_a_row_says_what_it_is_and_what_to_do(replica: Replica) -> None:
    async with asked(replica) as client:
        body = (await client.get(PATH)).json()
    assert body["as_of"] == "2026-03-01T12:00:00Z"
    assert (body["open"], body["critical"], body["total"], body["unknown_because"]) == (3, 2, 4, None)
    assert [row["subject"] for row in body["rows"]] == [
        "recon/|USD", "recon/paris|EUR", "events.raw-3", "recon/london|GBP",
    ], "critical ones first, and of each the newest"  # fmt: skip
    assert body["rows"][-1] == {
        "alarm_id": "recon/london|GBP/1", "code": "QUALITY_CHECK_FAILED", "severity": "critical",
        "subject": "recon/london|GBP", "state": "cleared", "raised_at": "2026-03-01T11:00:00Z",
        "cleared_at": "2026-03-01T11:04:00Z", "acknowledged_by": None, "acknowledged_at": None,
        "acknowledged_reason": None, "detail": "why", "meaning": "a data quality check failed",
        "runbook": "docs/runbooks/gate-alarm.md",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("params", "found"),
    [
        ({"state": "raised"}, ["recon/|USD", "recon/paris|EUR", "events.raw-3"]),
        ({"state": "cleared"}, ["recon/london|GBP"]),
        ({"code": "PIPELINE_LAG_EXCEEDED"}, ["events.raw-3"]),
        ({"subject": "recon/paris|EUR"}, ["recon/paris|EUR"]),
        ({"subject": "nothing"}, []),
        ({"severity": "warning"}, ["events.raw-3"]),
        ({"severity": "critical", "state": "raised"}, ["recon/|USD", "recon/paris|EUR"]),
        ({"subject": ["recon/paris|EUR", "events.raw-3", "x"]}, ["recon/paris|EUR", "events.raw-3"]),
        ({"limit": "2"}, ["recon/|USD", "recon/paris|EUR"]),
    ],
)
async def test_filters(replica: Replica, params: dict[str, Any], found: list[str]) -> None:
    async with asked(replica) as client:
        answer = await client.get(PATH, params=params)
    assert subjects(answer) == found
    everything = {"open": 3, "critical": 2, "total": 4 if "limit" in params else len(found)}
    assert {name: answer.json()[name] for name in everything} == everything


@pytest.mark.parametrize(
    ("query", "named"),
    [
        ("state=open", "state"),
        ("state=raised&state=cleared", "state"),
        ("code=BAD", "code"),
        ("severity=bad", "severity"),
        ("severity=critical&severity=critical", "severity"),
        ("limit=1&limit=2", "limit"),
        ("limit=0", "limit"),
        ("limit=1001", "limit"),
        ("limit=٣", "limit"),
        ("city=london", "city"),
        ("format=xml", "format"),
    ],
)
async def test_a_wrong_parameter_is_named(replica: Replica, query: str, named: str) -> None:
    async with asked(replica) as client:
        answer = await client.get(f"{PATH}?{query}")
        assert (answer.status_code, answer.json()["parameter"]) == (400, named)


async def test_an_analyst_sees_the_alarms_of_the_gates_of_theirs(replica: Replica) -> None:
    async with asked(replica, frozenset({"london"})) as client:
        answer = await client.get(PATH)
        assert (subjects(answer), answer.json()["open"]) == (["recon/london|GBP"], 0)
        assert (answer.json()["critical"], answer.json()["total"]) == (0, 1)
    async with asked(replica, frozenset()) as client:
        assert subjects(await client.get(PATH)) == []


async def test_while_kafka_is_away_it_says_that_newer_ones_may_be_missing(replica: Replica) -> None:
    async with asked(replica) as client:
        known = await client.get(PATH)
    async with asked(replica, unknown_because="Kafka has not said") as client:
        away = await client.get(PATH)
    assert (away.json()["unknown_because"], subjects(away)) == ("Kafka has not said", subjects(known))
    assert away.headers["etag"] != known.headers["etag"]


async def test_before_they_are_read_there_is_no_answer(replica: Replica) -> None:
    async with asked(replica, read=False) as client:
        answer = await client.get(PATH)
        assert (answer.status_code, answer.headers["retry-after"]) == (503, "1")
