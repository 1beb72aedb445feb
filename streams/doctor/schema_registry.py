"""The schema registry: answering, and saying of every id what the log of schemas says of it."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence

from schemas.validation.avro.log_entries import Entry, SchemaEntry
from streams.doctor.finding import GOOD, NOTE, WRONG, Finding, Patient, some
from streams.registry.client import NotRegisteredError, RegistryError
from streams.registry.schema_log import SchemaLog
from streams.registry.schemas import Source, entry_of, source_of
from streams.settings import Settings

COMPARED = 100
"""The newest ids of the log that are compared: each takes a request at least."""
AT_ONCE = 8
NO_ID = 0
"""No registry gives it: that there is no such schema is an answer, to one who may ask."""
WHAT = "schema registry"


async def answers(patient: Patient) -> list[Finding]:
    """Whether the registry that is set answers us; nothing where none is."""
    source = source_of(patient.settings)
    if source is None:
        return []
    mend = (
        "see SLUICE_SCHEMA_REGISTRY_URL, and _USER, _PASSWORD_FILE, _TOKEN_FILE and _CA_FILE; until it"
        " answers, records of schemas that were never seen wait, and are then quarantined (unknown_schema_id)"
    )
    try:
        async with asyncio.timeout(patient.seconds):
            await source.schema(NO_ID)
    except NotRegisteredError:
        pass
    except RegistryError as error:
        return [Finding(WHAT, WRONG, str(error), mend)]
    except TimeoutError:
        return [Finding(WHAT, WRONG, f"{source.url}: no answer within {patient.seconds:g} s", mend)]
    finally:
        await source.aclose()
    return [Finding(WHAT, GOOD, f"{source.url} answers")]


async def ids_keep_their_meaning(patient: Patient) -> list[Finding]:
    """Ids of the log of schemas that mean something else, or nothing, to the registry.

    The newest `COMPARED` of them.
    """
    source = source_of(patient.settings)
    if source is None:
        return []
    try:
        newest = (await _logged(patient.settings))[-COMPARED:]
        return judge(newest, await _registered(source, newest))
    except RegistryError as error:
        mend = "mend that, and ask again: an id that has changed its meaning is not seen by workers"
        return [Finding("schema ids", WRONG, f"not compared with the log of schemas: {error}", mend)]
    finally:
        await source.aclose()


def judge(logged: Sequence[SchemaEntry], registered: Sequence[SchemaEntry | None]) -> list[Finding]:
    """What it comes to that the registry says this of these ids; None: that it has no such schema."""
    pairs = list(zip(logged, registered, strict=True))
    changed = [ours.id for ours, theirs in pairs if theirs is not None and _meaning(ours) != _meaning(theirs)]
    absent = [str(ours.id) for ours, theirs in pairs if theirs is None]
    found = [
        Finding(
            f"schema {number}",
            WRONG,
            "is another schema at the registry than in the log of schemas, by which its records are read",
            "restore the registry's backup, so that the id means what it did, and register the other schema"
            " anew; what was written with it under this id is to be sent again under its new id",
        )
        for number in changed
    ]
    if absent:
        is_another = len(absent) == len(logged)
        mend = (
            "if it was set up anew, restore its backup before anything is registered, or it gives these ids"
            " to other schemas; if it is another registry, set SLUICE_SCHEMA_REGISTRY_URL to the former one"
            if is_another
            else "nothing, if they were deleted on purpose: Sluice reads their records by the log of schemas"
        )
        text = f"the registry has no schema {some(absent)} any more"
        found.append(Finding("schema ids", WRONG if is_another else NOTE, text, mend))
    return found or [
        Finding("schema ids", GOOD, f"the newest {len(logged)} of the log mean the same at the registry")
    ]


async def _logged(settings: Settings) -> list[SchemaEntry]:
    """What the log says of each id that has a schema, in the order in which that was decided."""
    first: dict[int, SchemaEntry] = {}

    def take(entry: Entry) -> None:
        if isinstance(entry, SchemaEntry):
            first.setdefault(entry.id, entry)

    await SchemaLog(settings, take).read()
    return list(first.values())


async def _registered(source: Source, entries: Sequence[SchemaEntry]) -> list[SchemaEntry | None]:
    """What the log would say of these ids if they were asked for now. Raises `RegistryError`."""
    room = asyncio.Semaphore(AT_ONCE)

    async def ask(number: int) -> SchemaEntry | None:
        async with room:
            try:
                return entry_of(number, await source.schema(number))
            except NotRegisteredError:
                return None

    return await asyncio.gather(*(ask(entry.id) for entry in entries))


def _meaning(entry: SchemaEntry) -> tuple[object, ...]:
    """Its schema, whatever the white space and the order of members."""
    return entry.kind, _parsed(entry.text), *map(_parsed, entry.references)


def _parsed(text: str) -> object:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return text
