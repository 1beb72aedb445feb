"""`sluice status`: is it all right?"""

from __future__ import annotations

from typing import Any

import click

from streams.cli.asking import again, asking
from streams.cli.common import api_option, echo_json, list_options
from streams.cli.page import echo_page
from streams.cli.screen import screen_of
from streams.cli.status_doctor import StatusDoctor
from streams.cli.status_facts import Doctored, facts, without_api
from streams.cli.status_page import status_page, what_counts
from streams.cli.tsv import echo_tsv
from streams.cli.watch import Watched, watch
from streams.client import ApiAwayError
from streams.client.configured import client_of
from streams.settings import Settings

ROLES = ("bronze", "gates")


@click.command()
@click.option("--watch", "watched", is_flag=True, help="Keep it fresh until Ctrl-C or SIGTERM.")
@click.option(
    "--doctor/--no-doctor", "examined", default=None,
    help="Also what `sluice doctor` says, of Kafka and this machine.  [default: unless --api is given]",
)  # fmt: skip
@click.option(
    "--without",
    type=click.Choice(ROLES),
    multiple=True,
    help="A role that is not run here on purpose; repeatable.",
)
@api_option
@list_options
def status(
    *, watched: bool, examined: bool | None, without: tuple[str, ...], url: str | None, as_json: bool,
    as_tsv: bool,
) -> None:  # fmt: skip
    """Say whether all is right: gates, alarms, views, lag by partition and who reads it, bad records, Bronze.

    Exit code 0 if it is, 1 if anything is not. In TSV each problem is a line.

    \b
    Examples:
      sluice status
      sluice status --watch
      sluice status --json
      sluice status --without bronze
      sluice status --api https://sluice.example
    """
    settings = Settings.load()
    client = client_of(settings, url=url)
    wanted = url is None if examined is None else examined
    doctor = StatusDoctor(settings, without) if wanted else None
    write = echo_json if as_json else _echo_tsv if as_tsv else None
    if watched:
        with asking(), client.kept_open():
            asked = again(lambda: facts(settings, client, doctor.lately() if doctor else Doctored(), without))
            watch(Watched(asked, status_page, what_counts, write), max(settings.stream_seconds, 2.0))
        return
    with asking():
        try:
            found = facts(settings, client, Doctored(doctor.now() if doctor else None), without)
        except ApiAwayError as error:
            found = without_api(str(error), doctor.now() if doctor else None)
    if write:
        write(found)
    else:
        echo_page(status_page(found, screen_of()))
    if found["problems"]:
        raise click.exceptions.Exit(1)


def _echo_tsv(found: dict[str, Any]) -> None:
    echo_tsv(("problem",), [{"problem": problem} for problem in found["problems"]])
