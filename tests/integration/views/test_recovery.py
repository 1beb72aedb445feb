"""A partition whose recovery takes long holds up no other, and itself nothing that it should not."""

from __future__ import annotations

import contextlib
import time
from collections.abc import AsyncIterator
from pathlib import Path

from aiokafka import AIOKafkaProducer

from streams.embedded.broker import EmbeddedKafka
from streams.kafka import topics
from tests.oracle.load import Load, Mix
from tests.support.feed import FeedWatcher, exact
from tests.support.kafka import wait_until
from tests.support.processes import Sluice
from tests.support.sending import produce_all


@contextlib.asynccontextmanager
async def held_back(bootstrap: str, topic: str, partition: int) -> AsyncIterator[None]:
    """Somebody's transaction is open: a read_committed reader does not get to the partition's end."""
    producer = AIOKafkaProducer(
        bootstrap_servers=bootstrap, transactional_id=f"holds-{topic}", transaction_timeout_ms=600_000
    )
    await producer.start()
    try:
        await producer.begin_transaction()
        await producer.send_and_wait(topic, key=b"h:nobody", value=None, partition=partition)
        yield
        await producer.abort_transaction()
    finally:
        await producer.stop()


async def test_a_slow_recovery_holds_up_no_other_partition(
    kafka: EmbeddedKafka, prefix: str, tmp_path: Path
) -> None:
    """Through a drain, a restart and a rebalance in the middle of it; then all is as if it had been quick."""
    load = Load(3, int(time.time() * 1000), Mix(partitions=2, milliseconds=1))
    with Sluice(tmp_path, kafka.bootstrap, prefix, partitions=2) as sluice:
        await topics.create(sluice.settings)
        (raw,) = sluice.settings.raw_topics
        first, second = (sluice.role(name, "worker", "views") for name in ("first", "second"))
        async with FeedWatcher(sluice.settings) as feed:
            async with held_back(kafka.bootstrap, f"{prefix}views.feed", 1):
                first.start()
                await produce_all(kafka.bootstrap, raw, load.take(1_000))
                await first.says("own 2 partitions .* 1 of them still to be recovered", 60)
                await wait_until(lambda: feed.next.get((raw, 0)), "the other partition to be read")
                ready = await first.get("/readyz")
                assert ready.status_code == 503
                assert f"the recovery of {raw}-1" in ready.text
                assert await first.terminate(10) == 0, "a drain waits for no recovery"

                first.start()
                second.start()
                for worker in (first, second):
                    await worker.says("own 1 partitions as of generation", 90)
                await wait_until(
                    lambda: any("still to be recovered" in worker.output() for worker in (first, second)),
                    "one of them to wait again",
                )
                await produce_all(kafka.bootstrap, raw, load.take(1_000))
            for worker in (first, second):
                await worker.ready(60)
            await feed.caught_up()
            assert not feed.wrong
        await exact(sluice)
        assert await first.terminate(10) == 0
        assert await second.terminate(10) == 0
