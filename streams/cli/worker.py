"""`sluice worker …`: the roles that read the raw topics."""

from __future__ import annotations

import importlib
from collections.abc import Callable

import click

from streams.cli.common import Failure
from streams.settings import Settings


@click.group()
def worker() -> None:
    """Run a worker until SIGTERM or Ctrl-C. Start as many as there is work for: they share the partitions."""


@worker.command()
def views() -> None:
    """Fold events into the views, and put bad records into the quarantine.

    \b
    Examples:
      sluice worker views
      SLUICE_METRICS_PORT=9101 sluice worker views      a second one on the same machine
    """
    # Faust takes a second to import, which `--help` and a wrong setting need not wait for.
    _run("streams.bus.worker", "run_views")


def _run(module: str, role: str) -> None:
    """Run a role until it is told to stop."""
    settings = Settings.load()
    from streams.bus.role import CannotStartError  # noqa: PLC0415

    run: Callable[[Settings], None] = getattr(importlib.import_module(module), role)
    try:
        run(settings)
    except CannotStartError as error:
        raise Failure(str(error)) from None
