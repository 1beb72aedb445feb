"""Gates and alarms as the api reads them from Kafka: what cannot be read is told, and not passed over."""

from __future__ import annotations

import asyncio

import httpx
import pytest
from aiokafka import TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, RecordsToDelete

from streams.embedded.broker import EmbeddedKafka
from streams.feed.replica import Replica
from streams.http.app import create_app
from streams.http.background.ops_topics import OpsTopics
from streams.kafka import decompression
from streams.settings import Settings
from tables.gates.alarms import Alarm, encode_alarm
from tables.views import VIEWS
from tests.support.kafka import Raw, create_topics, produce, wait_until
from tests.support.record_bytes import Wire, batch_v2, send_bytes


def raised(name: str) -> Raw:
    key, value = encode_alarm(
        Alarm(
            alarm_id=name, code="QUALITY_CHECK_FAILED", severity="critical", subject="events.raw-0",
            state="raised", at="2026-03-01T11:00:00Z", detail="why",
        )
    )  # fmt: skip
    return Raw(value, key)


async def test_alarms_behind_what_cannot_be_read_are_not_passed_over(
    kafka: EmbeddedKafka, prefix: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(decompression, "LARGEST_BATCH_BYTES", 1 << 20)
    bootstrap = kafka.bootstrap
    replica = Replica(VIEWS, Settings.load({"SLUICE_KAFKA": bootstrap, "SLUICE_PREFIX": prefix}))
    ops = OpsTopics(replica.settings)
    gates, alarms = replica.settings.topic("ops.gates"), replica.settings.topic("ops.alarms")
    await create_topics(bootstrap, gates, alarms)
    await produce(bootstrap, alarms, [raised("a")])
    following = asyncio.create_task(ops.follow(replica))
    transport = httpx.ASGITransport(create_app(replica, ops=ops))
    async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1") as client:
        await wait_until(lambda: ops.waiting_for is None, "the first alarm")
        bomb = batch_v2([Wire(0, 0, b"b", bytes(1 << 22))], codec="zstd")
        assert await send_bytes(bootstrap, alarms, 0, bomb) == (0, 1)
        await produce(bootstrap, alarms, [raised("c")])
        await wait_until(lambda: ops.waiting_for is not None, "word of what cannot be read")
        for path in ("/v1/alarms", "/v1/gates/recon"):
            refused = await client.get(path)
            assert refused.status_code == 503
            assert f"{alarms} to be readable again" in refused.json()["detail"]
            assert "expands to more than 1 MiB" in refused.json()["detail"]
        admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap)
        await admin.start()
        await admin.delete_records({TopicPartition(alarms, 0): RecordsToDelete(2)})
        await admin.close()
        await wait_until(lambda: ops.waiting_for is None, "the alarms behind it")
        assert [row["alarm_id"] for row in (await client.get("/v1/alarms")).json()["rows"]] == ["c"]
    replica.end()
    await following
    replica.close()
