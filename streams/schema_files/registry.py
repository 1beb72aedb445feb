"""The events' Avro schemas in a schema registry: what is there, and making them the newest versions."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable, Iterable
from enum import StrEnum
from typing import NamedTuple, TypeVar

from schemas.avro_schema import wire_schema
from schemas.compatibility.changes import Former
from schemas.spec import EventSpec
from schemas.validation.avro.writer_schema import AVRO
from streams.registry.client import IncompatibleError, RegistryClient
from streams.schema_files.former import FormerError, checked_avro

AT_ONCE = 8
T = TypeVar("T")


class Subjects(StrEnum):
    """How subjects are called, after Confluent's strategies for topics with events of many kinds.

    `topic-record` (TopicRecordNameStrategy): a subject for each event and topic, so that a topic's consumers
    rely on what is on it alone. `record` (RecordNameStrategy): one for each event, whatever the topic.
    """

    TOPIC_RECORD = "topic-record"
    RECORD = "record"

    def of(self, spec: EventSpec, topic: str) -> str:
        """The subject of an event."""
        schema = wire_schema(spec)
        record = f"{schema['namespace']}.{schema['name']}"
        return record if self is Subjects.RECORD else f"{topic}-{record}"


class State(StrEnum):
    """What became of an event's schema, or, in a dry run, would."""

    REGISTERED = "registered"
    UNCHANGED = "unchanged"
    REFUSED = "refused"


class Entry(NamedTuple):
    """An event's schema in the registry; `id` where it has one, `reason` where it is refused."""

    event: str
    subject: str
    state: State
    id: int | None = None
    reason: str = ""


class Publication(NamedTuple):
    """The schemas of these events on their way to a registry. `level`: the compatibility that their subjects
    are to have; None leaves it as it is."""

    client: RegistryClient
    specs: tuple[EventSpec, ...]
    topic: str
    subjects: Subjects = Subjects.TOPIC_RECORD
    level: str | None = None

    async def look(self) -> list[Entry]:
        """What a publication would do, by the levels that there are. Raises `RegistryError`."""
        return await _each(self.specs, self._look)

    async def publish(self) -> list[Entry]:
        """Register what is new, unless any is refused: then nothing is. Raises `RegistryError`."""
        await _each(self.specs, self._set_level)
        found = await self.look()
        if any(entry.state is State.REFUSED for entry in found):
            return found
        by_name = {spec.name: spec for spec in self.specs}
        new = [by_name[entry.event] for entry in found if entry.state is State.REGISTERED]
        registered = {entry.event: entry for entry in await _each(new, self._register)}
        return [registered.get(entry.event, entry) for entry in found]

    async def _look(self, spec: EventSpec) -> Entry:
        subject, text = self._subject(spec), schema_text(spec)
        number = await self.client.id_of(subject, text)
        if number is not None:
            return Entry(spec.name, subject, State.UNCHANGED, number)
        problems = await self.client.problems(subject, text)
        if problems:
            return Entry(spec.name, subject, State.REFUSED, reason="; ".join(problems))
        return Entry(spec.name, subject, State.REGISTERED)

    async def _register(self, spec: EventSpec) -> Entry:
        subject = self._subject(spec)
        try:
            number = await self.client.register(subject, schema_text(spec))
        except IncompatibleError as error:  # by what was registered since it was looked at
            return Entry(spec.name, subject, State.REFUSED, reason=str(error))
        if self.level is not None and await self.client.compatibility(subject) != self.level:
            await self.client.set_compatibility(subject, self.level)
        return Entry(spec.name, subject, State.REGISTERED, number)

    async def _set_level(self, spec: EventSpec) -> None:
        """Of a subject that has versions: not every registry takes the level of one that has none."""
        subject = self._subject(spec)
        if self.level is None or await self.client.latest(subject) is None:
            return
        if await self.client.compatibility(subject) != self.level:
            await self.client.set_compatibility(subject, self.level)

    def _subject(self, spec: EventSpec) -> str:
        return self.subjects.of(spec, self.topic)


def schema_text(spec: EventSpec) -> str:
    """An event's Avro schema as it is registered: the same text for the same declaration."""
    return json.dumps(wire_schema(spec), ensure_ascii=False, separators=(",", ":"))


async def of_registry(
    client: RegistryClient, specs: Iterable[EventSpec], topic: str, subjects: Subjects
) -> dict[str, Former]:
    """Event → its newest schema in the registry. Raises `RegistryError` and `FormerError`."""

    async def former(spec: EventSpec) -> tuple[str, Former | None]:
        subject = subjects.of(spec, topic)
        found = await client.latest(subject)
        if found is None:
            return spec.name, None
        if found.kind != AVRO:
            raise FormerError(f"subject {subject} holds a schema of type {found.kind}, not {AVRO}")
        return spec.name, Former(avro=_parsed(found.text, f"the newest version of subject {subject}"))

    found = await _each(specs, former)
    return {event: schemas for event, schemas in found if schemas is not None}


def _parsed(text: str, what: str) -> dict[str, object]:
    try:
        schema = json.loads(text)
    except (ValueError, RecursionError):
        schema = None
    if not isinstance(schema, dict):
        raise FormerError(f"{what} is no Avro record")
    return checked_avro(schema, what)


async def _each(specs: Iterable[EventSpec], do: Callable[[EventSpec], Awaitable[T]]) -> list[T]:
    """In their order, a few at a time; the first failure ends it."""
    slots = asyncio.Semaphore(AT_ONCE)

    async def one(spec: EventSpec) -> T:
        async with slots:
            return await do(spec)

    return await asyncio.gather(*map(one, specs))
