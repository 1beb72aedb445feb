"""Alarms of the views worker: told before the checkpoint that rests on them, and hindering nobody."""

from __future__ import annotations

from pathlib import Path

from aiokafka import TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, RecordsToDelete

from streams.bus import topics
from streams.bus.alarms import send_alarm
from streams.bus.embedded import EmbeddedKafka
from streams.settings import Settings
from tables.alarms import Alarm
from tests.feed import FeedWatcher
from tests.gates import GateTopics, payment
from tests.processes import Sluice
from tests.sending import produce_all


async def test_records_that_kafka_deleted_unread_raise_one_alarm(
    kafka: EmbeddedKafka, prefix: str, tmp_path: Path
) -> None:
    with Sluice(tmp_path, kafka.bootstrap, prefix, partitions=1) as sluice:
        await topics.create(sluice.settings)
        raw = sluice.settings.raw_topics[0]
        worker = sluice.worker()
        async with FeedWatcher(sluice.settings) as feed:
            await produce_all(kafka.bootstrap, raw, [payment("charge.succeeded", 1, n) for n in range(5)])
            await feed.caught_up()
            await worker.terminate()
            await produce_all(kafka.bootstrap, raw, [payment("charge.succeeded", 1, n) for n in range(5, 20)])
            admin = AIOKafkaAdminClient(bootstrap_servers=kafka.bootstrap)
            await admin.start()
            await admin.delete_records({TopicPartition(raw, 0): RecordsToDelete(12)})
            await admin.close()
            worker.start()
            await feed.caught_up()
            assert feed.lost[raw, 0] == [(5, 12)]
            await worker.terminate()
            worker.start()
            await worker.ready()
        (alarm,) = await GateTopics(sluice.settings).alarms()
    assert alarm == {
        "alarm_id": f"lost/views/{raw}/0/5", "code": "PIPELINE_LAG_EXCEEDED", "severity": "critical",
        "subject": f"{raw}-0", "state": "raised", "at": alarm["at"],
        "detail": f"views: Kafka has deleted {raw}-0 offsets 5 to 11 before they were read",
    }  # fmt: skip


async def test_an_alarm_that_cannot_be_written_is_counted_and_goes_by(monkeypatch, caplog) -> None:  # type: ignore[no-untyped-def]
    monkeypatch.setattr("streams.bus.alarms.SEND_SECONDS", 0.5)
    nowhere = Settings.load({"SLUICE_KAFKA": "127.0.0.1:1"})
    alarm = Alarm(
        alarm_id="a",
        code="PIPELINE_LAG_EXCEEDED",
        severity="critical",
        subject="s",
        state="raised",
        at="",
        detail="d",
    )
    await send_alarm(nowhere, alarm)
    assert any("alarm a could not be written" in record.message for record in caplog.records)
