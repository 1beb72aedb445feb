"""The one writer of gates and alarms on a real Kafka: fenced, and whole transactions or nothing."""

from __future__ import annotations

import os

import pytest
from aiokafka.errors import KafkaError

from streams.embedded.broker import EmbeddedKafka
from streams.kafka import topics
from streams.roles.gates.writer import GateWriter
from streams.settings import Settings
from tables.gates.alarms import Alarm
from tests.support.gates import GateTopics
from tests.support.kafka import wait_until


def alarm(number: int) -> Alarm:
    return Alarm(
        alarm_id=f"a{number}", code="QUALITY_CHECK_FAILED", severity="critical", subject="s", state="raised",
        at="2026-03-01T12:00:00Z", detail="d",
    )  # fmt: skip


async def made(kafka: EmbeddedKafka, prefix: str) -> Settings:
    settings = Settings.load(
        {"SLUICE_KAFKA": kafka.bootstrap, "SLUICE_PREFIX": prefix, "SLUICE_RAW_TOPICS": f"{prefix}events.raw"}
    )
    await topics.create(settings)
    return settings


async def alarm_ids(gates: GateTopics, count: int) -> list[str]:
    """The alarms, once there are so many: a commit is answered before its markers are written."""

    async def there() -> list[str] | None:
        ids = [one["alarm_id"] for one in await gates.alarms()]
        return ids if len(ids) >= count else None

    ids: list[str] = await wait_until(there, f"{count} alarms to be committed")
    return ids


async def read_values(gates: GateTopics, key: bytes, count: int) -> list[bytes | None] | None:
    values = [read.value for read in await gates.reads() if read.key == key]
    return values if len(values) >= count else None


async def test_who_takes_over_fences_the_former_one_and_reads_all_it_wrote(
    kafka: EmbeddedKafka, prefix: str
) -> None:
    settings = await made(kafka, prefix)
    first, second = GateWriter(settings), GateWriter(settings)
    await first.open()
    await first.publish([(b"a|GBP", b"1"), (b"b|GBP", b"1")], [alarm(1)])
    await first.publish([(b"a|GBP", b"2"), (b"b|GBP", None)], [])
    await second.open()
    restored: list[tuple[bytes, bytes | None]] = []
    assert await second.read_back(lambda key, value: restored.append((key, value))) == 4
    assert dict(restored) == {b"a|GBP": b"2", b"b|GBP": None}
    with pytest.raises(KafkaError):
        await first.publish([(b"a|GBP", b"zombie")], [alarm(2)])
    await second.publish([(b"a|GBP", b"3")], [alarm(3)])
    gates = GateTopics(settings)
    assert await alarm_ids(gates, 2) == ["a1", "a3"]
    reads = await wait_until(lambda: read_values(gates, b"a|GBP", 3), "three records to be committed")
    assert reads == [b"1", b"2", b"3"]
    await first.close()
    await second.close()


async def test_a_transaction_left_open_by_a_dead_leader_is_not_seen(
    kafka: EmbeddedKafka, prefix: str
) -> None:
    settings = await made(kafka, prefix)
    dead, heir = GateWriter(settings), GateWriter(settings)
    await dead.open()
    assert dead._producer is not None
    await dead._producer.begin_transaction()
    await dead._producer.send_and_wait(settings.topic("ops.alarms"), b"half", key=b"half", partition=0)
    await heir.open()
    await heir.publish([(b"a|GBP", b"1")], [alarm(1)])
    assert await alarm_ids(GateTopics(settings), 1) == ["a1"]
    await dead.close()
    await heir.close()


async def test_a_record_that_is_too_large_takes_its_transaction_with_it(
    kafka: EmbeddedKafka, prefix: str
) -> None:
    settings = await made(kafka, prefix)
    log = GateWriter(settings)
    await log.open()
    with pytest.raises(KafkaError):
        await log.publish([(b"a|GBP", os.urandom(2_000_000))], [alarm(1)])
    await log.close()
    gates = GateTopics(settings)
    heir = GateWriter(settings)
    await heir.open()
    assert (await gates.reads(), await gates.alarms()) == ([], [])
    await heir.close()
