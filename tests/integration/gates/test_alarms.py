"""Alarms of the views worker: told before the checkpoint that rests on them."""

from __future__ import annotations

from pathlib import Path

from aiokafka import TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, RecordsToDelete

from streams.embedded.broker import EmbeddedKafka
from streams.kafka import topics
from tests.support.feed import FeedWatcher
from tests.support.gates import GateTopics, payment
from tests.support.processes import Sluice
from tests.support.sending import produce_all


async def test_records_that_kafka_deleted_unread_raise_one_alarm(
    kafka: EmbeddedKafka, prefix: str, tmp_path: Path
) -> None:
    with Sluice(tmp_path, kafka.bootstrap, prefix, partitions=1) as sluice:
        await topics.create(sluice.settings)
        raw = sluice.raw_topic
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
