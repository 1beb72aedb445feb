"""What one can open and paste when the demo runs."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path

from streams.client import SluiceClient
from streams.client.configured import client_of
from streams.setting_groups.kafka_security import no_security
from streams.settings import Settings
from streams.sources.fixture import FIXTURE

SHOWN_VIEW, SHOWN_WINDOW = "kpi_gmv", "7d"

NEXT = """
Open:
  {api}/   the console: every view, live
  {api}/docs   the api and all it can be asked
  {api}/v1/views/{view}?window={window}
  {api}/v1/gates/recon
  {worker}/metrics   the views worker's metrics; the next two ports have Bronze's and the gates'
  {api}/metrics   the api's

Paste into another terminal:
  {sluice} views{url}
  {sluice} views {view} --window {window} --watch{url}
  {sluice} views ops_recon_variance --window 1h --watch{url}
  {sluice} explain {view} --city london --window 1h{url}
  SLUICE_BRONZE_URL=file://{bronze} {sluice} bronze ls
  SLUICE_BRONZE_URL=file://{bronze} {sluice} bronze verify
  SLUICE_BRONZE_URL=file://{bronze} {sluice} verify all{url}
  SLUICE_KAFKA={kafka} {sluice} quarantine list
  {doctor}
  SLUICE_KAFKA={kafka} {sluice} replay --format online-retail --rebase now {fixture}

Logs are in {logs}.
Sluice is running. Ctrl-C ends all of it.
"""


def next_steps(
    settings: Settings, client: SluiceClient, worker: SluiceClient, bronze: Path, logs: Path
) -> str:
    """The text. `settings`: those of the demo; `client`, `worker`: the api and the views worker's metrics."""
    url = "" if client.url == client_of(Settings.load()).url else f" --api {client.url}"
    return NEXT.format(
        api=client.url,
        worker=worker.url,
        view=SHOWN_VIEW,
        window=SHOWN_WINDOW,
        sluice=_as_called(),
        url=url,
        kafka=settings.kafka[0],
        bronze=bronze,
        fixture=_short(FIXTURE),
        logs=_short(logs),
        doctor=_doctor(settings),
    )


def _doctor(settings: Settings) -> str:
    """The command line of a doctor who looks at this demo, from any folder and with the settings of now."""
    secured = Settings.load().kafka_security != settings.kafka_security
    variables = {
        "SLUICE_KAFKA": settings.kafka[0],
        "SLUICE_KAFKA_SECURITY": settings.kafka_security,
        **(no_security() if secured else {}),
        "SLUICE_BRONZE_URL": settings.bronze_url,
        "SLUICE_HTTP_HOST": settings.http_host,
        "SLUICE_HTTP_PORT": str(settings.http_port),
        "SLUICE_DATA_DIR": str(settings.data_dir.absolute()),
    }
    return " ".join(
        [*(f"{name}={shlex.quote(value)}" for name, value in variables.items()), _as_called(), "doctor"]
    )


def _as_called() -> str:
    """How this program was called, so that what is pasted works in the same folder."""
    called = Path(sys.argv[0])
    return _short(called.absolute()) if called.name == "sluice" else "sluice"


def _short(path: Path) -> str:
    return str(path.relative_to(Path.cwd())) if path.is_relative_to(Path.cwd()) else str(path)
