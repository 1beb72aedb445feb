"""A target's queue, with a real HTTP server that takes what is posted, or does not."""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager

import pytest
from prometheus_client import REGISTRY

from agents.notify.announcer import Change, Mark, Notice, Source
from streams.roles.notify import delivery
from streams.roles.notify.delivery import Delivery
from streams.roles.notify.targets import Kind, Target
from tests.support.alarms import KEY, alarm
from tests.support.kafka import wait_until
from tests.support.receiver import TAKEN, Answer, Receiver

PATH = "/hook/hunter2"


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with Receiver() as running:
        yield running


def target(url: str, kind: Kind = "pagerduty") -> Target:
    return Target(
        name="x", kind=kind, url=lambda: url, secret=lambda: KEY, severities=("critical",), subjects=("*",),
        scope=None, remind_ms=0,
    )  # fmt: skip


@asynccontextmanager
async def running(one: Delivery) -> AsyncIterator[Delivery]:
    task = asyncio.create_task(one.run())
    try:
        yield one
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


def notice(number: int) -> Notice:
    return Notice(Change.RAISED, alarm(f"a{number}"), Mark(Source.ALARMS, number))


def keys(receiver: Receiver) -> list[str]:
    return [one.document["dedup_key"] for one in receiver.taken(PATH)]


async def test_it_is_tried_again_until_it_is_taken_in_order(
    receiver: Receiver, caplog: pytest.LogCaptureFixture
) -> None:
    refusals = [Answer(429, {"retry-after": "1"}), Answer(503), Answer(302, {"location": "/elsewhere"})]
    receiver.plan = lambda _, before: refusals[before] if before < len(refusals) else TAKEN
    async with running(Delivery(target(receiver.url(PATH)), 60.0, first_pause_seconds=0.01)) as one:
        one.put(notice(0))
        one.put(notice(1))
        assert one.undone == {Mark(Source.ALARMS, 0), Mark(Source.ALARMS, 1)}
        await wait_until(lambda: not one.undone, "all to be taken")
    assert keys(receiver) == ["a0", "a1"]
    assert [got.status for got in receiver.got] == [429, 503, 302, 200, 200]
    assert [record.message for record in caplog.records] == [
        "telling x of alarms: it answers 429; next try in 1.0 s",
        "telling x of alarms: it answers 503; next try in 0.0 s",
        "telling x of alarms: it answers 302; next try in 0.0 s",
    ]


async def test_what_it_will_never_take_is_given_up_at_once(
    receiver: Receiver, caplog: pytest.LogCaptureFixture
) -> None:
    receiver.plan = lambda _, before: Answer(400) if before == 0 else TAKEN
    async with running(Delivery(target(receiver.url(PATH)), 60.0)) as one:
        one.put(notice(0))
        one.put(notice(1))
        await wait_until(lambda: keys(receiver) == ["a1"], "the next one")
    assert "x was not told that alarm a0 is raised: given up, as it answers 400" in caplog.text


async def test_what_is_not_taken_in_time_is_given_up(
    receiver: Receiver, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(delivery, "TRY_SECONDS", 0.2)
    held = threading.Event()
    receiver.plan = lambda _, __: Answer(held=held)
    async with running(Delivery(target(receiver.url(PATH)), 1.0, first_pause_seconds=0.01)) as one:
        one.put(notice(0))
        one.put(notice(1))
        await wait_until(lambda: not one.undone, "both to be given up")
    held.set()
    for number in (0, 1):
        text = f"x was not told that alarm a{number} is raised: given up, as no answer within 0.2 s, for 1 s"
        assert text in caplog.text
    assert "hunter2" not in caplog.text


async def test_nobody_listens(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG, "streams")
    with Receiver() as gone:
        url = gone.url(PATH)
    async with running(Delivery(target(url), 0.5, first_pause_seconds=0.05)) as one:
        one.put(notice(0))
        await wait_until(lambda: not one.undone, "it to be given up")
    assert "given up, as no connection, for 0.5 s" in caplog.text
    assert "hunter2" not in caplog.text


async def test_the_oldest_is_given_up_where_too_much_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(delivery, "MOST_PENDING", 3)
    before = (
        REGISTRY.get_sample_value("sluice_notify_posts_total", {"target": "x", "outcome": "given_up"}) or 0
    )
    one = Delivery(target("http://127.0.0.1:9/"), 60.0)
    for number in range(5):
        one.put(notice(number))
    assert one.undone == {Mark(Source.ALARMS, number) for number in (2, 3, 4)}
    labels = {"target": "x", "outcome": "given_up"}
    assert REGISTRY.get_sample_value("sluice_notify_posts_total", labels) == before + 2
    assert REGISTRY.get_sample_value("sluice_notify_pending", {"target": "x"}) == 3


async def test_slack_is_told_of_many_at_once(receiver: Receiver) -> None:
    one = Delivery(target(receiver.url(PATH), "slack"), 60.0)
    for number in range(45):
        one.put(notice(number))
    async with running(one):
        await wait_until(lambda: not one.undone, "all to be taken")
    assert [len(got.document["blocks"]) for got in receiver.taken(PATH)] == [20, 20, 5]
