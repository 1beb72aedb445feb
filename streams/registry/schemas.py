"""Decides about the schemas of records, for all processes alike: asks the registry, and writes what it said
to the log of schemas.

What is in the log is never asked for again: it is read after a restart, whether the registry answers or not,
and an id keeps its meaning. About an id that is not in it, the registry is asked for a second where it says
that it has no such schema, and for `SLUICE_REGISTRY_WAIT_SECONDS` where it does not answer. Then the id is
given up for records up to a moment from now, the longer the more often; later ones make it be asked again.
"""

from __future__ import annotations

import asyncio
import logging
import math
from collections.abc import Awaitable, Callable, Iterable, Mapping
from functools import partial
from pathlib import Path
from typing import Protocol
from urllib.parse import unquote, urlsplit

from aiokafka.errors import KafkaError

from agents.backoff import Backoff
from schemas.validation.avro.known_schemas import KnownSchemas
from schemas.validation.avro.log_entries import Entry, SchemaEntry, UnknownEntry
from schemas.validation.avro.writer_schema import LARGEST_SCHEMA_BYTES, TOO_LARGE
from streams.clock import SYSTEM_CLOCK, Clock
from streams.kafka.refusals import in_words
from streams.registry.client import NotRegisteredError, Registered, RegistryClient, RegistryError
from streams.registry.folder import SchemaFolder
from streams.registry.schema_log import SchemaLog
from streams.settings import Settings

log = logging.getLogger(__name__)

ABSENT_SECONDS = 1.0
"""For how long the registry may say that it has no schema: one is registered before its first record is sent,
but not always on every node."""
FIRST_PAUSE_SECONDS = 0.1
LONGEST_PAUSE_SECONDS = 2.0
LONGEST_UNKNOWN_SECONDS = 60
AT_ONCE = 8
MOST_UNKNOWN = 64
"""More ids at once than that, of which the registry has none, are no ids: all that have no schema are given
up for a moment, so that a flood of garbage does not wait for each of its."""
FLOOD_SECONDS = 10
RETRY_SECONDS = 1.0
TELL_SECONDS = 10.0


class Source(Protocol):
    """Where schemas are found; `url` for people."""

    url: str

    async def schema(self, schema_id: int) -> Registered:
        """The schema of an id. Raises `NotRegisteredError` and `RegistryError`."""

    async def aclose(self) -> None:
        """Close what is open."""


def source_of(settings: Settings) -> Source | None:
    """The registry, or the folder, that the settings name; None: they name none. Raises `SettingError`."""
    url = settings.schema_registry_url
    if not url:
        return None
    if url.startswith("file:"):
        return SchemaFolder(Path(unquote(urlsplit(url).path)))
    return RegistryClient.of(settings)


class Schemas:
    """The schemas of one process. `known` reads records; None: no registry is set, and every id is unknown.

    With `final` what is undecided is unknown to it: of one who looks at records, and decides nothing; it may
    `foresee`.
    """

    def __init__(self, settings: Settings, clock: Clock = SYSTEM_CLOCK, *, final: bool = False) -> None:
        self.known = KnownSchemas(final=final) if settings.schema_registry_url else None
        self._source = None if final else source_of(settings)
        self._settings = settings
        self._wait_seconds = settings.registry_wait_seconds
        self._log = SchemaLog(settings, self.known.take) if self.known is not None else None
        self._clock = clock
        self._told_until = -math.inf
        self._foreseen: set[int] = set()
        self._absent = 0

    async def read(self) -> None:
        """Take what has been decided so far."""
        if self._log is not None:
            await self._patiently(self._log.read)

    async def decide(self, ids: Mapping[int, int]) -> None:
        """Returns when records of these ids can be judged, up to a Kafka timestamp (ms) of each.

        Waits for Kafka without bound. Raises `RefusedError` without the topic of the log.
        """
        assert self._log is not None
        began = self._clock.monotonic()
        backoff = Backoff(LONGEST_PAUSE_SECONDS, FIRST_PAUSE_SECONDS)
        await self._patiently(self._log.read)
        while left := self._undecided(ids):
            answers = await self._ask(left)
            entries = self._entries(left, answers, self._clock.monotonic() - began)
            if entries:  # what others wrote before them counts instead
                await self._patiently(partial(self._log.append, entries))
            else:
                self._tell_waiting(answers.values())
                await backoff.pause()

    async def foresee(self, number: int, timestamp_ms: int) -> None:
        """Have `known` read records of an id as it would once workers had asked for it; nothing is written.

        An id is asked for once, and none after `MOST_UNKNOWN` that could not be had.
        """
        if self.known is None or number in self._foreseen or self._absent > MOST_UNKNOWN:
            return
        self._foreseen.add(number)
        if not self.known.is_decided(number, timestamp_ms):
            self._source = self._source or source_of(self._settings)
            (answer,) = (await self._ask([number])).values()
            if isinstance(answer, Registered):
                self.known.take(entry_of(number, answer))
            else:
                self._absent += 1

    async def close(self) -> None:
        """Close connections to the registry."""
        if self._source is not None:
            await self._source.aclose()

    def _undecided(self, ids: Mapping[int, int]) -> dict[int, int]:
        assert self.known is not None
        is_decided = self.known.is_decided
        return {number: newest for number, newest in ids.items() if not is_decided(number, newest)}

    async def _ask(self, ids: Iterable[int]) -> dict[int, Registered | RegistryError]:
        """What the registry answers about each id."""
        room = asyncio.Semaphore(AT_ONCE)

        async def ask(number: int) -> Registered | RegistryError:
            assert self._source is not None
            async with room:
                try:
                    return await self._source.schema(number)
                except RegistryError as error:
                    return error

        asked = list(ids)
        return dict(zip(asked, await asyncio.gather(*map(ask, asked)), strict=True))

    def _entries(
        self, newest: Mapping[int, int], answers: Mapping[int, Registered | RegistryError], waited: float
    ) -> list[Entry]:
        """What is to be written down: schemas that were found, and ids that are waited for no longer."""
        entries: list[Entry] = []
        given_up: dict[int, str] = {}
        for number, answer in answers.items():
            if isinstance(answer, Registered):
                entries.append(entry_of(number, answer))
            else:
                absent = isinstance(answer, NotRegisteredError)
                if waited >= (min(ABSENT_SECONDS, self._wait_seconds) if absent else self._wait_seconds):
                    given_up[number] = str(answer)
        if len(given_up) > MOST_UNKNOWN:
            before_ms = self._moment(FLOOD_SECONDS, max(newest[number] for number in given_up))
            why = f"{len(given_up)} ids at once that have no schema, such as {min(given_up)}"
            log.error(
                "every schema that is not known is given up for the records up to %d s from now: %s. Once"
                " they are there, `sluice quarantine replay --reason unknown_schema_id` sends them again",
                FLOOD_SECONDS, why,
            )  # fmt: skip
            entries.append(UnknownEntry((), before_ms, why))
        else:
            entries += [self._unknown(number, newest[number], why) for number, why in given_up.items()]
        return entries

    def _unknown(self, number: int, newest_ms: int, why: str) -> UnknownEntry:
        assert self.known is not None
        doublings = min(self.known.times_unknown.get(number, 0), LONGEST_UNKNOWN_SECONDS.bit_length())
        seconds = min(2**doublings, LONGEST_UNKNOWN_SECONDS)
        log.error(
            "schema %d is given up for the records up to %d s from now: %s. Once it is there,"
            " `sluice quarantine replay --reason unknown_schema_id` sends them again", number, seconds, why,
        )  # fmt: skip
        return UnknownEntry((number,), self._moment(seconds, newest_ms), why)

    def _moment(self, seconds: int, newest_ms: int) -> int:
        """So long from now, and after the newest record that waits (ms)."""
        return max(self._clock.wall_ms() + seconds * 1000, newest_ms + 1)

    def _tell_waiting(self, answers: Iterable[Registered | RegistryError]) -> None:
        errors = [answer for answer in answers if isinstance(answer, RegistryError)]
        now = self._clock.monotonic()
        if errors and now >= self._told_until:
            self._told_until = now + TELL_SECONDS
            log.warning("records wait for their schemas: %s", errors[0])

    async def _patiently(self, step: Callable[[], Awaitable[None]]) -> None:
        """Until Kafka does it."""
        while True:
            try:
                return await step()
            except (KafkaError, OSError) as error:
                log.warning("the log of schemas: %s; trying again", in_words(error))
                await asyncio.sleep(RETRY_SECONDS)


def entry_of(number: int, found: Registered) -> SchemaEntry:
    """What the log says of an id of which the registry has this."""
    if len(found.text.encode()) + sum(len(text.encode()) for text in found.references) > LARGEST_SCHEMA_BYTES:
        return SchemaEntry(number, TOO_LARGE, "")
    return SchemaEntry(number, found.kind, found.text, found.references)
