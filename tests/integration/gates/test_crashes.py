"""Leaders killed and stopped one after the other while gates open and close: what was told stays exact."""

from __future__ import annotations

import asyncio
import contextlib
import signal
from collections.abc import AsyncIterator
from pathlib import Path

from streams.embedded.broker import EmbeddedKafka
from streams.kafka import topics
from tests.support.gates import GateTopics, alarm_differences, gate_records, payment
from tests.support.kafka import wait_until
from tests.support.processes import Role, Sluice
from tests.support.sending import produce_all

CITIES = ("london", "paris", "rome", None)


@contextlib.asynccontextmanager
async def swinging(sluice: Sluice) -> AsyncIterator[None]:
    """Payments that close and open the gates of all cities in turn, for as long as it lasts."""
    raw, kafka = sluice.raw_topic, ",".join(sluice.settings.kafka)

    done = asyncio.Event()  # and no cancellation, in whose way a connection may be left open

    async def swing() -> None:
        number = 0
        while not done.is_set():
            city = CITIES[number % len(CITIES)]
            event = ("payout.paid", "charge.succeeded")[number // len(CITIES) % 2]
            await produce_all(kafka, raw, [payment(event, 100_000, number, city=city, partition=number % 2)])
            number += 1
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(done.wait(), 0.3)

    swings = asyncio.create_task(swing())
    try:
        yield
    finally:
        done.set()
        await swings


async def leader(workers: list[Role], last: Path | None) -> Role:
    """A worker whose run has taken the lead, once it is another run than that of the output file `last`.

    A run, not a worker: one that was killed and started again may be elected again.
    """

    def found() -> Role | None:
        others = (one for one in workers if one.running and one.output_file != last)
        return next((one for one in others if "leading" in one.output()), None)

    role: Role = await wait_until(found, "a worker to lead", seconds=40)
    return role


async def test_no_alarm_is_lost_or_doubled_through_kills_and_stops(
    kafka: EmbeddedKafka, prefix: str, tmp_path: Path, kills: int
) -> None:
    with Sluice(tmp_path, kafka.bootstrap, prefix, partitions=2, gate_clear=4) as sluice:
        await topics.create(sluice.settings)
        raw, gates = sluice.raw_topic, GateTopics(sluice.settings)
        views = sluice.worker()
        base = [payment("charge.succeeded", 200_000, f"base-{city}", city=city) for city in CITIES]
        base += [payment("payout.paid", 200_000, f"base-{city}", city=city) for city in CITIES]
        await produce_all(kafka.bootstrap, raw, base)
        workers = [sluice.role(f"gates-{number}", "worker", "gates") for number in (1, 2)]
        for worker in workers:
            worker.start()
        last: Path | None = None
        async with swinging(sluice):
            for turn in range(max(2, kills // 3)):
                leads = await leader(workers, last)
                last = leads.output_file
                told = len(await gates.alarms())
                await wait_until(lambda told=told: more_alarms(gates, told + 3), "gates to swing", seconds=30)
                if turn % 2:
                    leads.signal(signal.SIGSTOP)
                    await leader(workers, last)
                    leads.signal(signal.SIGCONT)
                    await wait_until(lambda role=leads: stands_by(role), "it to stand by", seconds=30)
                    leads.kill()  # so that what it has said is about one lead
                else:
                    leads.kill()
                leads.start()
            views.kill()
            await gates.until("stale", seconds=40)
            views.start()
        reads, alarms = await gates.reads(), await gates.alarms()
        assert alarm_differences(reads, alarms) == []
        assert len(alarms) > 10
        for record in gate_records(reads):
            assert record["open"] is (record["state"] in ("ok", "warn")), record


async def more_alarms(gates: GateTopics, count: int) -> bool:
    return len(await gates.alarms()) >= count


def stands_by(role: Role) -> bool:
    return "a standby" in role.output().rpartition("leading")[2]


async def test_gates_go_on_after_a_broker_restart(
    own_kafka: EmbeddedKafka, prefix: str, tmp_path: Path
) -> None:
    with Sluice(tmp_path, own_kafka.bootstrap, prefix, partitions=2) as sluice:
        await topics.create(sluice.settings)
        raw, gates = sluice.raw_topic, GateTopics(sluice.settings)
        sluice.worker()
        worker = sluice.gates()
        await produce_all(own_kafka.bootstrap, raw, [payment("charge.succeeded", 50_000, 1)])
        before = await gates.until("alarm")
        own_kafka.stop()
        own_kafka.start()
        await produce_all(own_kafka.bootstrap, raw, [payment("payout.paid", 50_000, 1)])
        after = await gates.until("ok", seconds=60)
        assert after["evaluated_at"] > before["evaluated_at"]
        assert alarm_differences(await gates.reads(), await gates.alarms()) == []
        assert worker.running
