"""`sluice doctor`: says what is wrong and how to mend it."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING

import click

from streams.cli.common import echo_json, list_options, plain_logs, timeout_option
from streams.cli.page import Page, echo_page, prose
from streams.cli.screen import Screen, screen_of
from streams.cli.tsv import echo_tsv
from streams.settings import Settings

if TYPE_CHECKING:
    from streams.doctor.finding import Finding

MARKS = {"good": ("ok", "good"), "note": ("note", "note"), "wrong": ("FAIL", "bad")}
ROLES = ("views", "bronze", "gates")


@click.command()
@click.option(
    "--without",
    type=click.Choice(ROLES),
    multiple=True,
    help="A role that is not run here on purpose; repeatable.",
)
@timeout_option
@list_options
def doctor(*, without: tuple[str, ...], timeout_seconds: float, as_json: bool, as_tsv: bool) -> None:
    """Look at settings, Kafka, workers, lag, gates, folders, Bronze, the registry and the api.

    Exit code 1 if any is wrong.

    \b
    Examples:
      sluice doctor
      sluice doctor --json --timeout 30
      sluice doctor --without gates
    """
    settings = Settings.load()
    # These take a second to import, which `--help` and a wrong setting need not wait for.
    from streams.doctor.examine import examine  # noqa: PLC0415
    from streams.doctor.finding import WRONG, Patient  # noqa: PLC0415

    plain_logs()
    patient = Patient(settings, timeout_seconds, frozenset(without))
    findings = asyncio.run(examine(patient))
    if as_json:
        echo_json([asdict(finding) for finding in findings])
    elif as_tsv:
        echo_tsv(("what", "state", "found", "mend", "runbook"), map(asdict, findings))
    else:
        echo_page(findings_page(findings, screen_of()))
    if any(finding.state == WRONG for finding in findings):
        raise click.exceptions.Exit(1)


def findings_page(findings: Sequence[Finding], screen: Screen) -> Page:
    """Each with its mark, and below it how it is mended."""
    rows = []
    for finding in findings:
        mark, style = MARKS[finding.state]
        first = screen.styled(mark, style) + " " * (6 - len(mark))
        lines = prose(f"{finding.what}: {finding.found}", screen, first=first, indent=6)
        if finding.mend:
            lines += prose(finding.mend, screen, first=" " * 6 + "→ ", indent=8)
        if finding.runbook:
            lines += prose(finding.runbook, screen, "aside", indent=8)
        rows.append(lines)
    return Page(rows=rows)
