"""What an api says of gates and alarms while Kafka is away, on a broker of its own."""

from __future__ import annotations

import asyncio

from streams.embedded.broker import EmbeddedKafka
from streams.feed.replica import Replica
from streams.http.background.ops_topics import OpsTopics
from streams.kafka import topics
from streams.roles.alarms import send_alarm
from streams.settings import Settings
from tables.gates.alarms import lost_alarm
from tables.views import VIEWS
from tests.support.kafka import wait_until


async def test_while_kafka_is_away_newer_alarms_may_be_missing(own_kafka: EmbeddedKafka) -> None:
    settings = Settings.load({"SLUICE_KAFKA": own_kafka.bootstrap, "SLUICE_PARTITIONS": "1"})
    await topics.create(settings)
    replica, ops = Replica(VIEWS, settings), OpsTopics(settings)
    following = asyncio.create_task(ops.follow(replica))
    try:
        await wait_until(lambda: ops.waiting_for is None, "the gates to be read", seconds=60)
        assert ops.unknown_because is None
        own_kafka.kill()
        await wait_until(lambda: ops.unknown_because, "it to be said", seconds=60)
        assert "Kafka has not said since 2" in str(ops.unknown_because)
        own_kafka.start()
        alarm = lost_alarm("views", "events.raw", 0, (1, 2), code="C", severity="critical", at_us=0)
        await send_alarm(settings, alarm)
        await wait_until(lambda: ops.unknown_because is None, "Kafka to be back", seconds=90)
        await wait_until(lambda: [*ops.alarms.newest_first(lambda _: True)], "the alarm", seconds=60)
    finally:
        replica.end()
        await following
        replica.close()
