"""`sluice doctor`: says what is wrong and how to mend it."""

from __future__ import annotations

import asyncio
from dataclasses import asdict

import click

from streams.cli.common import echo_json, json_option, plain_logs, say, timeout_option
from streams.plain_text import plain
from streams.settings import Settings

MARKS = {"good": ("ok  ", "green"), "note": ("note", "yellow"), "wrong": ("FAIL", "red")}
ROLES = ("views", "bronze", "gates")


@click.command()
@click.option(
    "--without",
    type=click.Choice(ROLES),
    multiple=True,
    help="A role that is not run here on purpose; repeatable.",
)
@timeout_option
@json_option
def doctor(*, without: tuple[str, ...], timeout_seconds: float, as_json: bool) -> None:
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
    else:
        for finding in findings:
            mark, colour = MARKS[finding.state]
            click.echo(f"{click.style(mark, fg=colour)}  {plain(finding.what)}: {plain(finding.found)}")
            if finding.mend:
                say(f"      → {finding.mend}")
    if any(finding.state == WRONG for finding in findings):
        raise click.exceptions.Exit(1)
