"""What is decided about ids that the registry does not have, and written to the log of schemas for all."""

from __future__ import annotations

import logging
import time
from pathlib import Path

import pytest

from schemas.validation.avro.log_entries import Entry, UnknownEntry
from streams.embedded.broker import EmbeddedKafka
from streams.kafka import topics
from streams.registry.schema_log import SchemaLog
from streams.registry.schemas import Schemas
from streams.settings import Settings


async def with_empty_folder(kafka: EmbeddedKafka, prefix: str, folder: Path) -> Settings:
    """A registry that has no schema, and is not waited for."""
    settings = Settings.load({
        "SLUICE_KAFKA": kafka.bootstrap, "SLUICE_PREFIX": prefix, "SLUICE_RAW_TOPICS": f"{prefix}events.raw",
        "SLUICE_SCHEMA_REGISTRY_URL": folder.as_uri(), "SLUICE_REGISTRY_WAIT_SECONDS": "0",
    })  # fmt: skip
    await topics.create(settings)
    return settings


async def logged(settings: Settings) -> list[Entry]:
    entries: list[Entry] = []
    await SchemaLog(settings, entries.append).read()
    return entries


async def test_an_id_is_given_up_for_longer_each_time(
    kafka: EmbeddedKafka, prefix: str, tmp_path: Path
) -> None:
    settings = await with_empty_folder(kafka, prefix, tmp_path)
    newest_ms = 0
    for seconds in (1, 2, 4):
        schemas = Schemas(settings)  # of one process after the other: it is in the log how often
        now_ms = int(time.time() * 1000)
        await schemas.decide({7: newest_ms})
        entry = (await logged(settings))[-1]
        assert isinstance(entry, UnknownEntry)
        assert entry.ids == (7,)
        assert entry.before_ms >= now_ms + seconds * 1000
        newest_ms = entry.before_ms
    await schemas.decide({7: newest_ms - 1})  # so much is decided
    assert len(await logged(settings)) == 3


async def test_a_flood_of_ids_is_given_up_by_one_entry_and_told(
    kafka: EmbeddedKafka, prefix: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    settings = await with_empty_folder(kafka, prefix, tmp_path)
    newest_ms = int(time.time() * 1000) + 3_600_000
    caplog.set_level(logging.ERROR, "streams.registry.schemas")
    await Schemas(settings).decide(dict.fromkeys(range(100, 165), newest_ms))
    (entry,) = await logged(settings)
    assert isinstance(entry, UnknownEntry)
    assert (entry.ids, entry.before_ms) == ((), newest_ms + 1)
    (record,) = caplog.records
    assert "65 ids at once that have no schema, such as 100" in record.getMessage()
