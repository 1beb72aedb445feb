"""`sluice worker notify` on a real Kafka, with people who take webhooks, or do not."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from aiokafka import TopicPartition

from agents.notify.announcer import Source
from streams.kafka import topics
from streams.kafka.availability import connected_admin
from streams.roles.notify.positions import decode
from tests.support.alarms import KEY, SECRET, alarm, write_ack, write_alarms
from tests.support.kafka import wait_until
from tests.support.processes import Role, Sluice
from tests.support.receiver import TAKEN, Answer, Receiver

SLACK, GENERIC, PAGER = "/services/T0/B0/slack-secret", "/generic", "/v2/enqueue"


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with Receiver() as running:
        yield running


@pytest.fixture
async def told(sluice: Sluice, receiver: Receiver) -> Path:
    """The topics, and a file of three targets."""
    await topics.create(sluice.settings)
    folder = sluice.folder
    (folder / "slack.url").write_text(receiver.url(SLACK) + "\n")
    (folder / "pager.key").write_text(KEY)
    (folder / "generic.secret").write_text(SECRET)
    file = folder / "notify.toml"
    file.write_text(f"""
        [[target]]
        name = "ops"
        kind = "slack"
        url_file = "slack.url"
        [[target]]
        name = "pager"
        kind = "pagerduty"
        url = "{receiver.url(PAGER)}"
        routing_key_file = "pager.key"
        severities = ["critical"]
        [[target]]
        name = "hook"
        kind = "generic"
        url = "{receiver.url(GENERIC)}"
        secret_file = "generic.secret"
        cities = ["london"]
    """)
    return file


def started(sluice: Sluice, file: Path, name: str = "notify", **settings: Any) -> Role:
    return sluice.started(name, "worker", "notify", notify_file=file, log_level="DEBUG", **settings)


def generic(receiver: Receiver) -> list[tuple[str, str]]:
    """What the generic target was told: of which alarm what."""
    documents = [one.document for one in receiver.taken(GENERIC)]
    return [(one["data"]["alarm_id"], one["type"].removeprefix("alarm.")) for one in documents]


def paged(receiver: Receiver) -> list[tuple[str, str]]:
    documents = [one.document for one in receiver.taken(PAGER)]
    return [(one["dedup_key"], one["event_action"]) for one in documents]


async def test_an_alarm_reaches_all_who_take_it_once(sluice: Sluice, receiver: Receiver, told: Path) -> None:
    notify = started(sluice, told)
    await notify.says("telling ops, pager, hook of alarms")
    await write_alarms(
        sluice.settings, alarm("a"), alarm("a", detail="again"), alarm("b", subject="events.raw-0"),
        alarm("c", severity="warning", subject="recon/paris|EUR"),
    )  # fmt: skip
    await wait_until(lambda: len(receiver.taken(PAGER)) == 2, "the pager")
    await write_ack(sluice.settings, "a")
    await wait_until(lambda: ("a", "acknowledge") in paged(receiver), "the ack")
    await write_alarms(sluice.settings, alarm("a", "cleared"), alarm("a", "cleared"))
    await wait_until(lambda: ("a", "cleared") in generic(receiver), "the clearing")
    await wait_until(lambda: ("a", "resolve") in paged(receiver), "the clearing at the pager")
    assert paged(receiver) == [("a", "trigger"), ("b", "trigger"), ("a", "acknowledge"), ("a", "resolve")]
    assert generic(receiver) == [("a", "raised"), ("a", "acknowledged"), ("a", "cleared")]
    await wait_until(lambda: slack_lines(receiver) == ["raised"] * 3 + ["acknowledged", "cleared"], "Slack")

    output = notify.output()
    assert await notify.terminate() == 0
    for secret in ("slack-secret", KEY, SECRET[6:]):
        assert secret not in output


def slack_lines(receiver: Receiver) -> list[str]:
    texts = [block["text"]["text"] for one in receiver.taken(SLACK) for block in one.document["blocks"]]
    return [text.split("*")[2].split()[0] for text in texts]


async def test_one_that_is_slow_or_broken_holds_back_nobody_and_is_given_up(
    sluice: Sluice, receiver: Receiver, told: Path
) -> None:
    never = threading.Event()
    answers = {SLACK: Answer(held=never), PAGER: Answer(500)}
    receiver.plan = lambda path, _: answers.get(path, TAKEN)
    notify = started(sluice, told, notify_give_up_seconds=2)
    await notify.says("telling ops, pager, hook of alarms")
    await write_alarms(
        sluice.settings, *(alarm(f"a{number}", subject=f"recon/london|G{number}") for number in range(5))
    )
    await wait_until(lambda: len(generic(receiver)) == 5, "who is well")
    assert receiver.taken(SLACK) == receiver.taken(PAGER) == []
    await notify.says(r"pager was not told that alarm a4 is raised: given up, as it answers 500, for 2 s")
    metrics = (await notify.get("/metrics")).text
    assert 'sluice_notify_posts_total{outcome="given_up",target="pager"} 5.0' in metrics
    answers.clear()
    never.set()
    await write_alarms(sluice.settings, alarm("later"))
    await wait_until(lambda: paged(receiver) == [("later", "trigger")], "the pager to be told again")
    await wait_until(lambda: slack_lines(receiver) == ["raised"] * 6, "who was slow")
    assert await notify.terminate() == 0


async def test_who_stands_by_goes_on_after_a_kill(sluice: Sluice, receiver: Receiver, told: Path) -> None:
    """Nobody who was told hears it again, nobody misses what came meanwhile, no open alarm is repeated."""
    await write_alarms(sluice.settings, alarm("old"), alarm("old", "cleared"), alarm("open"))
    receiver.plan = lambda path, _: Answer(500) if path == PAGER else TAKEN
    first = started(sluice, told, "first")
    await wait_until(lambda: generic(receiver) == [("open", "raised")], "what is open at first")
    second = started(sluice, told, "second")
    await second.says("a standby")
    await write_alarms(sluice.settings, alarm("a"))
    await wait_until(lambda: ("a", "raised") in generic(receiver), "the next one")
    await committed(sluice, {"hook": 4, "ops": 4})
    first.kill()
    await write_alarms(
        sluice.settings, alarm("open"), alarm("a", "cleared"), alarm("b", subject="recon/london|EUR")
    )
    receiver.plan = lambda _path, _before: TAKEN
    await wait_until(lambda: ("b", "raised") in generic(receiver), "what came meanwhile", seconds=60)
    expected = [("open", "trigger"), ("a", "trigger"), ("a", "resolve"), ("b", "trigger")]
    await wait_until(lambda: paged(receiver) == expected, "the pager, which had been told nothing")
    assert generic(receiver) == [("open", "raised"), ("a", "raised"), ("a", "cleared"), ("b", "raised")]
    assert await second.terminate() == 0


async def committed(sluice: Sluice, ends: dict[str, int]) -> None:
    """Wait until the group has it that these targets were told everything up to an offset."""
    tp = TopicPartition(sluice.settings.topic("ops.alarms"), 0)

    async def there() -> bool:
        async with connected_admin(sluice.settings) as admin:
            offsets = await admin.list_consumer_group_offsets(
                sluice.settings.group("notify"), partitions=[tp]
            )
        known = decode(offsets[tp].metadata)
        return all(name in known and known[name].first(Source.ALARMS) >= end for name, end in ends.items())

    await wait_until(there, f"the group to have {ends}")


async def test_flapping_is_told_three_times(sluice: Sluice, receiver: Receiver, told: Path) -> None:
    notify = started(sluice, told)
    await notify.says("telling ops, pager, hook of alarms")
    states = [(f"a/{number}", state) for number in range(20) for state in ("raised", "cleared")]
    await write_alarms(
        sluice.settings, *(alarm(one, state) for one, state in states), alarm("b", subject="x-0")
    )
    await wait_until(lambda: ("b", "trigger") in paged(receiver), "what comes after it")
    assert len(paged(receiver)) == 7, "three raised and three cleared"
    assert receiver.taken(GENERIC)[4].document["data"]["flapping"] is True
    assert "sluice_notify_held_total 17.0" in (await notify.get("/metrics")).text
    assert await notify.terminate() == 0
