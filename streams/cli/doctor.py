"""`sluice doctor`: says what is wrong and how to mend it."""

from __future__ import annotations

import asyncio
import os
import shutil
from dataclasses import asdict, dataclass
from pathlib import Path

import click

from streams.bus import topics
from streams.bus.client import connected_admin
from streams.cli.api_client import ApiAwayError, ApiClient
from streams.cli.common import Failure, ask_kafka, echo_json, json_option
from streams.settings import SettingError, Settings

GOOD, NOTE, WRONG = "good", "note", "wrong"
MARKS = {GOOD: ("ok  ", "green"), NOTE: ("note", "yellow"), WRONG: ("FAIL", "red")}


@dataclass(frozen=True)
class Check:
    """One thing that was looked at. `state` is good, note (worth knowing) or wrong; `mend` is what to do."""

    what: str
    state: str
    found: str
    mend: str = ""


@click.command()
@json_option
def doctor(*, as_json: bool) -> None:
    """Look at settings, Kafka, topics, the data folder, Bronze and the api; exit code 1 if anything is wrong.

    \b
    Examples:
      sluice doctor
      sluice doctor --json
    """
    settings = Settings.load()
    checks = [_settings(settings), *_kafka(settings)]
    checks += [_data_dir(settings), _bronze(settings), _api(settings)]
    if as_json:
        echo_json([asdict(check) for check in checks])
    else:
        for check in checks:
            mark, colour = MARKS[check.state]
            click.echo(f"{click.style(mark, fg=colour)}  {check.what}: {check.found}")
            if check.mend:
                click.echo(f"      → {check.mend}")
    if any(check.state == WRONG for check in checks):
        raise click.exceptions.Exit(1)


def _settings(settings: Settings) -> Check:
    """Those that are not allowed at all have ended the command already."""
    try:
        settings.check_gates()
    except SettingError as error:
        return Check(
            "settings", WRONG, str(error), "until then `sluice worker gates` and `all` refuse to run"
        )
    return Check("settings", GOOD, "all are allowed")


def _kafka(settings: Settings) -> list[Check]:
    where = ",".join(settings.kafka)
    try:
        ask_kafka(settings, _connect(settings), seconds=6)
    except Failure:
        mend = "start it (`sluice bus up` runs an embedded one) or set SLUICE_KAFKA and SLUICE_KAFKA_SECURITY"
        return [Check("kafka", WRONG, f"{where} does not answer", mend)]
    found = ask_kafka(settings, topics.inspect(settings))
    checks = [Check("kafka", GOOD, f"{where} answers")]
    checks += [Check(f"topic {finding.topic}", WRONG, finding.problem, finding.mend) for finding in found]
    if not found:
        checks.append(Check("topics", GOOD, "all are there and as they should be"))
    return checks


async def _connect(settings: Settings) -> None:
    admin = await connected_admin(settings)
    await asyncio.wait_for(admin.close(), 5)


def _data_dir(settings: Settings) -> Check:
    folder = settings.data_dir.absolute()
    existing = next(parent for parent in (folder, *folder.parents) if parent.exists())
    if not existing.is_dir() or not _writable(existing):
        return Check(
            "data folder", WRONG, f"cannot write {folder}", "set SLUICE_DATA_DIR to a folder of yours"
        )
    free_bytes = shutil.disk_usage(existing).free
    if free_bytes < 1 << 30:
        return Check("data folder", NOTE, f"{folder}: {free_bytes >> 20} MiB free", "make room on its disk")
    return Check("data folder", GOOD, f"{folder}")


def _bronze(settings: Settings) -> Check:
    from agents.bronze_files import CorruptFileError  # noqa: PLC0415
    from agents.bronze_store import StoreError  # noqa: PLC0415
    from streams.store.at_url import bronze_store  # noqa: PLC0415
    from streams.store.bronze_verify import uncommitted  # noqa: PLC0415

    store = bronze_store(settings)
    try:
        left = asyncio.run(asyncio.wait_for(uncommitted(store), 30))
    except (StoreError, CorruptFileError) as error:
        mend = "see `sluice bronze verify`; SLUICE_BRONZE_URL and the AWS_ variables say where Bronze lies"
        return Check("bronze", WRONG, str(error), mend)
    except TimeoutError:
        return Check("bronze", NOTE, f"{store} takes long to list", "run `sluice bronze verify`")
    if not left:
        return Check("bronze", GOOD, f"every object in {store} is in a commit, or about to be")
    more = f" (and {len(left) - 1:,} more)" if len(left) > 1 else ""
    mend = "`sluice bronze verify` lists all"
    if all(problem.kind == "uncommitted" for problem in left):
        mend = f"no worker will commit them: look at them, then delete them ({mend})"
    return Check("bronze", WRONG, left[0].found + more, mend)


def _writable(folder: Path) -> bool:
    return os.access(folder, os.W_OK)


def _api(settings: Settings) -> Check:
    client = ApiClient.of(settings)
    try:
        ready, said = client.ready()
    except ApiAwayError:
        mend = "start it with `sluice api`, if it is wanted here"
        return Check("api", NOTE, f"nothing answers at {client.url}", mend)
    if not ready:
        mend = "wait until it has read views.feed, or look into its log"
        return Check("api", WRONG, f"{client.url} is not ready: {said}", mend)
    return Check("api", GOOD, f"{client.url} is ready")
