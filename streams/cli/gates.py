"""`sluice gates`: the gates, why each is in its state, and what became of them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import click

from streams.cli.alarms import instant_or_open
from streams.cli.asking import again, asking
from streams.cli.common import api_option, echo_json, list_options
from streams.cli.formats import MISSING, instant, money
from streams.cli.gates_override import override
from streams.cli.page import Page, echo_page
from streams.cli.screen import Screen, screen_of
from streams.cli.table import Cell, Column, Kind, table
from streams.cli.tsv import echo_tsv
from streams.cli.watch import Watched, watch
from streams.client import SluiceClient
from streams.client.configured import client_of
from streams.settings import Settings
from tables.gates.records import record_key
from tables.gates.records import subject_of as gate_subject

STYLES = {"ok": "good", "warn": "note", "alarm": "alarm", "stale": "alarm"}
COLUMNS = (
    Column("gate"),
    Column("state"),
    Column("since (UTC)"),
    Column("variance", Kind.NUMBER),
    Column("measured", Kind.NUMBER),
    Column("warns at", Kind.NUMBER),
    Column("closes at", Kind.NUMBER),
    Column("why", Kind.TEXT),
)
LEAST_NEEDED = ("warns at", "closes at", "measured", "variance")
MEMBERS = (
    "gate", "city", "currency", "state", "open", "since", "previous", "measure", "value", "warn_at",
    "alarm_at", "reason", "variance_minor", "variance_ratio", "charges_minor", "override", "override_by",
    "override_reason", "override_until", "evaluated_at", "valid_until", "window_from", "window_to",
)  # fmt: skip
HISTORY = (
    Column("gate"),
    Column("state"),
    Column("raised (UTC)"),
    Column("cleared (UTC)"),
    Column("why", Kind.TEXT),
)
NO_VALUE = {"city": "(no city)"}
MOST_ALARMS = "1000"
ASKED_AT_ONCE = 50
"""The subjects of one question: an address must not get too long."""
PASSING = ("evaluated_at", "valid_until", "window_from", "window_to")
"""Members that become others with every evaluation."""


@click.group(invoke_without_command=True)
@click.option("--gate", "name", help="Only the gates of this name, such as recon.")
@click.option("--city", help="Only these cities, with commas; empty: events without one.")
@click.option("--currency", help="Only these currencies, with commas.")
@click.option("--history", is_flag=True, help="Also when they closed and opened again, 30 days back.")
@click.option("--watch", "watched", is_flag=True, help="Keep it fresh until Ctrl-C or SIGTERM.")
@api_option
@list_options
@click.pass_context
def gates(
    context: click.Context, *, name: str | None, city: str | None, currency: str | None, history: bool,
    watched: bool, url: str | None, as_json: bool, as_tsv: bool,
) -> None:  # fmt: skip
    """Show the gates: their state, since when, what was measured, the limits, and why.

    \b
    Examples:
      sluice gates
      sluice gates --gate recon --city london --history
      sluice gates --watch
      sluice gates override 'recon/london|GBP' --close --reason "double payouts" --for 2h
    """
    if context.invoked_subcommand is not None:
        return
    settings = Settings.load()
    client = client_of(settings, url=url)
    filters = [(name, value) for name, value in (("city", city), ("currency", currency)) if value is not None]

    def ask() -> dict[str, Any]:
        answer = all_gates(client, name, filters)
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


def all_gates(
    client: SluiceClient, name: str | None = None, filters: Sequence[tuple[str, str]] = ()
) -> dict[str, Any]:
    """The gates of a name, or of all; with filters those that have these dimensions."""
    listed = client.json("/v1/gates")
    if name is not None:
        return {"as_of": listed["as_of"], **client.json(f"/v1/gates/{name}", filters)}
    rows: list[dict[str, Any]] = []
    warnings: list[str] = []
    for gate in listed["gates"]:
        if any(gate["states"].values()) and all(dimension in gate["dimensions"] for dimension, _ in filters):
            answer = client.json(f"/v1/gates/{gate['name']}", filters)
            rows += answer["rows"]
            warnings += [one for one in answer.get("warnings", ()) if one not in warnings]
    found = {"as_of": listed["as_of"], "rows": rows}
    return {**found, "warnings": warnings} if warnings else found


def _history(client: SluiceClient, rows: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """The alarms of these gates, open ones first, then the newest."""
    subjects = [subject_of(row) for row in rows]
    found: list[dict[str, Any]] = []
    for start in range(0, len(subjects), ASKED_AT_ONCE):
        asked = [("subject", subject) for subject in subjects[start : start + ASKED_AT_ONCE]]
        found += client.json("/v1/alarms", [*asked, ("limit", MOST_ALARMS)])["rows"]
    return sorted(found, key=lambda alarm: (alarm["cleared_at"] is None, alarm["raised_at"]), reverse=True)


def _echo_tsv(answer: dict[str, Any]) -> None:
    echo_tsv(MEMBERS, [{name: row.get(name) for name in MEMBERS} for row in answer["rows"]])


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
        else "no gates: nothing that one looks at has been seen"
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
        MISSING if row.get("variance_minor") is None else money(row["variance_minor"], row["currency"]),
        *(_measured(row, row.get(member)) for member in ("value", "warn_at", "alarm_at")),
        _why(row),
    ]


def _why(row: dict[str, Any]) -> str:
    reason = row.get("reason") or MISSING
    if row.get("override") is None:
        return reason
    until = instant(row["override_until"])
    said = f"{row['override']} until {until} by the decision of {row['override_by']}"
    return f"{said}: {row['override_reason']}; by its rule: {reason}"


def name_of(row: dict[str, Any]) -> str:
    """A gate, as people call it."""
    return " ".join((row["gate"], *(value or NO_VALUE.get(name, "-") for name, value in _key(row).items())))


def subject_of(row: dict[str, Any]) -> str:
    """A gate, as alarms call it."""
    return gate_subject(record_key(row["gate"], tuple(_key(row).values())))


def _key(row: dict[str, Any]) -> dict[str, str | None]:
    """What tells a gate from others of its name."""
    key: dict[str, str | None] = row["key"]
    return key


def _measured(row: dict[str, Any], value: float | None) -> str:
    """A number of the measure that decides, in its unit."""
    if value is None:
        return MISSING
    measure = row.get("measure") or ""
    if measure.endswith("_minor"):
        return money(int(value), row["currency"])
    if measure.endswith("_seconds"):
        return f"{value / 3600:.6g} h"
    return f"{value * 100:.6g}%" if measure.endswith(("_ratio", "_share", "_rate")) else f"{value:.6g}"


def _history_lines(history: Sequence[dict[str, Any]], screen: Screen) -> list[str]:
    if not history:
        return ["none of them has been closed within 30 days"]
    rows = [
        (
            alarm["subject"].replace("/", " ", 1).replace("|", " "),
            _state_of(alarm),
            instant(alarm["raised_at"]),
            instant_or_open(alarm["cleared_at"]),
            alarm["detail"].partition(": ")[2] or alarm["detail"],
        )
        for alarm in history
    ]
    return [
        screen.styled("closed or decided within 30 days", "name"),
        "",
        *table(HISTORY, rows, screen).lines(),
    ]


def _state_of(alarm: dict[str, Any]) -> str:
    if alarm["alarm_id"].startswith("override/"):
        return "override"
    return "alarm" if alarm["code"] == "QUALITY_CHECK_FAILED" else "stale"


gates.add_command(override)
