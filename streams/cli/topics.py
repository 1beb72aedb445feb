"""`sluice topics create|list`."""

from __future__ import annotations

import asyncio
from dataclasses import asdict
from typing import Any

import click
from rich.table import Table

from streams.bus import topics as bus_topics
from streams.bus.client import connected_admin
from streams.cli.common import ask_kafka, console, echo_json, json_option
from streams.settings import Settings

HEADINGS = ("topic", "there", "partitions", "cleanup", "access", "purpose")


@click.group()
def topics() -> None:
    """List and make the topics that Sluice reads and writes."""


@topics.command()
@json_option
def create(*, as_json: bool) -> None:
    """Make the topics that are missing, and add partitions to those that have too few.

    The feed and the quarantine first, then the raw topics, up to SLUICE_PARTITIONS; none ever shrinks.

    What exists is not changed otherwise: a topic with another cleanup policy is refused.

    \b
    Examples:
      sluice topics create
      SLUICE_PARTITIONS=16 SLUICE_REPLICATION=3 sluice topics create
    """
    settings = Settings.load()
    made, wrong = ask_kafka(settings, bus_topics.create(settings), seconds=60)
    if as_json:
        echo_json({"made": made, "wrong": [asdict(finding) for finding in wrong]})
    else:
        for name in made:
            click.echo(f"made {name}")
        if not made and not wrong:
            click.echo("all topics are there")
        for finding in wrong:
            click.echo(f"sluice: topic {finding.topic} {finding.problem}: {finding.mend}", err=True)
    if wrong:
        raise click.exceptions.Exit(1)


@topics.command("list")
@json_option
def list_(*, as_json: bool) -> None:
    """List topics, consumer groups and transactional ids, such as an access list needs.

    \b
    Examples:
      sluice topics list
      sluice topics list --json
    """
    settings = Settings.load()
    listed = ask_kafka(settings, _listing(settings))
    if as_json:
        echo_json(listed)
        return
    table = Table(box=None, pad_edge=False)
    for heading in HEADINGS:
        table.add_column(heading, justify="right" if heading == "partitions" else "left")
    for topic in listed["topics"]:
        cells = {**topic, "there": "yes" if topic["exists"] else "[red]no[/]"}
        table.add_row(*(str(cells[heading]) for heading in HEADINGS))
    console().print(table)
    click.echo("\nconsumer groups:   " + ", ".join(listed["groups"]))
    click.echo("transactional ids: " + ", ".join(listed["transactional_ids"]))


async def _listing(settings: Settings) -> dict[str, Any]:
    wanted = bus_topics.plan(settings)
    admin = await connected_admin(settings)
    try:
        there = await asyncio.wait_for(bus_topics.describe(admin, [topic.name for topic in wanted]), 10)
    finally:
        await admin.close()
    listed, partitions = [], {}
    for topic in wanted:
        state = there.get(topic.name)
        count = state.partitions if state else topic.partitions
        if topic.raw:
            partitions[topic.name] = count
        listed.append({
            "topic": topic.name,
            "exists": state is not None,
            "partitions": count,
            "cleanup": state.config.get("cleanup.policy", topic.cleanup) if state else topic.cleanup,
            "access": "read" if topic.raw else "read and write",
            "purpose": topic.purpose,
        })  # fmt: skip
    return {
        "topics": listed,
        "groups": [settings.group(role) for role in ("views", "bronze", "gates")],
        "transactional_ids": bus_topics.transactional_ids(settings, partitions),
    }
