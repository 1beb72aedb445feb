"""Reading the quarantine's audit: what was done with each bad record."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from contextlib import aclosing
from typing import NamedTuple

from agents.quarantine.audit import OPEN, decode_audit
from agents.quarantine.record import QuarantineRecord
from streams.kafka.producer import NoTopicError, partition_count
from streams.kafka.topics import AUDIT
from streams.settings import Settings
from streams.sources.quarantine import committed_records, first_offsets


class Done(NamedTuple):
    """What was done with a bad record, when, by whom, and why if that was said."""

    action: str
    at: str
    by: str
    reason: str = ""


class Audit:
    """The newest that was done with each bad record, without the records: some 100 bytes for one.

    `first`: the first offset that each partition of the quarantine still has, so that what it has no more
    takes no memory. `unreadable` counts records of the audit that are none of ours.
    """

    def __init__(self, quarantine: str, first: Mapping[int, int]) -> None:
        self._quarantine = quarantine
        self._first = first
        self._done: defaultdict[int, dict[int, tuple[str, Done]]] = defaultdict(dict)
        self._same: dict[tuple[str, Done], tuple[str, Done]] = {}
        self.unreadable = 0

    def take(self, value: bytes | None) -> None:
        """A record of the topic; in their order."""
        record = decode_audit(value)
        if record is None or record.topic != self._quarantine:
            self.unreadable += 1
            return
        if record.offset < self._first.get(record.partition, 0):
            return
        found = record.quarantined_at, Done(record.action, record.at, record.by, record.reason or "")
        self._done[record.partition][record.offset] = self._same.setdefault(found, found)

    def of(self, record: QuarantineRecord) -> Done | None:
        """The newest that was done with a record; None: it is open."""
        found = self._done[record.at.partition].get(record.at.offset)
        return found[1] if found is not None and found[0] == record.quarantined_at else None

    def warnings(self) -> list[str]:
        """What is to be told of it."""
        if not self.unreadable:
            return []
        return [f"{self.unreadable:,} records of the audit are of another program, and passed over"]

    def state(self, record: QuarantineRecord) -> str:
        """`open`, or the newest action."""
        done = self.of(record)
        return OPEN if done is None else done.action


async def read_audit(settings: Settings) -> Audit:
    """The audit up to its last stable offset. Raises `RefusedError`: `NoTopicError` where there is none."""
    await audit_partitions(settings)
    audit = Audit(settings.topic("events.quarantine"), await first_offsets(settings))
    async with aclosing(committed_records(settings, settings.topic(AUDIT))) as records:
        async for record in records:
            audit.take(record.value)
    return audit


async def audit_or_none(settings: Settings) -> tuple[Audit, list[str]]:
    """The audit, with warnings; an empty one where there is none, as before a release that has it."""
    try:
        audit = await read_audit(settings)
    except NoTopicError as error:
        return Audit(settings.topic("events.quarantine"), {}), [f"not known what was replayed: {error}"]
    return audit, audit.warnings()


async def audit_partitions(settings: Settings) -> int:
    """How many partitions the audit has. Raises `NoTopicError`, which says how to mend it."""
    return await partition_count(settings, settings.topic(AUDIT), "Read")
