"""The gates role on a real Kafka: it raises and clears, fails closed, and outlives its leader."""

from __future__ import annotations

import asyncio
import json
import signal
import time
from datetime import UTC, datetime
from pathlib import Path

from streams.embedded.broker import EmbeddedKafka
from streams.kafka import topics
from tables.gates.records import is_open
from tests.support.feed import FeedWatcher
from tests.support.gates import GateTopics, alarm_differences, gate_records, payment
from tests.support.kafka import read_all, wait_until
from tests.support.processes import Role, Sluice
from tests.support.sending import produce_all

FIELDS = [
    "gate", "city", "currency", "state", "open", "previous", "since", "evaluated_at", "valid_until",
    "variance_minor", "variance_ratio", "charges_minor", "window_from", "window_to",
    "reason", "warn_at", "alarm_at", "measure", "value", "override", "override_by", "override_reason",
    "override_at", "override_until", "override_even_stale", "key",
]  # fmt: skip


async def reporting(sluice: Sluice) -> Role:
    """A views worker that has reported on all partitions: before that a gate is stale, and rightly so."""
    await topics.create(sluice.settings)
    views = sluice.worker()
    async with FeedWatcher(sluice.settings) as feed:
        await wait_until(lambda: len(feed.owners) == sluice.settings.partitions, "reports", seconds=60)
    return views


async def leader_and_standby(sluice: Sluice) -> tuple[GateTopics, Role, Role]:
    await reporting(sluice)
    first = sluice.gates("gates-1")
    await first.says("leading the gates")
    second = sluice.gates("gates-2")
    await second.says("a standby")
    return GateTopics(sluice.settings), first, second


async def balanced(sluice: Sluice, *cities: str | None) -> None:
    """100,000 charged and paid out for each city, on both partitions."""
    raw = sluice.raw_topic
    charges = [payment("charge.succeeded", 100_000, f"{c}-0", city=c, partition=0) for c in cities]
    payouts = [payment("payout.paid", 100_000, f"{c}-0", city=c, partition=1) for c in cities]
    await produce_all(",".join(sluice.settings.kafka), raw, [*charges, *payouts])


async def leak(sluice: Sluice, amount: int, number: int | str, city: str | None = "london") -> None:
    raw = sluice.raw_topic
    record = payment("payout.paid", amount, number, city=city, partition=1)
    await produce_all(",".join(sluice.settings.kafka), raw, [record])


async def charge(sluice: Sluice, amount: int, number: int | str, city: str | None = "london") -> None:
    raw = sluice.raw_topic
    await produce_all(
        ",".join(sluice.settings.kafka), raw, [payment("charge.succeeded", amount, number, city=city)]
    )


async def told_apart(sluice: Sluice, gates: GateTopics) -> None:
    """No alarm was lost or doubled, and no gate was open in a state that closes it."""
    reads = await gates.reads()
    assert alarm_differences(reads, await gates.alarms()) == []
    for record in gate_records(reads):
        assert record["open"] is (record["state"] in ("ok", "warn")), record


async def test_a_gate_raises_and_clears_and_the_api_shows_it(
    kafka: EmbeddedKafka, prefix: str, tmp_path: Path
) -> None:
    with Sluice(tmp_path, kafka.bootstrap, prefix, partitions=2) as sluice:
        await reporting(sluice)
        worker, api, gates = sluice.gates(), sluice.api(), GateTopics(sluice.settings)
        await balanced(sluice, "london", None)
        first = await gates.until("ok")
        assert list(first) == FIELDS
        found = {name: first[name] for name in ("gate", "city", "currency", "open")}
        assert found == {"gate": "recon", "city": "london", "currency": "GBP", "open": True}
        assert is_open(first, datetime.now(UTC))
        await gates.until("ok", None)

        await leak(sluice, 3_000, "warn")
        assert (await gates.until("warn"))["open"]
        await leak(sluice, 17_000, "alarm")
        closed = await gates.until("alarm")
        assert (closed["charges_minor"], closed["variance_minor"], closed["variance_ratio"]) == (
            100_000, -20_000, 0.2,
        )  # fmt: skip
        assert not is_open(closed, datetime.now(UTC))
        assert closed["previous"] == "warn"
        await api.ready()
        shown = (await api.get("/v1/gates/recon", city="london")).json()["rows"]
        assert [row["state"] for row in shown] == ["alarm"]
        assert [row["city"] for row in (await api.get("/v1/gates/recon")).json()["rows"]] == [None, "london"]
        text = (await worker.get("/metrics")).text
        assert 'sluice_gate_state{currency="GBP",gate="recon"} 2.0' in text
        assert 'sluice_gates{gate="recon",state="ok"} 1.0' in text

        await charge(sluice, 20_000, "clear")
        await gates.until("ok")
        assert await gates.history() == ["ok", "warn", "alarm", "ok"]
        alarms = await gates.alarms()
        assert [(a["code"], a["state"], a["subject"]) for a in alarms] == [
            ("QUALITY_CHECK_FAILED", "raised", "recon/london|GBP"),
            ("QUALITY_CHECK_FAILED", "cleared", "recon/london|GBP"),
        ]
        assert alarms[0]["alarm_id"] == alarms[1]["alarm_id"]
        await told_apart(sluice, gates)
        assert await worker.terminate() == 0


async def test_gates_are_stale_at_once_and_closed_while_no_worker_reports(
    kafka: EmbeddedKafka, prefix: str, tmp_path: Path
) -> None:
    with Sluice(tmp_path, kafka.bootstrap, prefix, partitions=2) as sluice:
        views, gates = await reporting(sluice), GateTopics(sluice.settings)
        worker = sluice.gates()
        await balanced(sluice, "london", "paris")
        await gates.until("ok")
        stopped = time.time()
        views.kill()
        stale = await gates.until("stale")
        since = datetime.fromisoformat(stale["since"]).timestamp()
        assert 6 - 1.5 <= since - stopped <= 6 + 2.5, "SLUICE_SESSION_SECONDS after the last report"
        assert not stale["open"]
        assert stale["previous"] == "ok"
        assert 'sluice_gates{gate="recon",state="stale"} 2.0' in (await worker.get("/metrics")).text
        views.start()
        await gates.until("ok", "paris")
        assert await gates.history("paris") == ["ok", "stale", "ok"]
        alarms = await gates.alarms()
        assert {(a["code"], a["state"]) for a in alarms} == {
            ("PIPELINE_LAG_EXCEEDED", "raised"), ("PIPELINE_LAG_EXCEEDED", "cleared"),
        }  # fmt: skip
        await gates.until("ok", "london")
        await told_apart(sluice, gates)


async def test_a_killed_leader_is_followed_and_no_alarm_is_lost_or_doubled(
    kafka: EmbeddedKafka, prefix: str, tmp_path: Path
) -> None:
    with Sluice(tmp_path, kafka.bootstrap, prefix, partitions=2) as sluice:
        gates, first, second = await leader_and_standby(sluice)
        await balanced(sluice, "london", "paris")
        await gates.until("ok")
        await leak(sluice, 20_000, "leak")
        await gates.until("alarm")
        killed = time.monotonic()
        first.kill()
        await leak(sluice, 20_000, "paris-leak", "paris")  # while nobody leads
        await second.says("leading the gates", 20)
        assert time.monotonic() - killed < 6 + 5
        await gates.until("alarm", "paris")
        newest = await gates.newest("london")
        assert newest is not None
        assert newest["state"] == "alarm", "what the gate was is read back"
        await told_apart(sluice, gates)
        assert [a["state"] for a in await gates.alarms()] == ["raised", "raised"]


async def test_a_leader_that_was_stopped_cannot_write_when_it_wakes_up(
    kafka: EmbeddedKafka, prefix: str, tmp_path: Path
) -> None:
    with Sluice(tmp_path, kafka.bootstrap, prefix, partitions=2) as sluice:
        gates, first, second = await leader_and_standby(sluice)
        await balanced(sluice, "london")
        await gates.until("ok")
        first.signal(signal.SIGSTOP)
        await second.says("leading the gates", 30)
        await leak(sluice, 20_000, "leak")
        await gates.until("alarm")
        woken_at = datetime.now(UTC).isoformat()
        first.signal(signal.SIGCONT)
        await first.says("a standby|generation", 20)
        await wait_until(
            lambda: first.output().count("generation") >= 2, "the woken one to have joined again"
        )
        later = (await gates.reads())[-1].offset
        await wait_until(lambda: gates_after(gates, later), "the leader to go on", seconds=15)
        assert await gates.history() == ["ok", "alarm"], f"nothing of what the woken one saw ({woken_at})"
        await told_apart(sluice, gates)


async def gates_after(gates: GateTopics, offset: int) -> bool:
    return (await gates.reads())[-1].offset > offset + 2


async def test_gates_expire_when_nobody_evaluates(kafka: EmbeddedKafka, prefix: str, tmp_path: Path) -> None:
    with Sluice(tmp_path, kafka.bootstrap, prefix, partitions=2) as sluice:
        await reporting(sluice)
        worker, api, gates = sluice.gates(), sluice.api(), GateTopics(sluice.settings)
        await balanced(sluice, "london")
        record = await gates.until("ok")
        worker.kill()
        await wait_until(lambda: not is_open(record, datetime.now(UTC)), "the record to expire", seconds=16)
        newest = await gates.newest()
        assert newest is not None

        async def expired() -> bool:
            return not is_open(newest, datetime.now(UTC))

        await wait_until(expired, "the newest record to expire", seconds=16)
        (shown,) = (await api.get("/v1/gates/recon")).json()["rows"]
        assert (shown["state"], shown["open"], shown["previous"]) == ("stale", False, "ok")


async def test_a_gate_agrees_with_the_view(kafka: EmbeddedKafka, prefix: str, tmp_path: Path) -> None:
    """A record's figures are those of ops_recon_variance from `window_from` to `window_to`."""
    with Sluice(tmp_path, kafka.bootstrap, prefix, partitions=2) as sluice:
        await reporting(sluice)
        sluice.gates()
        api, gates, now = sluice.api(), GateTopics(sluice.settings), time.time()
        raw = sluice.raw_topic
        records = [
            payment("charge.succeeded", 50_000, n, at=now - n * 3600, partition=n % 2) for n in range(30)
        ]
        records += [payment("fee.assessed", 999, n, at=now - n * 3000, partition=n % 2) for n in range(30)]
        await produce_all(kafka.bootstrap, raw, records)

        async def counted() -> bool:
            found = await gates.newest()
            return found is not None and found["charges_minor"] >= 24 * 50_000

        await wait_until(counted, "all to be counted")
        record = await gates.newest()
        assert record is not None
        window = {"from": record["window_from"], "to": record["window_to"]}
        await api.ready()
        answer = (await api.get("/v1/views/ops_recon_variance", **window)).json()
        (row,) = answer["rows"]
        assert {name: row[name] for name in ("charges_minor", "variance_minor", "variance_ratio")} == {
            name: record[name] for name in ("charges_minor", "variance_minor", "variance_ratio")
        }
        assert json.dumps(answer["from"]) == json.dumps(record["window_from"])
        assert len(await read_all(kafka.bootstrap, sluice.settings.topic("ops.gates"))) > 0


async def test_gates_that_cannot_be_published_are_an_error_that_is_told(
    own_kafka: EmbeddedKafka, prefix: str, tmp_path: Path
) -> None:
    with Sluice(tmp_path, own_kafka.bootstrap, prefix, partitions=2) as sluice:
        await reporting(sluice)
        worker, gates = sluice.gates(), GateTopics(sluice.settings)
        await balanced(sluice, "london")
        await gates.until("ok")
        await asyncio.to_thread(own_kafka.kill)
        told = await worker.says(r".*publishing gates.*failed: .*")
        assert '"code": "EVENT_PUT_FAILED"' in told[0]
        assert 'sluice_errors_total{code="EVENT_PUT_FAILED"}' in (await worker.get("/metrics")).text
