"""Topics that grow: by `sluice topics create` in a safe order, and raw topics alone by somebody else."""

from __future__ import annotations

import json
import re
import time
from pathlib import Path

from aiokafka.admin import AIOKafkaAdminClient

from streams.embedded.broker import EmbeddedKafka
from streams.kafka import topics
from streams.kafka.topics import describe
from tests.oracle.load import Load, Mix
from tests.support.feed import FeedWatcher, exact
from tests.support.kafka import create_topics, wait_until
from tests.support.processes import Role, Sluice
from tests.support.recreate import grow
from tests.support.sending import produce_all


async def counts(sluice: Sluice, *names: str) -> list[int]:
    admin = AIOKafkaAdminClient(bootstrap_servers=list(sluice.settings.kafka))
    await admin.start()
    try:
        there = await describe(admin, list(names))
        return [there[name].partitions for name in names]
    finally:
        await admin.close()


async def test_create_grows_the_feed_the_quarantine_and_then_raw(
    kafka: EmbeddedKafka, prefix: str, tmp_path: Path
) -> None:
    raw = [f"{prefix}raw-a", f"{prefix}raw-b", f"{prefix}raw-c"]
    for name, partitions in zip(raw, (2, 4, 6), strict=True):
        await create_topics(kafka.bootstrap, name, partitions=partitions)
    own = [f"{prefix}views.feed", f"{prefix}events.quarantine"]
    with Sluice(tmp_path, kafka.bootstrap, prefix, raw_topics=",".join(raw[:1]), partitions=2) as sluice:
        await topics.create(sluice.settings)
        assert await counts(sluice, *own, raw[0]) == [2, 2, 2]
        done = sluice.run("topics", "create", partitions=4)
        assert done.returncode == 0, done.stderr
        grown = re.findall(r"^made (\S+) \(grown from (\d) to (\d) partitions\)$", done.stdout, re.MULTILINE)
        assert grown == [(name, "2", "4") for name in (*own, raw[0])], "in this order"
        assert "all topics are there" in sluice.run("topics", "create", partitions=4).stdout
        assert "all topics are there" in sluice.run("topics", "create", partitions=1).stdout, "none shrinks"
        every = {"raw_topics": ",".join(raw), "partitions": 5}
        done = sluice.run("topics", "create", "--json", **every)
        assert json.loads(done.stdout)["wrong"] == []
        assert await counts(sluice, *own, *raw) == [6, 6, 5, 5, 6], "as many as the largest raw topic has"


async def test_nothing_grows_while_a_topic_has_the_wrong_policy(
    kafka: EmbeddedKafka, prefix: str, tmp_path: Path
) -> None:
    await create_topics(kafka.bootstrap, f"{prefix}events.raw", partitions=2)
    await create_topics(kafka.bootstrap, f"{prefix}views.feed", partitions=2, cleanup_policy="delete")
    with Sluice(tmp_path, kafka.bootstrap, prefix, partitions=4) as sluice:
        assert sluice.run("topics", "create").returncode == 1
        assert await counts(sluice, f"{prefix}events.raw", f"{prefix}views.feed") == [2, 2]


async def metric(worker: Role) -> float:
    text = (await worker.get("/metrics")).text
    found = re.search(
        r'^sluice_waiting_partitions\{reason="topics",role="views"\} (\S+)$', text, re.MULTILINE
    )
    assert found, text
    return float(found[1])


async def is_complete(api: Role) -> bool:
    answer: bool = (await api.get("/v1/views/kpi_funnel")).json()["complete"]
    return answer


async def test_a_raw_partition_without_a_feed_partition_waits_for_it(
    kafka: EmbeddedKafka, prefix: str, tmp_path: Path
) -> None:
    """Somebody grew the raw topic alone. The others go on, and it follows by itself, with all its records."""
    raw = f"{prefix}events.raw"
    now_ms = int(time.time() * 1000)
    load = Load(1, now_ms, Mix(partitions=3, milliseconds=1))
    with Sluice(tmp_path, kafka.bootstrap, prefix, partitions=1) as sluice:
        await topics.create(sluice.settings)
        await grow(kafka.bootstrap, 3, raw)
        await produce_all(kafka.bootstrap, raw, load.take(2_000))
        worker, api = sluice.worker(), sluice.api()
        await worker.says(rf"waiting for partition 2 of {prefix}views.feed and {prefix}events.quarantine", 60)
        await worker.says("own 3 partitions .* 2 of them still to be recovered")
        async with FeedWatcher(sluice.settings) as feed:
            await wait_until(lambda: feed.next.get((raw, 0)), "the other partition to go on", seconds=60)
        ready = await worker.get("/readyz")
        assert ready.status_code == 503
        assert f"partition 1 of {prefix}views.feed" in ready.text
        assert f"for {raw}-2" in ready.text
        assert await metric(worker) == 2
        await api.ready()
        assert not await is_complete(api)

        done = sluice.run("topics", "create", partitions=3)
        assert done.returncode == 0, done.stderr
        await worker.ready(60)
        assert await metric(worker) == 0
        async with FeedWatcher(sluice.settings) as feed:
            await feed.caught_up()
        await wait_until(lambda: is_complete(api), "the api to follow", seconds=60)
        await exact(sluice, api)
        assert worker.running
        assert len(re.findall("waiting for partition", worker.output())) <= 4, "said once, then rarely"
        assert await worker.terminate() == 0
