"""A raw topic and a quarantine whose records are made by hand, and the commands over them."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from typing import Any

from streams.embedded.broker import EmbeddedKafka
from tests.support.kafka import Raw, create_topics, produce
from tests.support.patience import PATIENCE

QUARANTINE = [sys.executable, "-m", "streams.cli.main", "quarantine"]


class Shop:
    """A raw topic, and a quarantine with records made by hand."""

    def __init__(self, kafka: EmbeddedKafka, prefix: str) -> None:
        self.kafka = kafka
        self.raw = f"{prefix}raw"
        self.quarantine = f"{prefix}events.quarantine"
        self.audit = f"{prefix}events.quarantine.audit"
        self.environment = {
            **os.environ, "SLUICE_KAFKA": kafka.bootstrap, "SLUICE_PREFIX": prefix,
            "SLUICE_RAW_TOPICS": self.raw,
        }  # fmt: skip

    async def fill(self, records: Sequence[Raw], partitions: int = 1) -> None:
        """Create the topics and put the records into the quarantine."""
        await create_topics(self.kafka.bootstrap, self.raw, self.quarantine, partitions=partitions)
        await create_topics(self.kafka.bootstrap, self.audit)
        await produce(self.kafka.bootstrap, self.quarantine, records)

    def run(self, *arguments: str) -> subprocess.CompletedProcess[bytes]:
        return subprocess.run(
            [*QUARANTINE, *arguments],
            env=self.environment,
            capture_output=True,
            check=False,
            timeout=60 * PATIENCE,
        )

    def listed(self, *arguments: str) -> dict[str, Any]:
        done = self.run("list", "--json", *arguments)
        assert done.returncode == 0, done.stderr
        answer: dict[str, Any] = json.loads(done.stdout)
        return answer


def bad(
    shop: Shop, reason: str, value: bytes | None, at: str, *, partition: int, key: bytes | None = b"k"
) -> Raw:
    headers = {
        "code": "EVENT_SCHEMA_INVALID", "reason": reason, "field": "amount_minor",
        "detail": "is not an integer",
        "topic": shop.raw, "partition": str(partition), "offset": "7", "quarantined_at": at,
    }  # fmt: skip
    return Raw(
        value,
        key,
        partition=partition,
        headers=tuple((name, text.encode()) for name, text in headers.items()),
    )
