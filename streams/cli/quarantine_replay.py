"""`sluice quarantine replay`."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from typing import Any

import click

from agents.quarantine.record import Position, QuarantineRecord
from streams.cli.common import Failure, echo_json, json_option, say, timeout_option
from streams.cli.quarantine_selection import Chosen, ask, filters, position, why_cut
from streams.kafka.producer import RefusedError
from streams.settings import Settings
from streams.sources.quarantine import quarantine_record, quarantine_records
from streams.sources.quarantine_replay import Outcome, rehearse, send_again


@click.command()
@click.argument("ids", nargs=-1, type=position, metavar="[ID…]")
@filters
@click.option("--all", "everything", is_flag=True, help="Every record.")
@click.option("--again", is_flag=True, help="Those too that were replayed before.")
@click.option("--dry-run", is_flag=True, help="Say what would be sent, and send nothing.")
@timeout_option
@json_option
def replay(
    *, ids: tuple[Position, ...], everything: bool, again: bool, dry_run: bool, timeout_seconds: float,
    as_json: bool, **filters: Any,
) -> None:  # fmt: skip
    """Send bad records again, byte for byte, to the topic and partition they came from.

    They have their producer's own headers. The records stay in the quarantine too, marked as replayed:
    a replay passes over such records, so one that was interrupted, however it was, can be begun again. Only
    one can run at a time: a second one ends the first. Records that are still bad come back as new ones.
    One that was too large for the quarantine is not there to be sent: among chosen ones it is left out, and
    the exit code is then 1.

    \b
    Examples:
      sluice quarantine replay 2:17 3:4
      sluice quarantine replay --reason unknown_event --dry-run
      sluice quarantine replay --reason unknown_event
    """
    settings = Settings.load()
    chosen = Chosen(**filters)
    if sum((bool(ids), chosen.given, everything)) != 1:
        raise click.UsageError("say which records: IDs, or filters such as --reason, or --all")
    cut = _Cut()
    records = _by_id(settings, ids) if ids else _all(settings, chosen, cut)
    outcome = Outcome()
    work = rehearse if dry_run else send_again
    try:
        ask(settings, lambda: work(settings, records, outcome, again=again), timeout_seconds)
    except Failure as error:
        if outcome.sent and not dry_run:
            error.message += f" ({outcome.sent.total():,} were sent before that)"
        raise
    warnings = outcome.warnings + ([] if ids else chosen.warnings())
    for warning in warnings:
        say(f"sluice: {warning}", err=True)
    if as_json:
        echo_json(_report(outcome, cut, warnings, again=again, dry_run=dry_run))
    else:
        say(_told(outcome, cut, again=again, dry_run=dry_run))
    if cut.first is not None:
        would = "could not be sent" if dry_run else "not sent"
        raise Failure(f"{cut.count:,} {would} again, as they are not whole: {why_cut(cut.first)}")


@dataclass
class _Cut:
    """Chosen records that are not whole: how many, and one of them."""

    count: int = 0
    first: QuarantineRecord | None = None


def _report(
    outcome: Outcome, cut: _Cut, warnings: list[str], *, again: bool, dry_run: bool
) -> dict[str, Any]:
    sent = outcome.sent.total()
    answer: dict[str, Any] = {"dry_run": True, "would_send": sent} if dry_run else {"sent": sent}
    answer |= {
        "topics": dict(outcome.sent),
        "replayed_before": outcome.replayed_before,
        "passed_over": 0 if again else outcome.replayed_before,
    }
    if cut.count:
        answer["not_sent"] = cut.count
    return answer | ({"warnings": warnings} if warnings else {})


def _told(outcome: Outcome, cut: _Cut, *, again: bool, dry_run: bool) -> str:
    sent = ", ".join(f"{count:,} to {topic}" for topic, count in outcome.sent.items())
    if not sent and not cut.count and not outcome.replayed_before:
        return "no such record in the quarantine"
    said = f"{'would be sent' if dry_run else 'sent'} again: {sent or 'none'}"
    before = outcome.replayed_before
    if not before:
        return said
    if again:
        return f"{said} ({before:,} of them had been replayed before)"
    return f"{said}; {before:,} passed over, as they were replayed before (--again sends them too)"


async def _by_id(settings: Settings, ids: Sequence[Position]) -> AsyncIterator[QuarantineRecord]:
    found: list[QuarantineRecord] = []
    for at in dict.fromkeys(ids):
        record = await quarantine_record(settings, at)
        if record is None:
            raise RefusedError(f"there is no record {at} in {settings.topic('events.quarantine')}")
        if not record.complete:
            raise RefusedError(why_cut(record))
        found.append(record)
    for record in found:
        yield record


async def _all(settings: Settings, chosen: Chosen, cut: _Cut) -> AsyncIterator[QuarantineRecord]:
    """The chosen records that are whole; the others are counted in `cut`."""
    async for record in quarantine_records(settings):
        if chosen(record):
            if record.complete:
                yield record
            else:
                cut.count += 1
                cut.first = cut.first or record
