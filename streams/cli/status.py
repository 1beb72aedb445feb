"""`sluice status`: is it all right?"""

from __future__ import annotations

import asyncio
import threading
import time
from dataclasses import asdict
from typing import Any

import click

from streams.cli.asking import again, asking
from streams.cli.common import api_option, echo_json, json_option, plain_logs
from streams.cli.page import echo_page
from streams.cli.screen import screen_of
from streams.cli.status_page import status_page, what_counts
from streams.cli.status_problems import problems_of
from streams.cli.watch import Watched, watch
from streams.client import ApiAwayError, ApiRefusalError, SluiceClient
from streams.client.configured import client_of
from streams.settings import Settings

DOCTOR_SECONDS = 10.0
DOCTOR_AGAIN_SECONDS = 60.0
"""How often a watch has the doctor look."""
FORBIDDEN = 403


@click.command()
@click.option("--watch", "watched", is_flag=True, help="Keep it fresh until Ctrl-C or SIGTERM.")
@click.option(
    "--doctor/--no-doctor", "examined", default=None,
    help="Also what `sluice doctor` says, of Kafka and this machine.  [default: unless --api is given]",
)  # fmt: skip
@api_option
@json_option
def status(*, watched: bool, examined: bool | None, url: str | None, as_json: bool) -> None:
    """Say whether all is right: gates, alarms, views, lag by partition and who reads it, bad records, Bronze.

    Exit code 0 if it is, 1 if anything is not.

    \b
    Examples:
      sluice status
      sluice status --watch
      sluice status --json
      sluice status --api https://sluice.example
    """
    settings = Settings.load()
    client = client_of(settings, url=url)
    doctor = _Doctor(settings) if (url is None if examined is None else examined) else None
    if watched:
        with asking(), client.kept_open():
            asked = again(lambda: facts(settings, client, None if doctor is None else doctor.lately()))
            write = echo_json if as_json else None
            watch(Watched(asked, status_page, what_counts, write), max(settings.stream_seconds, 2.0))
        return
    with asking():
        try:
            found = facts(settings, client, None if doctor is None else doctor.now())
        except ApiAwayError as error:
            found = without_api(str(error), None if doctor is None else doctor.now())
    if as_json:
        echo_json(found)
    else:
        echo_page(status_page(found, screen_of()))
    if found["problems"]:
        raise click.exceptions.Exit(1)


def facts(settings: Settings, client: SluiceClient, findings: list[dict[str, str]] | None) -> dict[str, Any]:
    """All that is shown. Raises `ApiError`."""
    ready, waiting_for = client.ready()
    pipeline = client.json("/v1/pipeline")
    bad = _bad_records(client)
    found: dict[str, Any] = {
        "as_of": pipeline["as_of"],
        "api": client.url,
        "waiting_for": None if ready else waiting_for,
        "gates": client.json("/v1/gates/recon")["rows"] if ready else [],
        "alarms": client.json("/v1/alarms", [("state", "raised")])["rows"] if ready else [],
        "views": pipeline["views"],
        "partitions": pipeline["rows"],
        "bronze_unknown_because": pipeline["bronze_unknown_because"],
        "quarantined": bad,
        "doctor": findings,
    }
    bronze_limit = settings.bronze_max_seconds * 10 + settings.stale_seconds
    return {"problems": problems_of(found, float(bronze_limit)), **found}


def without_api(away: str, findings: list[dict[str, str]] | None) -> dict[str, Any]:
    """What there is to say where the api does not answer."""
    said = [away, *(f"{one['what']}: {one['found']}" for one in findings or () if one["state"] == "wrong")]
    return {"problems": said, "doctor": findings}


def _bad_records(client: SluiceClient) -> list[dict[str, Any]]:
    """Quarantined records of the last hour by reason; none where this view is not computed, or seen."""
    asked = [("window", "1h"), ("group_by", "reason")]
    try:
        rows = client.json("/v1/views/ops_quarantine", asked)["rows"]
    except ApiRefusalError:
        return []
    return [row for row in rows if row["reason"] is not None and row["quarantined"]]


class _Doctor:
    """Has `sluice doctor` look, in a watch once in a while and in the background."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._findings: list[dict[str, str]] | None = None
        self._looked_at = -DOCTOR_AGAIN_SECONDS
        self._looking: threading.Thread | None = None

    def now(self) -> list[dict[str, str]]:
        """Its findings of now, but for those that are good."""
        from streams.doctor.examine import examine  # noqa: PLC0415 - it takes a second to import
        from streams.doctor.finding import GOOD, Patient  # noqa: PLC0415

        plain_logs()
        findings = asyncio.run(examine(Patient(self._settings, DOCTOR_SECONDS)))
        return [asdict(finding) for finding in findings if finding.state != GOOD]

    def lately(self) -> list[dict[str, str]] | None:
        """Its newest findings; None while there are none."""
        if self._looking is None and time.monotonic() - self._looked_at >= DOCTOR_AGAIN_SECONDS:
            self._looking = threading.Thread(target=self._look, daemon=True)
            self._looking.start()
        return self._findings

    def _look(self) -> None:
        self._findings = self.now()
        self._looked_at, self._looking = time.monotonic(), None
