"""`sluice quarantine replay` sends each record once: killed at any moment, two at once, and begun again."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from streams.embedded.broker import EmbeddedKafka
from streams.kafka import topics
from streams.kafka.availability import connected_admin
from streams.sources.quarantine_replay import MOST_RECORDS, operator
from tests.support.bronze_topic import all_read
from tests.support.events import charge
from tests.support.feed import FeedWatcher, exact
from tests.support.kafka import Raw, create_topics, produce, read_all, wait_until
from tests.support.paths import ROOT
from tests.support.patience import PATIENCE
from tests.support.processes import Sluice
from tests.support.programs import started
from tests.support.quarantine import QUARANTINE, Shop, bad

RECORDS = 2 * MOST_RECORDS + 200
"""Three transactions; those of the second are of two partitions."""
AT = "2026-01-01T00:00:02Z"


def value(number: int) -> bytes:
    return b'{"event_id":"e-%d","no":"event"}' % number


@pytest.fixture
async def full(kafka: EmbeddedKafka, prefix: str) -> Shop:
    shop = Shop(kafka, prefix)
    half = RECORDS // 2
    records = [bad(shop, "unknown_event", value(n), AT, partition=n // half) for n in range(RECORDS)]
    odd = (*records[half - 1].headers, ("src.\\xe9", b"1"))  # back in raw it is in a batch of another kind
    records[half - 1] = records[half - 1]._replace(headers=odd)
    await shop.fill(records, partitions=2)
    return shop


def dying(number: str, moment: str, nth: int, *which: str) -> list[str]:
    replay = ["quarantine", "replay", *(which or ["--all"])]
    return [sys.executable, "-m", "tests.support.dying", number, moment, str(nth), *replay]


async def values(shop: Shop, **how: str) -> list[bytes | None]:
    return [read.value for read in await read_all(shop.kafka.bootstrap, shop.raw, **how)]


async def each_is_there_once(shop: Shop) -> None:
    """In their order, and each with one audit record."""
    assert await values(shop) == [value(n) for n in range(RECORDS)]
    audit = await read_all(shop.kafka.bootstrap, shop.audit)
    half = RECORDS // 2
    keys = [f"{shop.quarantine}/{n // half}/{n % half}".encode() for n in range(RECORDS)]
    assert [read.key for read in audit] == keys


@pytest.mark.parametrize(
    ("moment", "nth", "sent", "in_the_log"),
    [
        ("begin", 1, 0, 0),
        ("send", 3, MOST_RECORDS, MOST_RECORDS + 99),
        ("send", 5, MOST_RECORDS, 2 * MOST_RECORDS),
        ("commit", 2, MOST_RECORDS, 2 * MOST_RECORDS),
        ("committed", 2, 2 * MOST_RECORDS, 2 * MOST_RECORDS),
    ],
)
async def test_a_replay_that_was_killed_is_gone_on_with(
    full: Shop, moment: str, nth: int, sent: int, in_the_log: int
) -> None:
    killed = subprocess.run(
        dying("SIGKILL", moment, nth), env=full.environment, cwd=ROOT, timeout=60 * PATIENCE, check=False
    )
    assert killed.returncode == -signal.SIGKILL
    assert len(await values(full)) == sent
    assert len(await values(full, isolation_level="read_uncommitted")) == in_the_log
    assert len(await read_all(full.kafka.bootstrap, full.audit)) == sent
    assert full.listed("--state", "replayed", "--limit", "1")["total"] == sent
    assert full.listed("--state", "open", "--limit", "1")["total"] == RECORDS - sent
    rehearsed = json.loads(full.run("replay", "--all", "--dry-run", "--json").stdout)
    assert (rehearsed["would_send"], rehearsed["passed_over"]) == (RECORDS - sent, sent)
    assert len(await values(full)) == sent, "a rehearsal sends nothing"
    done = full.run("replay", "--all", "--json")
    answer = json.loads(done.stdout)
    assert (answer["sent"], answer["passed_over"]) == (RECORDS - sent, sent), done.stderr
    await each_is_there_once(full)


async def test_a_second_replay_ends_the_first(full: Shop) -> None:
    with started(
        dying("SIGSTOP", "commit", 2), env=full.environment, cwd=ROOT, stderr=subprocess.PIPE, text=True
    ) as first:
        await wait_until(lambda: state_of(first.pid) == "T", "the first to stand still")
        second = json.loads(full.run("replay", "--all", "--json").stdout)
        assert (second["sent"], second["passed_over"]) == (RECORDS - MOST_RECORDS, MOST_RECORDS)
        first.send_signal(signal.SIGCONT)
        _, said = first.communicate(timeout=30)
    assert first.returncode == 1
    assert "another `sluice quarantine replay` has begun" in said
    assert f"({MOST_RECORDS} were sent before that)" in said
    assert said.count("\n") == 1
    await each_is_there_once(full)


async def test_what_another_one_sent_before_it_took_over_is_passed_over(full: Shop) -> None:
    command = [*dying("SIGSTOP", "start", 1), "--json"]
    with started(command, env=full.environment, cwd=ROOT, stdout=subprocess.PIPE, text=True) as late:
        await wait_until(lambda: state_of(late.pid) == "T", "it to stand still")
        assert json.loads(full.run("replay", "--all", "--json").stdout)["sent"] == RECORDS
        late.send_signal(signal.SIGCONT)
        answer = json.loads(late.communicate(timeout=30)[0])
    assert (answer["sent"], answer["passed_over"]) == (0, RECORDS)
    await each_is_there_once(full)


def state_of(pid: int) -> str:
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]


async def test_of_two_that_begin_together_one_does_it(full: Shop) -> None:
    command = [*QUARANTINE, "replay", "--all"]
    pipes: dict[str, Any] = {"env": full.environment, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    with started(command, **pipes) as one, started(command, **pipes) as other:
        said = [each.communicate(timeout=60 * PATIENCE)[1] for each in (one, other)]
    codes = [one.returncode, other.returncode]
    assert 0 in codes, said
    assert all(code == 0 or b"has begun" in text for code, text in zip(codes, said, strict=True)), said
    await each_is_there_once(full)


async def audit_of(shop: Shop) -> list[dict[str, Any]]:
    return [json.loads(read.value or b"") for read in await read_all(shop.kafka.bootstrap, shop.audit)]


async def test_what_was_replayed_is_marked_and_only_goes_again_when_asked_to(full: Shop) -> None:
    before = time.time()
    assert full.run("replay", "0:1", "0:1", "1:2").stdout == f"sent again: 2 to {full.raw}\n".encode()
    first, _ = await audit_of(full)
    at = first.pop("at")
    assert first == {
        "action": "replayed", "by": operator(), "topic": full.quarantine, "partition": 0, "offset": 1,
        "quarantined_at": AT, "raw_topic": full.raw, "raw_partition": 0, "event_id": "e-1",
    }  # fmt: skip
    marked = full.listed("--state", "replayed")["records"]
    assert [record["id"] for record in marked] == ["0:1", "1:2"]
    facts = {"state": "replayed", "replayed_at": at, "replayed_by": operator()}
    assert facts.items() <= marked[0].items()
    assert facts.items() <= json.loads(full.run("show", "0:1", "--json").stdout).items()
    day = time.strftime("%Y-%m-%d", time.gmtime(before))
    assert full.run("list", "--limit", str(RECORDS)).stdout.decode().count(day) == 2
    over = full.run("replay", "0:0", "0:1").stdout.decode()
    passed = "1 passed over, as they were replayed before (--again sends them too)"
    assert over == f"sent again: 1 to {full.raw}; {passed}\n"
    assert await values(full) == [value(1), value(0), value(RECORDS // 2 + 2)]
    again = json.loads(full.run("replay", "0:1", "--again", "--json").stdout)
    assert again == {"sent": 1, "topics": {full.raw: 1}, "replayed_before": 1, "passed_over": 0}
    assert (await values(full)).count(value(1)) == 2
    newest = full.listed("--state", "replayed", "--to", "2026-01-02")["records"][1]
    assert newest["id"] == "0:1"
    assert newest["replayed_at"] > at


async def test_without_the_audit_nothing_is_sent_and_the_list_says_so(
    kafka: EmbeddedKafka, prefix: str
) -> None:
    shop = Shop(kafka, prefix)
    await create_topics(kafka.bootstrap, shop.raw, shop.quarantine)
    await produce(kafka.bootstrap, shop.quarantine, [bad(shop, "empty", b"", AT, partition=0)])
    what = f"there is no topic {shop.audit}: `sluice topics create` makes it"
    for more in ((), ("--dry-run",)):
        done = shop.run("replay", "--all", *more)
        assert (done.returncode, done.stderr.decode()) == (1, f"sluice: {what}\n")
    assert await values(shop) == []
    assert shop.listed()["warnings"] == [f"not known what was replayed: {what}"]


async def test_a_worker_does_without_the_audit(kafka: EmbeddedKafka, prefix: str, tmp_path: Path) -> None:
    with Sluice(tmp_path, kafka.bootstrap, prefix, partitions=1) as sluice:
        await topics.create(sluice.settings)
        audit = sluice.settings.topic(topics.AUDIT)
        async with connected_admin(sluice.settings) as admin:
            await admin.delete_topics([audit])
        worker = sluice.worker()
        await worker.ready()
        assert "WARNING" not in worker.output(), "it is nothing to a worker"


@pytest.mark.parametrize(
    ("header", "text", "why"),
    [
        ("topic", "{audit}", "is no topic of producers"),
        ("topic", "nowhere", "there is no topic nowhere"),
        ("partition", "7", "has no partition 7"),
        ("partition", "x", "has no partition -1"),
    ],
)
async def test_where_a_record_says_it_is_from_is_not_taken_on_trust(
    kafka: EmbeddedKafka, prefix: str, header: str, text: str, why: str
) -> None:
    shop = Shop(kafka, prefix)
    odd = bad(shop, "empty", b"", AT, partition=0)
    forged = text.format(audit=shop.audit).encode()
    headers = tuple((name, forged if name == header else own) for name, own in odd.headers)
    good = bad(shop, "empty", b"good", AT, partition=0)
    await shop.fill([good, odd._replace(headers=headers)])
    done = shop.run("replay", "--all")
    assert (done.returncode, done.stderr.count(b"\n")) == (1, 1)
    assert why in done.stderr.decode()
    assert (await values(shop), await audit_of(shop)) == ([], []), "of one transaction, all or nothing"
    assert shop.run("replay", "0:0").returncode == 0


async def test_views_and_bronze_see_a_replay_once_that_was_killed(
    kafka: EmbeddedKafka, prefix: str, tmp_path: Path
) -> None:
    now_ms = int(time.time() * 1000) - 3_600_000
    with Sluice(tmp_path, kafka.bootstrap, prefix, partitions=1) as sluice:
        raw = sluice.raw_topic
        await topics.create(sluice.settings)
        sent: Sequence[Raw] = [Raw(value(n), b"k", now_ms) for n in range(MOST_RECORDS + 50)]
        await produce(kafka.bootstrap, raw, [*sent, Raw(charge(1, now_ms), b"k", now_ms)])
        views, bronze = sluice.worker(), sluice.bronze()
        async with FeedWatcher(sluice.settings) as feed:
            await all_read(sluice, feed, views, bronze)
            until = ("--to", str(int(time.time() * 1000) + 1))  # what comes back stays where it is
            killed = dying("SIGKILL", "commit", 2, *until)
            environment = {**os.environ, **sluice._environ}
            done = await asyncio.to_thread(
                subprocess.run, killed, env=environment, cwd=ROOT, timeout=60 * PATIENCE, check=False
            )
            assert done.returncode == -signal.SIGKILL
            await produce(kafka.bootstrap, raw, [Raw(charge(2, now_ms), b"k", now_ms)])
            answer = json.loads(sluice.run("quarantine", "replay", *until, "--json").stdout)
            assert (answer["sent"], answer["passed_over"]) == (50, MOST_RECORDS)
            rows = await all_read(sluice, feed, views, bronze)
            await exact(sluice)
        there = await read_all(kafka.bootstrap, raw)
        assert [row.offset for row in rows.records[raw]] == [read.offset for read in there]
