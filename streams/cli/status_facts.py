"""What `sluice status` knows: what the api answers, and what the doctor has found."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any, NamedTuple

from streams.cli.gates import MOST_ALARMS, all_gates
from streams.cli.status_problems import notes_of, problems_of
from streams.client import ApiRefusalError, SluiceClient
from streams.settings import Settings


class Doctored(NamedTuple):
    """What the doctor has found; None: nobody has asked, or the doctor is still looking."""

    findings: list[dict[str, str]] | None = None
    looking: bool = False


def facts(
    settings: Settings, client: SluiceClient, doctored: Doctored, without: Collection[str] = ()
) -> dict[str, Any]:
    """All that is shown; of what is not known why that is. `without`: the roles that are not run on purpose.
    Raises `ApiError`."""
    ready, waiting_for = client.ready()
    pipeline = client.json("/v1/pipeline")
    bad, bad_unknown = _bad_records(client)
    found: dict[str, Any] = {
        "as_of": pipeline["as_of"],
        "api": client.url,
        "without": sorted(without),
        "waiting_for": None if ready else waiting_for,
        "gates": all_gates(client)["rows"] if ready and "gates" not in without else None,
        **_alarms(client, ready=ready),
        "views": pipeline["views"],
        "partitions": pipeline["rows"],
        "bronze_unknown_because": pipeline["bronze_unknown_because"],
        "quarantined": bad,
        "quarantined_unknown_because": bad_unknown,
        "doctor": doctored.findings,
        "doctor_looking": doctored.looking,
    }
    bronze_limit = float(settings.bronze_max_seconds * 10 + settings.stale_seconds)
    return {"problems": problems_of(found, bronze_limit), "notes": notes_of(found), **found}


def without_api(away: str, findings: list[dict[str, str]] | None) -> dict[str, Any]:
    """What there is to say where the api does not answer."""
    said = [away, *(f"{one['what']}: {one['found']}" for one in findings or () if one["state"] == "wrong")]
    return {"problems": said, "notes": [], "doctor": findings, "doctor_looking": False}


def _alarms(client: SluiceClient, *, ready: bool) -> dict[str, Any]:
    """The open ones, critical ones first, and how many there are of them."""
    names = {"alarms": "rows", "alarms_open": "open", "alarms_unknown_because": "unknown_because"}
    if not ready:
        return dict.fromkeys(names)
    answer = client.json("/v1/alarms", [("state", "raised"), ("limit", MOST_ALARMS)])
    return {name: answer.get(member) for name, member in names.items()}


def _bad_records(client: SluiceClient) -> tuple[list[dict[str, Any]] | None, str | None]:
    """Quarantined records of the last hour by reason; None, and why, where this view is not computed, or not
    for who asks."""
    asked = [("window", "1h"), ("group_by", "reason")]
    try:
        rows = client.json("/v1/views/ops_quarantine", asked)["rows"]
    except ApiRefusalError as error:
        return None, str(error)
    return [row for row in rows if row["reason"] is not None and row["quarantined"]], None
