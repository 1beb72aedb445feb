"""`sluice quarantine list|show`, and the group that `replay` belongs to."""

from __future__ import annotations

import base64
import sys
from collections import Counter
from collections.abc import Sequence
from typing import Any

import click

from agents.quarantine.audit import OPEN, REPLAYED
from agents.quarantine.record import Position, QuarantineRecord
from streams.cli.common import (
    Failure,
    add_row,
    console,
    echo_json,
    json_option,
    new_table,
    say,
    timeout_option,
)
from streams.cli.formats import instant
from streams.cli.quarantine_replay import replay
from streams.cli.quarantine_selection import Chosen, ask, filters, position, why_cut
from streams.kafka.producer import NoTopicError
from streams.plain_text import plain_lines
from streams.settings import Settings
from streams.sources.quarantine import quarantine_record, quarantine_records
from streams.sources.quarantine_audit import Audit, Done, read_audit

HEADINGS = ("id", "code", "reason", "field", "detail", "source", "at (UTC)", "replayed", "bytes")
Seen = tuple[QuarantineRecord, Done | None]
"""A bad record, and what was done with it."""


@click.group()
def quarantine() -> None:
    """Look at the records that are not valid events, and send them again once what was wrong is mended."""


quarantine.add_command(replay)


@quarantine.command("list")
@filters
@click.option("--limit", type=click.IntRange(1), default=100, show_default=True, help="The newest so many.")
@click.option("--state", type=click.Choice([OPEN, REPLAYED]), help="Only those that are open, or replayed.")
@timeout_option
@json_option
def list_(*, limit: int, state: str | None, timeout_seconds: float, as_json: bool, **filters: Any) -> None:
    """List bad records with code, reason and source, oldest first. Their content is never shown here.

    The column `replayed` says when a record was last sent again; it is empty for one that is open.

    \b
    Examples:
      sluice quarantine list
      sluice quarantine list --state open
      sluice quarantine list --reason payload_field --field amount_minor,currency
      sluice quarantine list --from 2026-03-01T09:00:00Z --limit 1000 --json
    """
    settings = Settings.load()
    chosen = Chosen(**filters)
    newest, reasons, warnings = ask(settings, lambda: _read(settings, chosen, limit, state), timeout_seconds)
    warnings += chosen.warnings()
    for warning in warnings:
        say(f"sluice: {warning}", err=True)
    if as_json:
        answer = {"total": reasons.total(), "records": [_facts(*seen) for seen in newest]}
        echo_json(answer | ({"warnings": warnings} if warnings else {}))
        return
    table = new_table(HEADINGS, right=("bytes",))
    for record, done in newest:
        add_row(table, _cells(record, done))
    console().print(table)
    counts = ", ".join(f"{reason} {count:,}" for reason, count in reasons.most_common())
    click.echo()
    say(f"{len(newest):,} of {reasons.total():,} shown" + (f" ({counts})" if counts else ""))


async def _read(
    settings: Settings, chosen: Chosen, limit: int, state: str | None
) -> tuple[list[Seen], Counter[str], list[str]]:
    """The newest chosen records, how many were chosen by reason, and warnings.

    Holds at most twice `limit` records.
    """
    audit, warnings = await _audit(settings)
    reasons: Counter[str] = Counter()
    records: list[Seen] = []
    async for record in quarantine_records(settings):
        if chosen(record) and state in (None, audit.state(record)):
            reasons[record.reason] += 1
            records.append((record, audit.of(record)))
            if len(records) >= 2 * limit:
                records = _newest(records, limit)
    return _newest(records, limit), reasons, warnings


async def _audit(settings: Settings) -> tuple[Audit, list[str]]:
    """The audit, with warnings; an empty one where there is none, as before a release that has it."""
    try:
        audit = await read_audit(settings)
    except NoTopicError as error:
        return Audit(settings.topic("events.quarantine"), {}), [f"not known what was replayed: {error}"]
    return audit, audit.warnings()


def _newest(records: list[Seen], limit: int) -> list[Seen]:
    return sorted(records, key=lambda seen: (seen[0].quarantined_at, seen[0].at))[-limit:]


def _facts(record: QuarantineRecord, done: Done | None) -> dict[str, Any]:
    replayed = done if done is not None and done.action == REPLAYED else None
    return record.facts() | {
        "state": OPEN if done is None else done.action,
        "replayed_at": replayed and replayed.at,
        "replayed_by": replayed and replayed.by,
    }


def _cells(record: QuarantineRecord, done: Done | None) -> Sequence[str]:
    size = "none" if record.value is None else f"{len(record.value):,}"
    if record.truncated is not None:
        size += f" of {record.truncated:,}"
    when = instant(record.quarantined_at)
    replayed = instant(_facts(record, done)["replayed_at"] or "")
    why = record.code, record.reason, record.field, record.detail
    return str(record.at), *why, record.source, when, replayed, size


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
    width = max(len(name) for name in facts)
    for name, fact in facts.items():
        say(f"{name:{width}}  {'-' if fact in (None, '') else fact}", err=with_value)
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
    audit, warnings = await _audit(settings)
    return (record, audit.of(record)), warnings


def _base64(data: bytes | None) -> str | None:
    return None if data is None else base64.b64encode(data).decode()
