"""`SLUICE_MAX_GROUPS` on a real worker: what goes beyond is in `_other`, counted, and raises an alarm."""

from __future__ import annotations

import json
import time
from pathlib import Path

from streams.embedded.broker import EmbeddedKafka
from streams.kafka import topics
from tests.support.events import event
from tests.support.feed import FeedWatcher
from tests.support.kafka import Raw, produce, read_all, wait_until
from tests.support.processes import Sluice

CAMPAIGNS, MOST, PARTITIONS = 60, 20, 2


async def test_more_groups_than_there_may_be(kafka: EmbeddedKafka, prefix: str, tmp_path: Path) -> None:
    with Sluice(tmp_path, kafka.bootstrap, prefix, partitions=PARTITIONS, max_groups=MOST) as sluice:
        await topics.create(sluice.settings)
        now_ms = int(time.time() * 1000)
        records = [
            Raw(
                event(
                    "promo.spend", number,
                    {"campaign_id": f"cmp-{number}", "currency": "EUR", "amount_minor": 7},
                    occurred_at=time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(now_ms // 1000)), city="ulm",
                ),
                None, now_ms, number % PARTITIONS,
            )
            for number in range(CAMPAIGNS)
        ]  # fmt: skip
        await produce(kafka.bootstrap, sluice.raw_topic, records)
        worker, api = sluice.worker(), sluice.api()
        async with FeedWatcher(sluice.settings) as feed:
            await feed.caught_up()
            await api.ready()
            rows = (await api.get("/v1/views/promo_spend")).json()["rows"]
            assert sum(row["spend_minor"] for row in rows) == 7 * CAMPAIGNS
            assert len(rows) == MOST + 1
            (other,) = (row for row in rows if row["campaign_id"] == "_other")
            assert other["spend_minor"] == 7 * (CAMPAIGNS - MOST)

            async def counted() -> bool:
                told = (await worker.get("/metrics")).text
                return f'sluice_other_groups_total{{view="promo_spend"}} {CAMPAIGNS - MOST}.0' in told

            await wait_until(counted, "the events to be counted")

            async def alarms() -> set[tuple[str, str, str]]:
                read = await read_all(kafka.bootstrap, f"{prefix}ops.alarms")
                found = [json.loads(one.value or b"{}") for one in read]
                return {(one["code"], one["state"], one["alarm_id"]) for one in found}

            async def raised() -> bool:
                return await alarms() == {
                    ("QUALITY_CHECK_FAILED", "raised", f"groups/promo_spend/{sluice.raw_topic}/{number}")
                    for number in range(PARTITIONS)
                }

            await wait_until(raised, "both partitions' alarms")
