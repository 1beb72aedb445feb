"""The restoration of all source partitions, one after the other."""

from __future__ import annotations

from collections.abc import Sequence

from faust.types import TP

from agents.bronze.store import Store
from schemas.validation.validator import Validator
from streams.kafka.topology import partition_counts
from streams.registry.schemas import Schemas
from streams.restore.partition import PartitionRestore, Progress, Restored
from streams.restore.past import PastPartition, check_kafka
from streams.settings import Settings
from streams.store.bronze_rows import BronzeRanges


async def restore(
    settings: Settings,
    stores: Sequence[Store],
    past: Sequence[PastPartition],
    *,
    resume: bool,
    dry_run: bool,
    progress: Progress,
) -> list[Restored]:
    """Restore what these former Bronzes have, `past`; `dry_run`: check alone whether it can be.

    Memory holds one partition's state and one of Bronze's ranges. Raises `RestoreError`, `StoreError`,
    `CorruptFileError`, `FeedFormatError` and aiokafka's errors.
    """
    now = await check_kafka(settings, past, resume=resume)
    if dry_run:
        return [Restored(one, 0) for one in past]
    schemas = Schemas(settings, final=True)  # by which bad records in wire format are told apart
    await schemas.read()
    validator = Validator(settings.max_event_bytes, schemas.known)
    sources = sum((await partition_counts(settings, settings.raw_topics)).values())
    return [
        await PartitionRestore(
            settings,
            one,
            BronzeRanges(None, one.topic, one.partition, validator, stores),
            validator,
            topic=now.get(TP(one.topic, one.partition)),
            sources=sources,
            progress=progress,
        ).run()
        for one in past
    ]
