"""`sluice topics create|list`."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

import click

from streams.cli.common import ask_kafka, echo_json, json_option, list_options, say, timeout_option
from streams.cli.page import Page, echo_page
from streams.cli.screen import Screen, screen_of
from streams.cli.table import Cell, Column, Kind, blocks, table
from streams.cli.tsv import echo_tsv
from streams.kafka import topics as bus_topics
from streams.kafka.availability import connected_admin
from streams.settings import Settings

LONGEST_SECONDS = 60.0
COLUMNS = (
    Column("topic"), Column("there"), Column("partitions", Kind.NUMBER), Column("cleanup"), Column("access"),
    Column("purpose", Kind.TEXT),
)  # fmt: skip
LEAST_NEEDED = ("purpose", "access")
MEMBERS = ("topic", "exists", "partitions", "cleanup", "access", "purpose")


@click.group()
def topics() -> None:
    """List and make the topics that Sluice reads and writes."""


@topics.command()
@timeout_option
@json_option
def create(*, timeout_seconds: float, as_json: bool) -> None:
    """Make the topics that are missing, and add partitions to those that have too few.

    The feed and the quarantine first, then the raw topics, up to SLUICE_PARTITIONS; none ever shrinks.

    What exists is not changed otherwise: a topic with another cleanup policy is refused.

    \b
    Examples:
      sluice topics create
      SLUICE_PARTITIONS=16 SLUICE_REPLICATION=3 sluice topics create
    """
    settings = Settings.load()
    made, wrong = ask_kafka(settings, bus_topics.create(settings), timeout_seconds, LONGEST_SECONDS)
    if as_json:
        echo_json({"made": made, "wrong": [asdict(finding) for finding in wrong]})
    else:
        for name in made:
            say(f"made {name}")
        if not made and not wrong:
            click.echo("all topics are there")
        for finding in wrong:
            say(f"sluice: topic {finding.topic} {finding.problem}: {finding.mend}", err=True)
    if wrong:
        raise click.exceptions.Exit(1)


@topics.command("list")
@timeout_option
@list_options
def list_(*, timeout_seconds: float, as_json: bool, as_tsv: bool) -> None:
    """List topics, consumer groups and transactional ids, such as an access list needs.

    --tsv has the topics alone.

    \b
    Examples:
      sluice topics list
      sluice topics list --json
    """
    settings = Settings.load()
    listed = ask_kafka(settings, _listing(settings), timeout_seconds, LONGEST_SECONDS)
    if as_json:
        echo_json(listed)
    elif as_tsv:
        echo_tsv(MEMBERS, listed["topics"])
    else:
        echo_page(_page(listed, screen_of()))


def _page(listed: dict[str, Any], screen: Screen) -> Page:
    rows = [
        (topic["topic"], Cell("yes") if topic["exists"] else Cell("no", "bad"), *map(topic.get, MEMBERS[2:]))
        for topic in listed["topics"]
    ]
    page = table(COLUMNS, rows, screen, LEAST_NEEDED)
    ids = [Column(heading, Kind.TEXT) for heading in ("consumer groups", "transactional ids")]
    lists = ", ".join(listed["groups"]), ", ".join(listed["transactional_ids"])
    return page._replace(below=[*page.below, "", *blocks(ids, [lists], screen).lines()])


async def _listing(settings: Settings) -> dict[str, Any]:
    wanted = bus_topics.plan(settings)
    async with connected_admin(settings) as admin:
        there = await bus_topics.describe(admin, [topic.name for topic in wanted])
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
