"""`sluice alarms`: what was raised, what is still open, and what to do about it."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import click

from streams.cli.alarms_ack import ack
from streams.cli.asking import again, asking
from streams.cli.common import api_option, echo_json, list_options, say
from streams.cli.formats import age, instant
from streams.cli.page import Page, echo_page, prose
from streams.cli.screen import Screen, screen_of
from streams.cli.table import Cell, Column, Kind, table
from streams.cli.tsv import echo_tsv
from streams.cli.watch import Watched, watch
from streams.client.configured import client_of
from streams.errors import CRITICAL, SEVERITIES, WARNING
from streams.settings import Settings

COLUMNS = (
    Column("about"),
    Column("code"),
    Column("raised (UTC)"),
    Column("age", Kind.NUMBER),
    Column("cleared (UTC)"),
    Column("why", Kind.TEXT),
    Column("id"),
)
LEAST_NEEDED = ("id", "cleared (UTC)", "raised (UTC)")
MEMBERS = (
    "alarm_id", "code", "severity", "subject", "state", "raised_at", "cleared_at", "acknowledged_by",
    "acknowledged_at", "acknowledged_reason", "detail", "runbook",
)  # fmt: skip
STYLES = {CRITICAL: "alarm", WARNING: "note"}


@click.group(invoke_without_command=True)
@click.option("--open", "open_only", is_flag=True, help="Only those that have not been cleared.")
@click.option("--code", help="Only those of this error code, such as PIPELINE_LAG_EXCEEDED.")
@click.option("--severity", type=click.Choice(SEVERITIES), help="Only those of this severity.")
@click.option(
    "--subject",
    "subjects",
    multiple=True,
    help="Only those about this, such as 'recon/london|GBP' or events.raw-3; repeatable.",
)
@click.option("--limit", type=click.IntRange(1, 1000), help="How many.  [default: 100]")
@click.option("--watch", "watched", is_flag=True, help="Keep it fresh until Ctrl-C or SIGTERM.")
@api_option
@list_options
@click.pass_context
def alarms(
    context: click.Context, *, open_only: bool, code: str | None, severity: str | None,
    subjects: tuple[str, ...], limit: int | None, watched: bool, url: str | None, as_json: bool, as_tsv: bool,
) -> None:  # fmt: skip
    """Show the alarms of 30 days: how old each is, why it was raised, what to do.

    Open ones come first, and of these the critical ones.

    \b
    Examples:
      sluice alarms --open
      sluice alarms --severity critical --limit 1000
      sluice alarms --code QUALITY_CHECK_FAILED
      sluice alarms ack 'lag/sluice-views/events.raw/3' --reason "restarting the worker"
    """
    if context.invoked_subcommand is not None:
        return
    settings = Settings.load()
    client = client_of(settings, url=url)
    given = {"state": "raised" if open_only else None, "code": code, "severity": severity, "limit": limit}
    parameters = [(name, str(value)) for name, value in given.items() if value is not None]
    parameters += [("subject", subject) for subject in subjects]

    def ask() -> dict[str, Any]:
        answer: dict[str, Any] = client.json("/v1/alarms", parameters)
        return answer

    with asking():
        write = echo_json if as_json else _echo_tsv if as_tsv else None
        if watched:
            with client.kept_open():
                watch(Watched(again(ask), alarms_page, _what_counts, write), settings.stream_seconds)
        elif write:
            write(ask())
        else:
            echo_page(alarms_page(ask(), screen_of()))


def _echo_tsv(answer: dict[str, Any]) -> None:
    """The rows; what has to be known of them besides is on standard error."""
    for caveat in (*_unknown(answer), *_more(answer, "--limit")):
        say(f"sluice: {caveat}", err=True)
    echo_tsv(MEMBERS, answer["rows"])


def _what_counts(answer: dict[str, Any]) -> object:
    return answer["rows"], answer["open"], answer.get("total"), answer.get("unknown_because")


def _unknown(answer: dict[str, Any]) -> list[str]:
    why = answer.get("unknown_because")
    return [] if why is None else [f"newer alarms may be missing: {why}"]


def _more(answer: dict[str, Any], how: str) -> list[str]:
    rows = len(answer["rows"])
    more = (answer.get("total") or rows) - rows
    return [f"and {more:,} more: {how}"] if more > 0 else []


def alarms_page(answer: dict[str, Any], screen: Screen, how: str = "--limit") -> Page:
    """The alarms, and what to do about each code that is there. `how`: what shows the others."""
    rows, count, critical = answer["rows"], answer["open"], answer.get("critical")
    said = f"{count:,} open" if count else "none is open"
    of_these = f", {critical:,} critical" if critical else ""
    above = [screen.styled(f"alarms: {said}{of_these}", "alarm" if count else "good")]
    for caveat in _unknown(answer):
        above += prose(caveat, screen, "note")
    if not rows:
        return Page(above)
    now = datetime.fromisoformat(answer["as_of"])
    page = table(COLUMNS, [_cells(row, now) for row in rows], screen, LEAST_NEEDED)
    below = [*page.below, *(line for one in _more(answer, how) for line in prose(one, screen, "note")), ""]
    for code, meaning, runbook in dict.fromkeys(
        (row["code"], row["meaning"], row["runbook"]) for row in rows
    ):
        below += prose(f"{code}: {meaning}; what to do: {runbook}", screen, "aside", indent=2)
    return Page([*above, "", *page.above], page.rows, below)


def _cells(row: dict[str, Any], now: datetime) -> list[object]:
    raised = datetime.fromisoformat(row["raised_at"])
    is_open = row["cleared_at"] is None
    return [
        Cell(row["subject"], "name" if is_open else ""),
        Cell(row["code"], STYLES.get(row["severity"], "") if is_open else ""),
        instant(row["raised_at"]),
        age(max(0.0, (now - raised).total_seconds())),
        instant_or_open(row["cleared_at"]),
        row["detail"] + _taken_on(row),
        row["alarm_id"],
    ]


def _taken_on(row: dict[str, Any]) -> str:
    """Who has taken it on, if anybody has; an api of a former release does not say."""
    if row.get("acknowledged_by") is None:
        return ""
    when = instant(row["acknowledged_at"])
    return f"; taken on by {row['acknowledged_by']} at {when}: {row['acknowledged_reason']}"


def instant_or_open(cleared_at: str | None) -> str:
    """When an alarm was cleared."""
    return "open" if cleared_at is None else instant(cleared_at)


alarms.add_command(ack)
