"""`sluice quarantine` where Kafka does not let it do all that it needs."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.protocol.admin import CreateAclsRequest

from streams.embedded.broker import EmbeddedKafka
from tests.support.kafka import Raw, produce, read_all, running
from tests.support.quarantine import Shop, bad

ACCESS = ": `sluice topics list --acls` prints what is needed\n"
ENFORCED = """
authorizer.class.name=org.apache.kafka.metadata.authorizer.StandardAuthorizer
allow.everyone.if.no.acl.found=true
"""
TOPIC, TRANSACTIONAL_ID = 2, 5
READ, DESCRIBE, DESCRIBE_CONFIGS = 3, 8, 10
LITERAL, ALLOW = 3, 3


class StrictKafka(EmbeddedKafka):
    """A broker on which a resource with an access list allows what that list has, and nothing else."""

    def _configure(self) -> None:
        super()._configure()
        with self._properties_file.open("a", encoding="utf-8") as file:
            file.write(ENFORCED)


@pytest.fixture
def strict_kafka(tmp_path: Path) -> Iterator[EmbeddedKafka]:
    yield from running(StrictKafka(tmp_path / "strict-kafka"))


async def allow(kafka: EmbeddedKafka, kind: int, name: str, *operations: int) -> None:
    admin = AIOKafkaAdminClient(bootstrap_servers=kafka.bootstrap)
    await admin.start()
    try:
        for operation in operations:
            request = CreateAclsRequest(kind, name, LITERAL, "User:*", "*", operation, ALLOW)
            answer = await admin._send_request(request, admin._client.cluster.controller.nodeId)
            assert [code for code, _ in answer.creation_responses] == [0], answer
    finally:
        await admin.close()


async def shop_on(kafka: EmbeddedKafka, prefix: str) -> Shop:
    shop = Shop(kafka, prefix)
    await shop.fill([bad(shop, "empty", b"x", "2026-01-01T00:00:00Z", partition=0)])
    return shop


async def test_what_is_not_allowed_is_named_and_nothing_is_sent(strict_kafka: EmbeddedKafka) -> None:
    unseen, unread, unwritten, raw, fixed = [
        await shop_on(strict_kafka, prefix) for prefix in ("seen-", "read-", "written-", "raw-", "id-")
    ]
    await allow(strict_kafka, TOPIC, unseen.audit, DESCRIBE_CONFIGS)
    await produce(strict_kafka.bootstrap, unread.audit, [Raw(b"something to read")])
    await allow(strict_kafka, TOPIC, unread.audit, DESCRIBE)
    await allow(strict_kafka, TOPIC, unwritten.audit, READ)
    await allow(strict_kafka, TOPIC, raw.raw, READ)
    await allow(strict_kafka, TRANSACTIONAL_ID, "id-sluice-quarantine", DESCRIBE)
    said = {
        shop: f"sluice: Kafka gives no right to {what}{ACCESS}"
        for shop, what in (
            (unseen, f"Read topic {unseen.audit}"),
            (unread, f"Read topic {unread.audit}"),
            (unwritten, f"Write topic {unwritten.audit}"),
            (raw, f"Write topic {raw.raw}"),
            (fixed, "Write transactional id id-sluice-quarantine"),
        )
    }
    for shop, line in said.items():
        done = shop.run("replay", "--all")
        assert (done.returncode, done.stderr.decode()) == (1, line)
        assert await read_all(strict_kafka.bootstrap, shop.raw) == []
    assert unread.run("list").stderr.decode() == said[unread]
