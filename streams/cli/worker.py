"""`sluice worker …`: the roles that read the raw topics."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from typing import Any

import click

from streams import logs, shutdown
from streams.cli.common import Failure, WrongUsage
from streams.settings import Settings


@click.group()
def worker() -> None:
    """Run a worker until SIGTERM or Ctrl-C. Start as many as there is work for: they share the partitions."""


@worker.command()
@click.option(
    "--processes",
    type=click.IntRange(1),
    default=1,
    show_default=True,
    metavar="N",
    help="Run so many workers as processes of this one command, and keep them up.",
)
@click.option("--named", hidden=True, help="The name of this process in its log lines.")
def views(processes: int, named: str | None) -> None:
    """Fold events into the views, and put bad records into the quarantine.

    With --processes the workers share the partitions. Their metrics are on SLUICE_METRICS_PORT and the ports
    after it, and it ends with 1 if one of them does not stay up.

    \b
    Examples:
      sluice worker views
      sluice worker views --processes 4                 one for each core
      SLUICE_METRICS_PORT=9101 sluice worker views      a second one on the same machine
    """
    if named is not None:
        logs.name_process(named)
    if processes == 1:
        # Faust takes a second to import, which `--help` and a wrong setting need not wait for.
        run("streams.roles.views.worker", "run_views")
    else:
        _supervise(lambda supervisor, settings: supervisor.run_views_processes(settings, processes))


@worker.command()
def gates() -> None:
    """Evaluate the recon gates, and publish them. One leads; others that are started stand by.

    \b
    Examples:
      sluice worker gates
      SLUICE_GATE_RAISE=1 sluice worker gates      close a gate at the first evaluation that says so
    """
    run("streams.roles.gates.worker", "run_gates")


@worker.command()
def bronze() -> None:
    """Write all events to Bronze, as files in SLUICE_BRONZE_URL, each exactly once.

    \b
    Examples:
      SLUICE_BRONZE_URL=file:///var/lib/bronze sluice worker bronze
      SLUICE_BRONZE_URL=s3://bucket/prefix AWS_REGION=eu-west-1 sluice worker bronze
    """
    run("streams.roles.bronze.worker", "run_bronze")


@worker.command()
def audit() -> None:
    """Prove all views over Bronze every SLUICE_AUDIT_SECONDS, and raise an alarm where one is wrong.

    It asks the api (SLUICE_API_URL, SLUICE_API_TOKEN_FILE) as somebody who may see all cities; SLUICE_… must
    be as the views workers and the bronze worker have them. One is enough, and `worker all` has none.

    \b
    Examples:
      sluice worker audit
      SLUICE_AUDIT_VIEWS=ops_recon_variance SLUICE_AUDIT_SECONDS=600 sluice worker audit
    """
    run("streams.roles.audit.worker", "run_audit")


@worker.command()
def notify() -> None:
    """Tell people of alarms: post them to the webhooks of SLUICE_NOTIFY_FILE. The same as `sluice notify`.

    \b
    Example:
      SLUICE_NOTIFY_FILE=/etc/sluice/notify.toml sluice worker notify
    """
    run("streams.roles.notify.worker", "run_notify")


@worker.command(name="all")
def every_role() -> None:
    """Run views, bronze and gates as processes of this one command, and keep them up; and notify, if
    SLUICE_NOTIFY_FILE is set.

    Their metrics are on SLUICE_METRICS_PORT (views) and the ports after it. It ends with 1 if a role does not
    stay up.

    \b
    Examples:
      sluice worker all
      SLUICE_METRICS_PORT=9200 sluice worker all      metrics on 9200, 9201 and 9202
    """
    _supervise(lambda supervisor, settings: supervisor.run_all(settings))


def _supervise(run: Callable[[Any, Settings], None]) -> None:
    """Run workers as processes until it is told to stop. `run` gets `streams.roles.supervisor`."""
    settings = Settings.load()
    importlib.import_module("tables.views")  # refuses a wrong declaration before any worker is started
    from streams.roles import supervisor  # noqa: PLC0415

    try:
        run(supervisor, settings)
    except supervisor.RoleFailedError as error:
        raise Failure(str(error)) from None
    shutdown.end()


def run(module: str, role: str) -> None:
    """Run a role until it is told to stop."""
    settings = Settings.load()
    from aiokafka.errors import KafkaError  # noqa: PLC0415

    from streams.faust.instance_guard import InstanceTakenError  # noqa: PLC0415
    from streams.kafka.refusals import refusal  # noqa: PLC0415
    from streams.roles.lifecycle import CannotStartError  # noqa: PLC0415

    work: Callable[[Settings], None] = getattr(importlib.import_module(module), role)
    try:
        work(settings)
    except InstanceTakenError as error:
        raise WrongUsage(str(error)) from None
    except CannotStartError as error:
        raise Failure(str(error)) from None
    except KafkaError as error:
        if (refused := refusal(error)) is None:
            raise
        raise Failure(refused) from None  # a right was taken back meanwhile
    shutdown.end()
