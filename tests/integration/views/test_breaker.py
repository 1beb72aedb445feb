"""`SLUICE_BAD_SHARE` on real workers: a flood of bad records closes the gates until good ones follow."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

from streams.embedded.broker import EmbeddedKafka
from streams.kafka import topics
from tables.codec import LAST
from tests.support.events import charge
from tests.support.feed import FeedWatcher, exact
from tests.support.gates import GateTopics, payment
from tests.support.kafka import Raw, wait_until
from tests.support.processes import Role, Sluice
from tests.support.sending import produce_all

PARTITIONS, SHARE, FLOOD = 2, 0.1, 150


async def breaker_alarms(gates: GateTopics) -> list[dict[str, Any]]:
    return [alarm for alarm in await gates.alarms() if alarm["alarm_id"].startswith("breaker/")]


async def measured(worker: Role, raw: str, value: int) -> None:
    """Until the worker's metrics say of partition 0 that its breaker has tripped, or not."""
    line = f'sluice_breaker_tripped{{partition="0",topic="{raw}"}} {value}.0'

    async def said() -> bool:
        return line in (await worker.get("/metrics")).text

    await wait_until(said, line)


async def test_too_many_bad_records_close_the_gates_until_they_are_few_again(
    kafka: EmbeddedKafka, prefix: str, tmp_path: Path
) -> None:
    with Sluice(
        tmp_path, kafka.bootstrap, prefix, partitions=PARTITIONS, bad_share=SHARE, gate_clear=1, gate_raise=1
    ) as sluice:
        await topics.create(sluice.settings)
        raw, gates = sluice.raw_topic, GateTopics(sluice.settings)
        worker = sluice.worker()
        now_ms = int(time.time() * 1000) - 60_000
        async with FeedWatcher(sluice.settings) as feed:
            await wait_until(lambda: len(feed.owners) == PARTITIONS, "reports", seconds=60)
            sluice.gates()
            books = [payment("charge.succeeded", 100_000, 1), payment("payout.paid", 100_000, 1)]
            await produce_all(kafka.bootstrap, raw, books)
            few = int(SHARE * LAST)
            await produce_all(kafka.bootstrap, raw, [Raw(b"{", partition=0)] * few)
            await feed.caught_up()
            assert (await gates.until("ok"))["open"]
            assert await breaker_alarms(gates) == [], "as many as may be"

            await produce_all(kafka.bootstrap, raw, [Raw(b"{", partition=0)] * (FLOOD - few))
            assert not (await gates.until("stale"))["open"]
            await measured(worker, raw, 1)
            why = [
                alarm["detail"] for alarm in await gates.alarms() if alarm["alarm_id"].startswith("recon/")
            ]
            assert f"{raw}-0" in why[-1]
            assert f"{FLOOD} of its last 1,000 records are bad, more than SLUICE_BAD_SHARE allows" in why[-1]

            async def raised() -> bool:
                return bool(await breaker_alarms(gates))

            await wait_until(raised, "the alarm")
            (alarm,) = await breaker_alarms(gates)
            assert (alarm["state"], alarm["code"]) == ("raised", "QUALITY_CHECK_FAILED")
            assert (alarm["alarm_id"], alarm["subject"]) == (f"breaker/{raw}/0", f"{raw}-0")
            found = json.loads(sluice.run("doctor", "--json").stdout)
            (told,) = (one for one in found if one["what"] == "breaker")
            assert (told["state"], f"{raw}-0 ({FLOOD} of 1,000)" in told["found"]) == ("wrong", True)

            worker.kill()
            worker.start()
            await produce_all(kafka.bootstrap, raw, [Raw(charge(1, now_ms), partition=0)])
            await feed.caught_up()
            await measured(worker, raw, 1)
            assert (await gates.newest() or {})["state"] == "stale", (
                "what was known of it outlived the worker"
            )

            good = [Raw(charge(number, now_ms), partition=0) for number in range(2, LAST)]
            await produce_all(kafka.bootstrap, raw, good)
            await feed.caught_up()
            await measured(worker, raw, 0)
            assert (await gates.until("ok"))["open"]

            async def cleared() -> bool:
                return bool((await breaker_alarms(gates))[-1]["state"] == "cleared")

            await wait_until(cleared, "the alarm to be cleared")
            assert {one["alarm_id"] for one in await breaker_alarms(gates)} == {f"breaker/{raw}/0"}
        await exact(sluice)


async def test_without_the_setting_a_flood_closes_nothing(
    kafka: EmbeddedKafka, prefix: str, tmp_path: Path
) -> None:
    with Sluice(tmp_path, kafka.bootstrap, prefix, partitions=1) as sluice:
        await topics.create(sluice.settings)
        worker, gates = sluice.worker(), GateTopics(sluice.settings)
        async with FeedWatcher(sluice.settings) as feed:
            await wait_until(lambda: bool(feed.owners), "reports", seconds=60)
            sluice.gates()
            books = [payment("charge.succeeded", 100_000, 1), payment("payout.paid", 100_000, 1)]
            await produce_all(
                kafka.bootstrap, sluice.raw_topic, [*books, *[Raw(b"{", partition=0)] * 2 * LAST]
            )
            await feed.caught_up()
        assert (await gates.until("ok"))["open"]
        assert "sluice_breaker_tripped{" not in (await worker.get("/metrics")).text
        assert await breaker_alarms(gates) == []
