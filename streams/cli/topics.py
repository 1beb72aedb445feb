"""`sluice topics create|list`."""

from __future__ import annotations

import re
from dataclasses import asdict
from typing import Any

import click

from streams.cli.common import ask_kafka, echo_json, json_option, list_options, say, timeout_option
from streams.cli.page import Page, echo_page
from streams.cli.screen import Screen, screen_of
from streams.cli.table import Cell, Column, Kind, blocks, table
from streams.cli.topics_acls import echo_acls
from streams.cli.tsv import echo_tsv
from streams.kafka import topics as bus_topics
from streams.kafka.acls import ROLES
from streams.kafka.availability import connected_admin
from streams.settings import Settings

LONGEST_SECONDS = 60.0
COLUMNS = (
    Column("topic"), Column("there"), Column("partitions", Kind.NUMBER), Column("cleanup"), Column("access"),
    Column("purpose", Kind.TEXT),
)  # fmt: skip
LEAST_NEEDED = ("purpose", "access")
MEMBERS = ("topic", "exists", "partitions", "cleanup", "access", "purpose")


def _principal(ctx: click.Context, param: click.Parameter, value: str) -> str:  # noqa: ARG001
    if not re.fullmatch(r"\w+:\S.*", value):
        raise click.BadParameter(f"{value} is no principal, such as User:sluice")
    return value


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
@click.option("--acls", "as_acls", is_flag=True, help="Print what an access list needs, as commands.")
@click.option(
    "--principal",
    default="User:sluice",
    show_default=True,
    callback=_principal,
    help="Whom the access list is for, with --acls.",
)
@click.option(
    "--role",
    "roles",
    type=click.Choice(ROLES),
    multiple=True,
    help="What a role needs, alone, with --acls; may be given several times. Without it: all roles.",
)
@timeout_option
@list_options
def list_(
    *, as_acls: bool, principal: str, roles: tuple[str, ...], timeout_seconds: float, as_json: bool,
    as_tsv: bool,
) -> None:  # fmt: skip
    """List topics, consumer groups and transactional ids; or what an access list needs.

    --tsv has the topics alone. With --acls it prints commands of Kafka's own kafka-acls, one a line, for a
    role or for all; Kafka is not asked. Each role may do what it has to, and nothing more.

    \b
    Examples:
      sluice topics list
      sluice topics list --acls --role api --principal User:sluice-api
      sluice topics list --acls --role views --role bronze --role gates | sh
    """
    settings = Settings.load()
    if as_acls:
        echo_acls(settings, principal, roles or ROLES, as_json=as_json, as_tsv=as_tsv)
        return
    if roles:
        raise click.UsageError("--role is for --acls")
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
        "groups": [settings.group(role) for role in ("views", "bronze", "gates", "notify")],
        "transactional_ids": bus_topics.transactional_ids(settings, partitions),
    }
