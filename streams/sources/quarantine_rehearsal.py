"""What a replay of the quarantine would do now, record by record, without sending anything."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import AsyncIterator
from dataclasses import dataclass, field

from agents.quarantine.record import QuarantineRecord
from agents.quarantine.repair import Repaired
from schemas.validation.avro.known_schemas import schema_id_of
from schemas.validation.reasons import Quarantined
from schemas.validation.validator import Validator
from streams.registry.schemas import Schemas
from streams.settings import Settings
from streams.sources.quarantine_audit import read_audit
from streams.sources.quarantine_replay import MOST_RECORDS, Outcome, Work, to_do


@dataclass
class Verdicts:
    """How many of the records would be accepted now, and why the others would not: (reason, field)."""

    passing: int = 0
    failing: Counter[tuple[str, str]] = field(default_factory=Counter)


async def count(
    settings: Settings, records: AsyncIterator[QuarantineRecord], outcome: Outcome, work: Work
) -> None:
    """Count the records that the work would be done on."""
    async for repaired in to_do(records, await read_audit(settings), outcome, work):
        outcome.sent[repaired.record.topic] += 1


async def rehearse(
    settings: Settings, records: AsyncIterator[QuarantineRecord], outcome: Outcome, work: Work
) -> Verdicts:
    """Count what `send_again` would do, as things are, without disturbing one that runs."""
    schemas = Schemas(settings, final=True)  # nothing is decided here
    try:
        await schemas.read()
        repaired = to_do(records, await read_audit(settings), outcome, work)
        return await _verdicts(schemas, settings, repaired, outcome)
    finally:
        await schemas.close()


async def _verdicts(
    schemas: Schemas, settings: Settings, records: AsyncIterator[Repaired], outcome: Outcome
) -> Verdicts:
    validator = Validator(settings.max_event_bytes, schemas.known)
    verdicts = Verdicts()
    async for repaired in records:
        outcome.sent[repaired.record.topic] += 1
        now_ms = time.time_ns() // 1_000_000
        number = schema_id_of(repaired.value)
        if number is not None:
            await schemas.foresee(number, now_ms)
        verdict = validator.validate_one(repaired.value, now_ms)
        if isinstance(verdict, Quarantined):
            verdicts.failing[verdict.reason.value, verdict.field] += 1
        else:
            verdicts.passing += 1
        if outcome.sent.total() % MOST_RECORDS == 0:
            outcome.tell(outcome.sent.total())
    return verdicts
