"""Records of other programs in the feed and the gates' topic, before and while api, views and gates run."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from aiokafka import TopicPartition

from streams.doctor.others import alien_records
from streams.embedded.broker import EmbeddedKafka
from streams.kafka import topics
from tables.keys import checkpoint_key, heartbeat_key
from tests.support.gates import GateTopics, payment
from tests.support.kafka import Raw, wait_until
from tests.support.processes import Role, Sluice
from tests.support.recreate import configure
from tests.support.sending import produce_all

ALIEN_KEYS = [
    b"", b"\xff", b'{"order":1}', b"c:", b"c:\xff", b"c:a topic", b"w:kpi_gmv:m1:0",
    b"w:kpi_gmv@00000000:t:mx:0",
    b"w:kpi_gmv@00000000:t:m1:99999999999", b"e:x@00000000:t", b"e:x@00000000:t:\xff",
    b"d:t:7", b"h:", b"h:\xfe",
    b"z:later-kind", b"z", b":", b"\x00\x00\x00\x00\x07abc", b"e:" + b"x" * 5_000,
]  # fmt: skip
ALIEN_GATES = [b"", b"\xff|GBP", b"london", b"london|gbp", b"London|GBP", b'{"a":"b|EUR"}', b"|", b"a|b|GBP"]


async def disturb(sluice: Sluice, *, null_keys: bool) -> None:
    """Write what others write: garbage, tombstones of garbage, and, where Kafka takes them, null keys."""
    bootstrap = ",".join(sluice.settings.kafka)
    for topic, keys in (("views.feed", ALIEN_KEYS), ("ops.gates", ALIEN_GATES)):
        name = sluice.settings.topic(topic)
        records = [Raw(value, key, partition=n) for key in keys for value in (b"\xc1", None) for n in (0, 1)]
        if topic == "ops.gates":
            records = [record._replace(partition=0) for record in records]
        else:
            records += [Raw(b"\xc1", heartbeat_key("other"), partition=1), Raw(None, heartbeat_key("other2"))]
        await produce_all(bootstrap, name, records)
        await produce_all(bootstrap, name, [Raw(b"last", key) for key in keys])
        if null_keys:
            await configure(bootstrap, name, cleanup_policy="delete")
            await produce_all(bootstrap, name, [Raw(b"no key"), Raw(None), Raw(b"\xff")])
            await configure(bootstrap, name, cleanup_policy="compact")


async def variance(api: Role) -> tuple[bool, list[tuple[Any, ...]]]:
    answer = (await api.get("/v1/views/ops_recon_variance")).json()
    rows = [(row["city"], row["charges_minor"], row["payouts_minor"]) for row in answer["rows"]]
    return answer["complete"], rows


async def pay(sluice: Sluice, number: int) -> None:
    records = [
        payment("charge.succeeded", 20_000, number, partition=0),
        payment("payout.paid", 20_000, number, partition=1),
    ]
    await produce_all(",".join(sluice.settings.kafka), sluice.raw_topic, records)


async def test_records_of_others_stop_nobody_and_change_nothing(
    kafka: EmbeddedKafka, prefix: str, tmp_path: Path
) -> None:
    with Sluice(tmp_path, kafka.bootstrap, prefix, partitions=2) as sluice:
        await topics.create(sluice.settings)
        await disturb(sluice, null_keys=True)
        await pay(sluice, 1)
        views, api = sluice.worker(), sluice.api()
        gates = sluice.gates()

        async def shows(charges: int) -> None:
            async def right() -> bool:
                return await variance(api) == (True, [("london", charges, charges)])

            await wait_until(right, f"{charges} to be shown, complete", seconds=60)

        await api.says("http://", seconds=90)
        await api.ready(90)
        await shows(20_000)
        await GateTopics(sluice.settings).until("ok")
        await disturb(sluice, null_keys=True)
        await pay(sluice, 2)
        await shows(40_000)
        for role in (views, gates, api):
            assert role.running
            assert "Traceback" not in role.output()
        rows = (await api.get("/v1/gates/recon")).json()["rows"]
        assert [(row["city"], row["state"]) for row in rows] == [("london", "ok")]
        metrics = (await api.get("/metrics")).text
        assert f'sluice_alien_records_total{{topic="{sluice.settings.topic("views.feed")}"}}' in metrics
        told = [line for line in api.output().splitlines() if "passed over a record" in line]
        assert 1 <= len(told) <= 4
        assert not any("no key" in line or "xxxxx" * 30 in line for line in told)

        assert await views.terminate() == 0  # and again, with all of it in the way
        assert await gates.terminate() == 0
        views.start()
        gates.start()
        await pay(sluice, 3)
        await shows(60_000)
        found = await alien_records(sluice.settings)
        feed = sluice.settings.topic("views.feed")
        assert {finding.fault for finding in found} == {"alien", "damaged"}
        damaged = [finding for finding in found if finding.fault == "damaged"]
        assert [(one.topic, one.partition) for one in damaged] == [(feed, 1)]
        assert "h:other" in damaged[0].what
        assert any("key null" in finding.what for finding in found)
        assert all(finding.mend and "no key" not in finding.what for finding in found)


async def test_damaged_state_is_refused_by_name_and_written_anew_by_its_owner(
    kafka: EmbeddedKafka, prefix: str, tmp_path: Path
) -> None:
    with Sluice(tmp_path, kafka.bootstrap, prefix, partitions=2) as sluice:
        await topics.create(sluice.settings)
        views, api = sluice.worker(), sluice.api()
        await pay(sluice, 1)

        async def complete() -> bool:
            return await variance(api) == (True, [("london", 20_000, 20_000)])

        await api.says("http://", seconds=90)
        await api.ready(90)
        await wait_until(complete, "the payment to be shown", seconds=60)
        feed, key = sluice.settings.topic("views.feed"), checkpoint_key(sluice.raw_topic)
        await produce_all(kafka.bootstrap, feed, [Raw(b"garbage", key, partition=1)])

        async def incomplete() -> bool:
            return (await variance(api))[0] is False

        await wait_until(incomplete, "the api to see that it cannot know", seconds=30)
        assert api.running
        (found,) = await alien_records(sluice.settings)
        assert (found.topic, found.partition, found.fault) == (feed, 1, "damaged")

        await pay(sluice, 2)  # its owner lives, and writes a checkpoint

        async def shown_again() -> bool:
            return await variance(api) == (True, [("london", 40_000, 40_000)])

        await wait_until(shown_again, "the next checkpoint to mend it", seconds=30)
        assert await alien_records(sluice.settings) == []

        assert await views.terminate() == 0
        await produce_all(kafka.bootstrap, feed, [Raw(b"garbage", key, partition=1)])
        views.start()
        assert await views.end(60) != 0
        (found,) = await alien_records(sluice.settings)
        place = TopicPartition(feed, 1)
        assert f"{place.topic}, partition 1, offset {found.offset}" in views.output()
        assert views.output().splitlines()[-1].startswith("sluice: ")
        assert "sluice topics create" in views.output().splitlines()[-1]
        assert api.running
