"""`sluice worker …`: the roles that read the raw topics."""

from __future__ import annotations

import importlib
from collections.abc import Callable

import click

from streams import shutdown
from streams.cli.common import Failure, WrongUsage
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
    _run("streams.roles.views.worker", "run_views")


@worker.command()
def gates() -> None:
    """Evaluate the recon gates, and publish them. One leads; others that are started stand by.

    \b
    Examples:
      sluice worker gates
      SLUICE_GATE_RAISE=1 sluice worker gates      close a gate at the first evaluation that says so
    """
    _run("streams.roles.gates.worker", "run_gates")


@worker.command()
def bronze() -> None:
    """Write all events to Bronze, as files in SLUICE_BRONZE_URL, each exactly once.

    \b
    Examples:
      SLUICE_BRONZE_URL=file:///var/lib/bronze sluice worker bronze
      SLUICE_BRONZE_URL=s3://bucket/prefix AWS_REGION=eu-west-1 sluice worker bronze
    """
    _run("streams.roles.bronze.worker", "run_bronze")


@worker.command(name="all")
def every_role() -> None:
    """Run views, bronze and gates as processes of this one command, and keep them up.

    Their metrics are on SLUICE_METRICS_PORT (views) and the two ports after it. It ends with 1 if a role does
    not stay up.

    \b
    Examples:
      sluice worker all
      SLUICE_METRICS_PORT=9200 sluice worker all      metrics on 9200, 9201 and 9202
    """
    settings = Settings.load()
    importlib.import_module("tables.views")  # refuses a wrong declaration before any role is started
    from streams.roles.supervisor import RoleFailedError, run_all  # noqa: PLC0415

    try:
        run_all(settings)
    except RoleFailedError as error:
        raise Failure(str(error)) from None
    shutdown.end()


def _run(module: str, role: str) -> None:
    """Run a role until it is told to stop."""
    settings = Settings.load()
    from streams.faust.instance_guard import InstanceTakenError  # noqa: PLC0415
    from streams.roles.lifecycle import CannotStartError  # noqa: PLC0415

    run: Callable[[Settings], None] = getattr(importlib.import_module(module), role)
    try:
        run(settings)
    except InstanceTakenError as error:
        raise WrongUsage(str(error)) from None
    except CannotStartError as error:
        raise Failure(str(error)) from None
    shutdown.end()
