"""What a views worker does when Kafka is away, restarts, or has deleted what was to be read."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path

from aiokafka import AIOKafkaProducer

from streams.embedded.broker import EmbeddedKafka
from streams.kafka import topics
from streams.kafka.instances import members
from streams.settings import Settings
from tests.oracle.load import Load, Mix
from tests.support.feed import FeedWatcher, ask, exact, feed_reader
from tests.support.kafka import wait_until
from tests.support.processes import Sluice
from tests.support.recreate import delete_records
from tests.support.sending import produce_all, send_all, started_producer


def some_load(seed: int, partitions: int = 2, milliseconds: int = 300) -> Load:
    return Load(
        seed, int(time.time() * 1000) - 3_600_000, Mix(partitions=partitions, milliseconds=milliseconds)
    )


async def test_a_worker_waits_for_kafka_at_start(
    own_kafka: EmbeddedKafka, prefix: str, tmp_path: Path
) -> None:
    """A clear line a try, /readyz 503 with what it waits for; then the topics; then it works."""
    await asyncio.to_thread(own_kafka.stop)
    with Sluice(tmp_path, own_kafka.bootstrap, prefix, partitions=2) as sluice:
        worker = sluice.worker()
        await worker.says(rf"Kafka at {own_kafka.bootstrap} does not answer .*next try in .*SLUICE_KAFKA")
        answer = await worker.get("/readyz")
        assert answer.status_code == 503
        assert "Kafka" in answer.text
        assert (await worker.get("/healthz")).status_code == 200
        await asyncio.to_thread(own_kafka.start)
        await worker.says("topics are missing: .*sluice topics create")
        assert (await worker.get("/readyz")).status_code == 503
        await topics.create(sluice.settings)
        await worker.ready()
        await produce_all(own_kafka.bootstrap, sluice.raw_topic, some_load(1).take(300))
        async with FeedWatcher(sluice.settings) as feed:
            await feed.caught_up()
            await exact(sluice)
        assert "Traceback" not in worker.output(), worker.tail()


async def test_a_worker_told_to_stop_while_kafka_is_away_stops(
    own_kafka: EmbeddedKafka, prefix: str, tmp_path: Path
) -> None:
    with Sluice(tmp_path, own_kafka.bootstrap, prefix, partitions=2) as sluice:
        await topics.create(sluice.settings)
        running = sluice.worker("running")
        await running.ready()
        await asyncio.to_thread(own_kafka.stop)
        waiting = sluice.worker("waiting")
        await waiting.says("does not answer")
        assert await waiting.terminate(10) == 0
        started = time.monotonic()
        await running.terminate(15)
        assert time.monotonic() - started < 10.5, running.tail()


async def test_the_broker_restarts_under_load(own_kafka: EmbeddedKafka, prefix: str, tmp_path: Path) -> None:
    """Cleanly once, and once as if the machine had failed; the same processes carry on, and all is exact."""
    load = some_load(2)
    with Sluice(tmp_path, own_kafka.bootstrap, prefix, partitions=2) as sluice:
        await topics.create(sluice.settings)
        raw_topic = sluice.raw_topic
        api, worker = sluice.api(), sluice.worker()
        producer = await started_producer(
            own_kafka.bootstrap, enable_idempotence=True, request_timeout_ms=60_000
        )
        async with FeedWatcher(sluice.settings) as feed:
            for stop in (own_kafka.stop, own_kafka.kill):
                await send_all(producer, raw_topic, load.take(1_000))
                await feed.caught_up()
                await send_all(producer, raw_topic, load.take(2_000))
                await asyncio.to_thread(stop)
                await asyncio.to_thread(own_kafka.start)
                await send_all(producer, raw_topic, load.take(1_000))
                await feed.caught_up()
            await producer.stop()
            assert worker.running, worker.tail()
            assert api.running, api.tail()
            await exact(sluice, api)


async def test_retention_overtakes_the_worker(own_kafka: EmbeddedKafka, prefix: str, tmp_path: Path) -> None:
    """What Kafka deleted before it was read is in the checkpoint as lost, and the views are not complete."""
    load = some_load(3, partitions=1)
    with Sluice(tmp_path, own_kafka.bootstrap, prefix, partitions=1) as sluice:
        await topics.create(sluice.settings)
        raw_topic = sluice.raw_topic
        api, worker = sluice.api(), sluice.worker()
        async with FeedWatcher(sluice.settings) as feed:
            await produce_all(own_kafka.bootstrap, raw_topic, load.take(500))
            await feed.caught_up()
            await api.ready()
            await wait_until(lambda: complete(sluice.settings), "complete")
            await worker.terminate()
            await produce_all(own_kafka.bootstrap, raw_topic, load.take(500))
            await delete_records(sluice.settings.kafka[0], raw_topic, 800)
            worker.start()
            await feed.caught_up()
            assert feed.lost[raw_topic, 0] == [(500, 800)]
            shown = (await api.get("/v1/views/kpi_gmv")).json()
            assert shown["complete"] is False
            assert shown["partitions"][0]["checkpoint_offset"] == 1000
            await worker.says("has deleted .*500 to 799 before they were read")


async def test_what_kafka_deleted_before_the_first_start_is_not_lost(
    own_kafka: EmbeddedKafka, prefix: str, tmp_path: Path
) -> None:
    load = some_load(4, partitions=1)
    with Sluice(tmp_path, own_kafka.bootstrap, prefix, partitions=1) as sluice:
        await topics.create(sluice.settings)
        raw_topic = sluice.raw_topic
        await produce_all(own_kafka.bootstrap, raw_topic, load.take(500))
        await delete_records(sluice.settings.kafka[0], raw_topic, 123)
        sluice.worker()
        async with FeedWatcher(sluice.settings) as feed:
            await feed.caught_up()
            await exact(sluice)
            assert feed.lost[raw_topic, 0] == []


async def test_sigterm_under_load_leaves_in_time_with_everything_checkpointed(
    kafka: EmbeddedKafka, prefix: str, tmp_path: Path
) -> None:
    load = some_load(5, partitions=4, milliseconds=3)  # however many are sent, none is ahead of Kafka's clock
    with Sluice(tmp_path, kafka.bootstrap, prefix) as sluice:
        await topics.create(sluice.settings)
        raw_topic = sluice.raw_topic
        worker = sluice.worker()
        async with FeedWatcher(sluice.settings) as feed:
            await worker.ready()
            producer = await started_producer(kafka.bootstrap)
            sending = asyncio.create_task(keep_sending(producer, raw_topic, load))
            await wait_until(lambda: feed.folded() > 2_000, "2,000 records in checkpoints")
            started = time.monotonic()
            assert await worker.terminate() == 0, worker.tail()
            assert time.monotonic() - started < 10
            assert await members(sluice.settings, "views") == [], "nobody waits for its session to end"
            sending.cancel()
            await asyncio.gather(sending, return_exceptions=True)
            await producer.stop()
            worker.start()
            await feed.caught_up()
            await exact(sluice)


async def keep_sending(producer: AIOKafkaProducer, topic: str, load: Load) -> None:
    while True:
        await send_all(producer, topic, load.take(100))


async def complete(settings: Settings) -> bool:
    reader = await feed_reader(settings)
    return bool(ask(reader, settings, "kpi_gmv", {})["complete"])
