"""`sluice quarantine list|show`, and the group that the other commands belong to."""

from __future__ import annotations

import base64
import sys
from collections import Counter
from collections.abc import Sequence
from typing import Any

import click
import msgspec

from agents.quarantine.audit import DISMISSED, OPEN, REPLAYED
from agents.quarantine.record import Position, QuarantineRecord
from agents.quarantine.repair import is_readable
from streams.cli.common import Failure, echo_json, json_option, list_options, say, timeout_option
from streams.cli.formats import instant
from streams.cli.page import echo_page
from streams.cli.quarantine_dismiss import dismiss
from streams.cli.quarantine_replay import replay
from streams.cli.quarantine_selection import Chosen, ask, filters, position, state_of
from streams.cli.quarantine_summary import summary
from streams.cli.screen import screen_of
from streams.cli.table import Column, Kind, blocks, table
from streams.cli.tsv import echo_tsv
from streams.plain_text import plain, plain_lines
from streams.settings import Settings
from streams.sources.quarantine import quarantine_record, quarantine_records
from streams.sources.quarantine_audit import Done, audit_or_none
from streams.sources.quarantine_chosen import why_cut

COLUMNS = (
    Column("id"), Column("code"), Column("reason"), Column("field"), Column("detail", Kind.TEXT),
    Column("source"), Column("at (UTC)"), Column("state"), Column("since (UTC)"),
    Column("bytes", Kind.NUMBER),
)  # fmt: skip
LEAST_NEEDED = ("bytes", "code", "since (UTC)", "source", "at (UTC)")
MEMBERS = (
    "id", "code", "reason", "field", "detail", "topic", "partition", "offset", "quarantined_at", "trace_id",
    "value_bytes", "truncated", "key_truncated", "state", "replayed_at", "replayed_by", "dismissed_at",
    "dismissed_by", "dismissed_because",
)  # fmt: skip
Seen = tuple[QuarantineRecord, Done | None]
"""A bad record, and what was done with it."""


@click.group()
def quarantine() -> None:
    """Look at the records that are not valid events, and send them again once what was wrong is mended."""


for command in (summary, replay, dismiss):
    quarantine.add_command(command)


@quarantine.command("list")
@click.argument("ids", nargs=-1, type=position, metavar="[ID…]")
@filters
@click.option("--limit", type=click.IntRange(1), default=100, show_default=True, help="The newest so many.")
@click.option(
    "--edit-template", is_flag=True,
    help="Write the records themselves instead, a line each, to be edited for `replay --edit`.",
)  # fmt: skip
@timeout_option
@list_options
def list_(
    *, ids: tuple[Position, ...], limit: int, edit_template: bool, timeout_seconds: float, as_json: bool,
    as_tsv: bool, **filters: Any,
) -> None:  # fmt: skip
    """List bad records with code, reason and source, oldest first.

    Their content is not shown, but for --edit-template: it may be personal. The columns `state` and `since`
    say whether a record is open, and when it was last replayed or dismissed.

    \b
    Examples:
      sluice quarantine list
      sluice quarantine list --state open
      sluice quarantine list --reason payload_field --field amount_minor,currency
      sluice quarantine list --from 2026-03-01T09:00:00Z --limit 1000 --json
      sluice quarantine list --source billing --edit-template > bad.ndjson
    """
    settings = Settings.load()
    chosen = Chosen(**filters)
    newest, reasons, warnings = ask(settings, lambda: _read(settings, chosen, limit, {*ids}), timeout_seconds)
    warnings += chosen.warnings()
    for warning in warnings:
        say(f"sluice: {warning}", err=True)
    if edit_template:
        live = sys.stdout.isatty()  # what records hold must not act on the terminal
        for record, _ in newest:
            click.echo(plain(_template(record)) if live else _template(record))
        return
    if as_json:
        answer = {"total": reasons.total(), "records": [_facts(*seen) for seen in newest]}
        echo_json(answer | ({"warnings": warnings} if warnings else {}))
        return
    if as_tsv:
        echo_tsv(MEMBERS, [_facts(*seen) for seen in newest])
        return
    echo_page(table(COLUMNS, [_cells(*seen) for seen in newest], screen_of(), LEAST_NEEDED))
    counts = ", ".join(f"{reason} {count:,}" for reason, count in reasons.most_common())
    click.echo()
    say(f"{len(newest):,} of {reasons.total():,} shown" + (f" ({counts})" if counts else ""))


async def _read(
    settings: Settings, chosen: Chosen, limit: int, ids: set[Position]
) -> tuple[list[Seen], Counter[str], list[str]]:
    """The newest chosen records, how many were chosen by reason, and warnings.

    Holds at most twice `limit` records.
    """
    audit, warnings = await audit_or_none(settings)
    reasons: Counter[str] = Counter()
    records: list[Seen] = []
    async for record in quarantine_records(settings):
        if (not ids or record.at in ids) and state_of(audit, record, chosen) is not None:
            reasons[record.reason] += 1
            records.append((record, audit.of(record)))
            if len(records) >= 2 * limit:
                records = _newest(records, limit)
    return _newest(records, limit), reasons, warnings


def _newest(records: list[Seen], limit: int) -> list[Seen]:
    return sorted(records, key=lambda seen: (seen[0].quarantined_at, seen[0].at))[-limit:]


def _facts(record: QuarantineRecord, done: Done | None) -> dict[str, Any]:
    replayed = done if done is not None and done.action == REPLAYED else None
    facts = record.facts() | {
        "state": OPEN if done is None else done.action,
        "replayed_at": replayed and replayed.at,
        "replayed_by": replayed and replayed.by,
    }
    if done is not None and done.action == DISMISSED:
        facts |= {"dismissed_at": done.at, "dismissed_by": done.by, "dismissed_because": done.reason}
    return facts


def _template(record: QuarantineRecord) -> str:
    """A line for `replay --edit`. What is no JSON object is null there, which a replay refuses until it is
    written."""
    value = record.value if is_readable(record.value) else None
    why = {"reason": record.reason, "field": record.field, "detail": record.detail}
    raw = msgspec.Raw(b"null" if value is None else b" ".join(value.splitlines()))
    return msgspec.json.encode({"id": str(record.at), **why, "value": raw}).decode()


def _cells(record: QuarantineRecord, done: Done | None) -> Sequence[str]:
    size = "none" if record.value is None else f"{len(record.value):,}"
    if record.truncated is not None:
        size += f" of {record.truncated:,}"
    when = instant(record.quarantined_at)
    state = (OPEN, "") if done is None else (done.action, instant(done.at))
    why = record.code, record.reason, record.field, record.detail
    return str(record.at), *why, record.source, when, *state, size


@quarantine.command()
@click.argument("at", type=position, metavar="ID")
@click.option("--value", "with_value", is_flag=True, help="Its bytes too, which may hold personal data.")
@timeout_option
@json_option
def show(*, at: Position, with_value: bool, timeout_seconds: float, as_json: bool) -> None:
    """Show one bad record: why it is bad and, only with --value, its content as it came.

    \b
    Examples:
      sluice quarantine show 2:17
      sluice quarantine show 2:17 --value > record.json
    """
    settings = Settings.load()
    seen, warnings = ask(settings, lambda: _look(settings, at), timeout_seconds)
    if seen is None:
        raise Failure(f"there is no record {at} in {settings.topic('events.quarantine')}")
    for warning in warnings:
        say(f"sluice: {warning}", err=True)
    record, facts = seen[0], _facts(*seen)
    if as_json:
        value = _base64(record.value)
        own = [
            {"name": name.decode(errors="backslashreplace"), "value_base64": _base64(text)}
            for name, text in record.headers
        ]
        echo_json(facts | ({"value_base64": value, "headers": own} if with_value else {}))
        return
    if not record.complete:
        click.echo(f"{why_cut(record)}\n", err=True)
    columns = [Column(name, Kind.TEXT if name == "detail" else Kind.ID) for name in facts]
    stream = sys.stderr if with_value else sys.stdout
    echo_page(blocks(columns, [list(facts.values())], screen_of(stream)), stream)
    if with_value and sys.stdout.isatty():  # to look at: what it holds must not act on the terminal
        click.echo(plain_lines((record.value or b"").decode(errors="backslashreplace")))
    elif with_value:
        sys.stdout.buffer.write(record.value or b"")
        sys.stdout.buffer.flush()


async def _look(settings: Settings, at: Position) -> tuple[Seen | None, list[str]]:
    """The record at a place with what was done with it, and warnings."""
    record = await quarantine_record(settings, at)
    if record is None:
        return None, []
    audit, warnings = await audit_or_none(settings)
    return (record, audit.of(record)), warnings


def _base64(data: bytes | None) -> str | None:
    return None if data is None else base64.b64encode(data).decode()
