"""What the commands that ask Kafka for a list show, by where: `make gold` writes tests/golden anew."""

from __future__ import annotations

import asyncio
import json

import pytest

from agents.quarantine.audit import AuditRecord, encode_audit
from streams.embedded.broker import EmbeddedKafka
from tests.support.golden import Golden
from tests.support.kafka import Raw, create_topics, produce
from tests.support.terminal import every_way

SHOWN_PREFIX = "market-eu-1-"
"""In place of a test's own, and as long."""
AT = "2026-03-01T09:00:0{}.123Z"
CHARGE = {
    "event_id": "e-81723", "event": "charge.succeeded", "version": 1, "occurred_at": "2026-03-01T08:59:59Z",
    "source": "billing", "city": "london", "payload": {"charge_id": "ch_1", "amount_minor": "18.67"},
}  # fmt: skip
WHY = (
    ("EVENT_SCHEMA_INVALID", "payload_field", "payload.amount_minor", "is not an integer"),
    ("EVENT_ENVELOPE_INVALID", "not_json", "", "expected `,` or `}` at byte 4,093 of 65,536 " * 7),
    ("EVENT_SCHEMA_INVALID", "payload_field", "payload.provider_id", "has control characters: \x1b[31m 東京"),
)
VALUES = (json.dumps(CHARGE).encode(), b"{" * 65_536, json.dumps({**CHARGE, "source": "a" * 64}).encode())


def bad(number: int, raw: str) -> Raw:
    code, reason, field, detail = WHY[number]
    headers = {
        "code": code, "reason": reason, "field": field, "detail": detail.strip(), "topic": raw,
        "partition": "12", "offset": str(2**53 - 1 - number), "quarantined_at": AT.format(number),
    }  # fmt: skip
    return Raw(VALUES[number], headers=tuple((name, text.encode()) for name, text in headers.items()))


async def fill(bootstrap: str, prefix: str, bad_records: list[Raw]) -> None:
    """A quarantine, and that its second record was dismissed."""
    topic, audit = f"{prefix}events.quarantine", f"{prefix}events.quarantine.audit"
    await create_topics(bootstrap, topic, audit)
    await produce(bootstrap, topic, bad_records)
    done = AuditRecord(
        action="dismissed", at="2026-03-02T10:11:12.5Z", by="alice@laptop", topic=topic, partition=0,
        offset=1, quarantined_at=AT.format(1), reason="a test of the producer's",
    )  # fmt: skip
    key, value = encode_audit(done)
    await produce(bootstrap, audit, [Raw(value, key)])


def shown(kafka: EmbeddedKafka, prefix: str, *arguments: str) -> dict[str, str]:
    environ = {"SLUICE_KAFKA": kafka.bootstrap, "SLUICE_PREFIX": prefix, "SLUICE_RAW_TOPICS": f"{prefix}raw"}
    found = every_way(arguments, **environ)
    return {where: said.replace(prefix, SHOWN_PREFIX) for where, said in found.items()}


@pytest.mark.parametrize("command", ["list", "summary"])
@pytest.mark.parametrize("number", [1, 3], ids=["one", "all"])
def test_the_quarantine(kafka: EmbeddedKafka, prefix: str, golden: Golden, command: str, number: int) -> None:
    asyncio.run(fill(kafka.bootstrap, prefix, [bad(record, f"{prefix}raw") for record in range(number)]))
    name = f"quarantine_{command}" + ("_largest" if number > 1 else "")
    golden.holds(name, shown(kafka, prefix, "quarantine", command))


def test_the_topics(kafka: EmbeddedKafka, prefix: str, golden: Golden) -> None:
    there = (f"{prefix}raw", f"{prefix}ops.gates")
    asyncio.run(create_topics(kafka.bootstrap, *there, cleanup_policy="compact"))
    golden.holds("topics_list", shown(kafka, prefix, "topics", "list"))
