"""What the contestants must come to: money by group, computed from the generated events by itself.

It knows which events are bad from the generator, not by judging them, and reads the others with Python's own
json.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any, NamedTuple, Self

from streams.sources.market import Record
from tests.bench.load import partition_of
from tests.bench.stage import filled_topic, say
from tests.bench.workloads import WORKLOADS

Sums = dict[str, list[int]]
"""`event|city|currency|minute since 1970 UTC` → how many, and their amounts added up in minor units."""


class Expected(NamedTuple):
    """The right result of a topic's events."""

    records: int
    bad: int
    repeated: int
    """Good events that were on their partition before."""
    sums: Sums
    """With the repeated ones."""
    once: Sums
    """Without."""

    @classmethod
    def load(cls, file: Path) -> Self:
        """As `save` wrote it."""
        return cls(**json.loads(file.read_text(encoding="utf-8")))

    def save(self, file: Path) -> None:
        """Keep it for later runs on the same topic."""
        file.write_text(json.dumps(self._asdict()), encoding="utf-8")


class Oracle:
    """Adds up the records that pass through it; exactly every `bad_every`th is bad."""

    def __init__(self, bad_every: int) -> None:
        self._bad_every = bad_every
        self._records = self._bad = self._repeated = 0
        self._sums: Sums = {}
        self._once: Sums = {}
        self._seen: set[tuple[int, str]] = set()

    def watch(self, records: Iterator[Record]) -> Iterator[Record]:
        """Hand the records on, and add them up."""
        for record in records:
            self._records += 1
            if self._records % self._bad_every:
                self._add(record)
            else:
                self._bad += 1
            yield record

    def _add(self, record: Record) -> None:
        assert record.value is not None
        event: dict[str, Any] = json.loads(record.value)
        identity = partition_of(record.key), event["event_id"]
        is_new = identity not in self._seen
        self._seen.add(identity)
        self._repeated += not is_new
        payload = event["payload"]
        if "amount_minor" not in payload:
            return
        minute = int(datetime.fromisoformat(event["occurred_at"]).timestamp() // 60)
        group = f"{event['event']}|{event.get('city') or ''}|{payload['currency']}|{minute}"
        for sums in (self._sums, self._once) if is_new else (self._sums,):
            total = sums.setdefault(group, [0, 0])
            total[0] += 1
            total[1] += payload["amount_minor"]

    def expected(self) -> Expected:
        """What has been seen so far."""
        return Expected(self._records, self._bad, self._repeated, self._sums, self._once)


async def filled(server: str, workload: str, count: int, folder: Path) -> tuple[str, Expected]:
    """A workload's topic, filled if need be, and what is right for it; `folder` keeps the latter."""
    oracle = Oracle(WORKLOADS[workload].bad_every)
    topic = await filled_topic(server, workload, count, oracle.watch)
    kept = folder / f"{topic}.expected.json"
    if oracle.expected().records:
        oracle.expected().save(kept)
    elif not kept.is_file():
        say(f"adding up the events of {topic}")
        for _ in oracle.watch(WORKLOADS[workload].events(count)):
            pass
        oracle.expected().save(kept)
    return topic, Expected.load(kept)
