"""What Avro costs a worker beside JSON: `sluice worker views`, all views, on the same events in both.

The good events of the one topic are in Confluent's wire format, by the generated schemas; the bad ones stay
as they are. The schemas come from a folder, and are in the log of schemas before a worker starts, as they are
whenever one is not the first: each is then compiled once, and none is waited for.
"""

from __future__ import annotations

import asyncio
import io
import json
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import fastavro
import msgspec

from schemas.avro_schema import wire_schema
from schemas.catalogue import EVENTS
from streams.registry.schemas import Schemas
from streams.settings import Settings
from streams.sources.market import Record
from streams.sources.market.bad import SCHEMA_IDS
from tests.bench import worker
from tests.bench.contest import Arena, Run, hold
from tests.bench.stage import filled_topic, say
from tests.bench.workloads import WORKLOADS
from tests.support.wire import framed

WORKLOAD = "catalogue"
LABELS = {"json": "sluice worker views, JSON", "avro": "sluice worker views, Avro"}
IDS = {name: number for number, name in enumerate(sorted(EVENTS), 1)}
LAST_MS = 2**45
"""A Kafka timestamp after those of all records."""


def measure(server: str, folder: Path, count: int, rounds: int) -> dict[str, Run]:
    """Run a worker on `count` events in JSON and one on them in Avro, by turns."""
    schemas = write_schemas(folder / "schemas")
    topics = {
        "json": asyncio.run(filled_topic(server, WORKLOAD, count)),
        "avro": asyncio.run(filled_topic(server, WORKLOAD, count, in_avro, form="avro")),
    }
    arenas = {form: Arena(server, topic, count, folder) for form, topic in topics.items()}
    return hold({form: partial(once, arena, schemas) for form, arena in arenas.items()}, rounds, say)


def once(arena: Arena, schemas: Path) -> Run:
    """One worker from the topic's beginning to its end; void, unless the bad events alone are quarantined."""
    return asyncio.run(_once(arena, schemas))


async def _once(arena: Arena, schemas: Path) -> Run:
    more = {"SLUICE_SCHEMA_REGISTRY_URL": schemas.as_uri(), "SLUICE_REGISTRY_WAIT_SECONDS": "0"}
    async with worker.read_through(arena, "all", more, decide_all) as (_, child, run):
        found = (await asyncio.to_thread(worker.outcomes, child))["quarantined"]
    bad = arena.events // WORKLOADS[WORKLOAD].bad_every
    return run if found == bad else run._replace(void=f"{found:,} events are quarantined, {bad:,} are bad")


async def decide_all(settings: Settings) -> None:
    """Have the log of schemas say of every id on the topic what the folder says."""
    schemas = Schemas(settings)
    await schemas.decide(dict.fromkeys([*IDS.values(), *SCHEMA_IDS], LAST_MS))
    await schemas.close()


def write_schemas(folder: Path) -> Path:
    """The folder that stands for a registry, with a schema of each event."""
    folder.mkdir(exist_ok=True)
    for name, number in IDS.items():
        (folder / f"{number}.avsc").write_text(json.dumps(wire_schema(EVENTS[name])), "utf-8")
    return folder


def in_avro(records: Iterator[Record]) -> Iterator[Record]:
    """The same records, the good ones in Avro."""
    writers = {name: fastavro.parse_schema(wire_schema(EVENTS[name]), {}) for name in EVENTS}
    bad_every = WORKLOADS[WORKLOAD].bad_every
    for number, record in enumerate(records, 1):
        if number % bad_every == 0:
            yield record
            continue
        event = msgspec.json.decode(record.value or b"")
        body = io.BytesIO()
        fastavro.schemaless_writer(body, writers[event["event"]], event)
        yield record._replace(value=framed(IDS[event["event"]], body.getvalue()))
