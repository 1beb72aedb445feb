"""`sluice gates`: the recon gates, why each is in its state, and what became of them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import click

from streams.cli.alarms import instant_or_open
from streams.cli.asking import again, asking
from streams.cli.common import api_option, echo_json, list_options
from streams.cli.formats import MISSING, instant, money
from streams.cli.page import Page, echo_page
from streams.cli.screen import Screen, screen_of
from streams.cli.table import Cell, Column, Kind, table
from streams.cli.tsv import echo_tsv
from streams.cli.watch import Watched, watch
from streams.client import SluiceClient
from streams.client.configured import client_of
from streams.settings import Settings

STYLES = {"ok": "good", "warn": "note", "alarm": "alarm", "stale": "alarm"}
COLUMNS = (
    Column("gate"),
    Column("state"),
    Column("since (UTC)"),
    Column("variance", Kind.NUMBER),
    Column("of charges", Kind.NUMBER),
    Column("warns above", Kind.NUMBER),
    Column("closes above", Kind.NUMBER),
    Column("why", Kind.TEXT),
)
LEAST_NEEDED = ("warns above", "closes above", "of charges", "variance")
MEMBERS = (
    "city", "currency", "state", "open", "since", "previous", "variance_minor", "variance_ratio",
    "charges_minor", "warn_at", "alarm_at", "reason", "evaluated_at", "valid_until", "window_from",
    "window_to",
)  # fmt: skip
HISTORY = (
    Column("gate"),
    Column("state"),
    Column("raised (UTC)"),
    Column("cleared (UTC)"),
    Column("why", Kind.TEXT),
)
GATE = "recon/"
"""How the subject of a gate's alarm begins: city and currency follow."""
MOST_ALARMS = "1000"
ASKED_AT_ONCE = 50
"""The subjects of one question: an address must not get too long."""
PASSING = ("evaluated_at", "valid_until", "window_from", "window_to")
"""Members that become others with every evaluation."""


@click.command()
@click.option("--city", help="Only these cities, with commas; empty: events without one.")
@click.option("--currency", help="Only these currencies, with commas.")
@click.option("--history", is_flag=True, help="Also when they closed and opened again, 30 days back.")
@click.option("--watch", "watched", is_flag=True, help="Keep it fresh until Ctrl-C or SIGTERM.")
@api_option
@list_options
def gates(
    *, city: str | None, currency: str | None, history: bool, watched: bool, url: str | None, as_json: bool,
    as_tsv: bool,
) -> None:  # fmt: skip
    """Show the recon gates: their state, since when, the variance, the limits, and why.

    \b
    Examples:
      sluice gates
      sluice gates --city london --history
      sluice gates --watch
    """
    settings = Settings.load()
    client = client_of(settings, url=url)
    filters = [(name, value) for name, value in (("city", city), ("currency", currency)) if value is not None]

    def ask() -> dict[str, Any]:
        answer: dict[str, Any] = client.json("/v1/gates/recon", filters)
        return {**answer, "history": _history(client, answer["rows"])} if history else answer

    with asking():
        write = echo_json if as_json else _echo_tsv if as_tsv else None
        if watched:
            with client.kept_open():
                watch(Watched(again(ask), gates_page, _what_counts, write), settings.stream_seconds)
        elif write:
            write(ask())
        else:
            echo_page(gates_page(ask(), screen_of()))


def _history(client: SluiceClient, rows: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """The alarms of these gates, open ones first, then the newest."""
    subjects = [f"{GATE}{row['city'] or ''}|{row['currency']}" for row in rows]
    found: list[dict[str, Any]] = []
    for start in range(0, len(subjects), ASKED_AT_ONCE):
        asked = [("subject", subject) for subject in subjects[start : start + ASKED_AT_ONCE]]
        found += client.json("/v1/alarms", [*asked, ("limit", MOST_ALARMS)])["rows"]
    return sorted(found, key=lambda alarm: (alarm["cleared_at"] is None, alarm["raised_at"]), reverse=True)


def _echo_tsv(answer: dict[str, Any]) -> None:
    echo_tsv(MEMBERS, answer["rows"])


def _what_counts(answer: dict[str, Any]) -> object:
    rows = [{name: value for name, value in row.items() if name not in PASSING} for row in answer["rows"]]
    return rows, answer.get("history"), answer.get("warnings")


def gates_page(answer: dict[str, Any], screen: Screen) -> Page:
    """The gates, closed ones (alarm and stale) first, and what became of them."""
    rows = sorted(answer["rows"], key=lambda row: row["open"])
    closed = sum(not row["open"] for row in rows)
    said = (
        f"{len(rows):,} gates, {closed:,} closed"
        if rows
        else "no gates: no charge and no payout has been seen"
    )
    page = table(COLUMNS, [_cells(row) for row in rows], screen, LEAST_NEEDED) if rows else Page()
    warnings = [screen.styled(warning, "note") for warning in answer.get("warnings", ())]
    above = [screen.styled(said, "alarm" if closed else "name"), *warnings, "", *page.above]
    history = answer.get("history")
    if history is None:
        return Page(above, page.rows, page.below)
    return Page(above, page.rows, [*page.below, "", *_history_lines(history, screen)])


def _cells(row: dict[str, Any]) -> list[object]:
    return [
        name_of(row),
        Cell(row["state"], STYLES.get(row["state"], "")),
        instant(row["since"]),
        money(row["variance_minor"], row["currency"]),
        _percent(row["variance_ratio"]),
        _percent(row.get("warn_at")),
        _percent(row.get("alarm_at")),
        row.get("reason") or MISSING,
    ]


def name_of(row: dict[str, Any]) -> str:
    """A gate, as people call it."""
    return f"{row['city'] or '(no city)'} {row['currency']}"


def _percent(ratio: float | None) -> str:
    return MISSING if ratio is None else f"{ratio * 100:.6g}%"


def _history_lines(history: Sequence[dict[str, Any]], screen: Screen) -> list[str]:
    if not history:
        return ["none of them has been closed within 30 days"]
    rows = [
        (
            alarm["subject"].removeprefix(GATE).replace("|", " "),
            "alarm" if alarm["code"] == "QUALITY_CHECK_FAILED" else "stale",
            instant(alarm["raised_at"]),
            instant_or_open(alarm["cleared_at"]),
            alarm["detail"].partition(": ")[2] or alarm["detail"],
        )
        for alarm in history
    ]
    return [screen.styled("closed within 30 days", "name"), "", *table(HISTORY, rows, screen).lines()]
