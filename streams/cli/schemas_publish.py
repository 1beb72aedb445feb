"""`sluice schemas publish`: the events' Avro schemas into a schema registry; and asking one."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable
from typing import TypeVar

import click

from schemas.compatibility.changes import Former
from schemas.spec import EventSpec
from streams.cli.common import Failure, WrongUsage, echo_json, json_option
from streams.cli.page import echo_page
from streams.cli.schemas_options import declared, extension_option
from streams.cli.screen import screen_of
from streams.cli.table import Column, Kind, table
from streams.registry.client import LEVELS, RegistryClient, RegistryError
from streams.schema_files.registry import Entry, Publication, State, Subjects, of_registry
from streams.settings import PREFIX, Settings

T = TypeVar("T")


@click.command()
@click.option(
    "--compatibility",
    type=click.Choice(LEVELS),
    help="The level that the subjects are to have.  [default: theirs]",
)
@click.option(
    "--subjects",
    type=click.Choice([one.value for one in Subjects]),
    default=Subjects.TOPIC_RECORD.value,
    show_default=True,
    help="Names of subjects: <topic>-<record> (TopicRecordNameStrategy) or <record> (RecordNameStrategy).",
)
@click.option("--topic", help="The topic in subjects' names.  [default: the first of SLUICE_RAW_TOPICS]")
@click.option("--dry-run", is_flag=True, help="Only say what would be registered, and what would be refused.")
@extension_option
@json_option
def publish(
    *, compatibility: str | None, subjects: str, topic: str | None, dry_run: bool, extension: str | None,
    as_json: bool,
) -> None:  # fmt: skip
    """Register the events' Avro schemas in the registry of SLUICE_SCHEMA_REGISTRY_URL.

    What is registered already stays: a second run does nothing. If the registry refuses one as incompatible,
    none is registered, and the exit code is 1. A topic has events of many kinds, so each has a subject.

    \b
    Examples:
      sluice schemas publish --dry-run
      sluice schemas publish --compatibility BACKWARD
      sluice schemas publish --subjects record --json
    """
    settings = Settings.load()
    specs = tuple(declared(extension).values())

    async def published(client: RegistryClient) -> list[Entry]:
        plan = Publication(client, specs, topic or settings.raw_topics[0], Subjects(subjects), compatibility)
        return await (plan.look() if dry_run else plan.publish())

    found = ask_registry(settings, published)
    _tell(found, settings.schema_registry_url, dry_run=dry_run, as_json=as_json)


def registered(specs: dict[str, EventSpec]) -> dict[str, Former]:
    """Event → its newest schema in the registry, by the default subjects. Raises `Failure`, `FormerError`."""
    settings = Settings.load()
    topic = settings.raw_topics[0]
    return ask_registry(
        settings, lambda client: of_registry(client, specs.values(), topic, Subjects.TOPIC_RECORD)
    )


def ask_registry(settings: Settings, question: Callable[[RegistryClient], Awaitable[T]]) -> T:
    """Ask the registry of the settings. Raises `Failure` where it fails, `WrongUsage` where there is none."""
    if not settings.schema_registry_url.startswith(("http://", "https://")):
        variable = f"{PREFIX}SCHEMA_REGISTRY_URL"
        raise WrongUsage(f"{variable} names no registry: set it to an address like http://registry:8081")

    async def asked() -> T:
        async with RegistryClient.of(settings) as client:
            return await question(client)

    try:
        return asyncio.run(asked())
    except RegistryError as error:
        raise Failure(str(error)) from None


def _tell(found: list[Entry], url: str, *, dry_run: bool, as_json: bool) -> None:
    counts = Counter(entry.state for entry in found)
    refused = [entry for entry in found if entry.state is State.REFUSED]
    if as_json:
        entries = [entry._asdict() | {"state": entry.state.value} for entry in found]
        echo_json({"registry": url, "dry_run": dry_run, "schemas": entries})
        if refused:
            raise click.exceptions.Exit(1)
        return
    if refused:
        columns = (Column("event"), Column("subject"), Column("the registry says", Kind.TEXT))
        rows = [(entry.event, entry.subject, entry.reason) for entry in refused]
        echo_page(table(columns, rows, screen_of()))
        raise Failure(
            f"{len(refused)} of {len(found)} schemas are refused by {url}, so none is registered:"
            " make the change compatible, or ask for another level"
        )
    new = counts[State.REGISTERED]
    verb = "would be registered" if dry_run else "registered"
    said = f"{new} schemas {verb}" if new else "nothing to register"
    click.echo(f"{said}, {counts[State.UNCHANGED]} are there already ({url})")
