"""`sluice quarantine summary`."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import click

from agents.quarantine.record import Position
from agents.quarantine.summary import BY, MOST_GROUPS, OTHER, Group, Summary, report
from streams.cli.common import echo_json, list_options, say, timeout_option
from streams.cli.formats import instant
from streams.cli.page import Page, echo_page
from streams.cli.parameters import names
from streams.cli.quarantine_selection import Chosen, ask, filters, position, state_of
from streams.cli.quarantine_work import Meter
from streams.cli.screen import Screen, screen_of
from streams.cli.table import Column, Kind, table
from streams.cli.tsv import echo_tsv
from streams.settings import Settings
from streams.sources.quarantine import quarantine_records
from streams.sources.quarantine_audit import audit_or_none
from tables.query.values import did_you_mean

DEFAULT = ("source", "event", "reason", "field")
MOST_SAMPLE = 240
"""Letters of a sample in a table; in JSON it is whole."""
TELL_EVERY = 500


def groups_by(text: str) -> list[str]:
    """The type of `--by`."""
    found = names(text)
    for name in found:
        if name not in BY:
            raise click.BadParameter(f"no {name!r}: take some of {', '.join(BY)}{did_you_mean(name, BY)}")
    if len(set(found)) < len(found):
        raise click.BadParameter("a name is there twice")
    return found


@click.command()
@click.argument("ids", nargs=-1, type=position, metavar="[ID…]")
@filters
@click.option(
    "--by", type=groups_by, default=",".join(DEFAULT), show_default=True, metavar="LIST",
    help=f"Group by some of {', '.join(BY)}.",
)  # fmt: skip
@timeout_option
@list_options
def summary(
    *, ids: tuple[Position, ...], by: list[str], timeout_seconds: float, as_json: bool, as_tsv: bool,
    **filters: Any,
) -> None:  # fmt: skip
    """Sum up bad records: whose they are, what is wrong, since when, how many, and how many are still open.

    Each group has a sample, the shape of its newest record: names and types, a `#` for each letter, no
    values. Event and source are what a record says of itself; `_unknown` if it does not, or is Avro.

    \b
    Examples:
      sluice quarantine summary
      sluice quarantine summary --by source,hour --state open
      sluice quarantine summary --source billing --by field,reason --from 2026-03-01 --json
    """
    settings = Settings.load()
    chosen = Chosen(**filters)
    meter = Meter("read")
    try:
        found, warnings = ask(settings, lambda: _read(settings, chosen, {*ids}, by, meter), timeout_seconds)
    finally:
        meter.end()
    warnings += chosen.warnings()
    groups = found.groups()
    if len(groups) > MOST_GROUPS:
        warnings.append(f"there are more than {MOST_GROUPS:,} groups: the rest is summed as {OTHER}")
    for warning in warnings:
        say(f"sluice: {warning}", err=True)
    if as_json:
        answer = {"records": found.records, "open": sum(group.open for group in groups)}
        echo_json(answer | {"groups": report(found, groups)} | ({"warnings": warnings} if warnings else {}))
        return
    if as_tsv:
        echo_tsv((*by, "records", "open", "first", "last", "id", "sample"), report(found, groups))
        return
    echo_page(_page(by, groups, screen_of()))
    click.echo()
    say(f"{found.records:,} records in {len(groups):,} groups, {sum(group.open for group in groups):,} open")


async def _read(
    settings: Settings, chosen: Chosen, ids: set[Position], by: Sequence[str], meter: Meter
) -> tuple[Summary, list[str]]:
    audit, warnings = await audit_or_none(settings)
    found = Summary(by)
    read = 0
    async for record in quarantine_records(settings):
        read += 1
        if read % TELL_EVERY == 0:
            meter(read)
        state = state_of(audit, record, chosen) if not ids or record.at in ids else None
        if state is not None:
            found.take(record, state)
    return found, warnings


def _page(by: Sequence[str], groups: Sequence[Group], screen: Screen) -> Page:
    columns = (
        *map(Column, by), Column("records", Kind.NUMBER), Column("open", Kind.NUMBER),
        Column("first (UTC)"), Column("last (UTC)"), Column("newest"), Column("its shape", Kind.TEXT),
    )  # fmt: skip
    rows = []
    for group in groups:
        sample = json.dumps(group.sample, ensure_ascii=False)
        shape = sample if len(sample) <= MOST_SAMPLE else f"{sample[:MOST_SAMPLE]}…"
        times = instant(group.first), instant(group.last)
        rows.append((*group.key, f"{group.records:,}", f"{group.open:,}", *times, group.id, shape))
    return table(columns, rows, screen, least_needed=("its shape", "first (UTC)", "last (UTC)"))
