"""`sluice api`: the views over HTTP."""

from __future__ import annotations

import click

from streams.settings import Settings


@click.command()
def api() -> None:
    """Serve the views over HTTP until SIGTERM or Ctrl-C. Start as many as there is load for.

    \b
    Examples:
      sluice api
      SLUICE_HTTP_PORT=8081 sluice api
    """
    settings = Settings.load()
    # FastAPI takes half a second to import, which `--help` and a wrong setting need not wait for.
    from streams.http.server import serve  # noqa: PLC0415

    serve(settings)
