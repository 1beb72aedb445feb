"""The `sluice` command (docs/contract.md §7).

A command's module is imported when that command is called, so that `sluice --help` does not load Faust,
FastAPI or aiokafka; the extensions (docs/extensions.md) are loaded before it. Exit codes: 0 done, 1 failed,
2 wrong usage, a setting that is not allowed included.
"""

from __future__ import annotations

import importlib
from typing import Any

import click

from schemas.extensions import ExtensionError
from streams import shutdown
from streams.access.kept_file import KeptFileError
from streams.cli.common import Failure, WrongUsage
from streams.extensions import loading
from streams.plain_text import plain_lines
from streams.settings import SettingError
from streams.version import VERSION
from tables.spec.declaration_error import DeclarationError

COMMANDS = {
    "alarms": "List the alarms, and what to do about each.",
    "api": "Serve the views over HTTP.",
    "bronze": "Look at what the bronze worker has written.",
    "bus": "Run the embedded Apache Kafka.",
    "demo": "Start all of Sluice on this machine, with data.",
    "doctor": "Say what is wrong and how to mend it.",
    "explain": "Show the events behind a view's rows.",
    "gates": "Show the gates, and why each is in its state; override one.",
    "health": "Say whether a process of this machine answers.",
    "ingest": "Take events by HTTP.",
    "monitoring": "Make rules of Prometheus and dashboards.",
    "new": "Begin a package with events and views of one's own.",
    "notify": "Tell people of alarms, by webhooks.",
    "quarantine": "Look at bad records, and send them again.",
    "replay": "Send a file of events to Kafka.",
    "restore": "Compute the views anew from Bronze: Kafka is lost.",
    "schemas": "The events' schemas: files, checks, a registry, a site.",
    "simulate": "Send the events of a made-up marketplace to Kafka.",
    "settings": "List every setting.",
    "status": "Say whether all is right.",
    "topics": "List and make the topics.",
    "verify": "Prove that a view's numbers are right.",
    "views": "Show a view as a table.",
    "worker": "Run a worker.",
}

WITHOUT_EXTENSIONS = ("new",)
"""What runs before there are any, or while one is broken."""


class LazyCommands(click.Group):
    """The commands of `COMMANDS`: command `x` is `streams.cli.x.x`."""

    def invoke(self, ctx: click.Context) -> Any:
        """Run the chosen command, which Ctrl-C and `kill -INT` end from the start.

        A `SettingError`, `KeptFileError` or `ExtensionError` is wrong usage, a `DeclarationError` a failure.
        """
        shutdown.hear_interrupts()
        try:
            return super().invoke(ctx)
        except (SettingError, KeptFileError, ExtensionError) as error:
            raise WrongUsage(str(error)) from None
        except DeclarationError as error:
            raise Failure(str(error)) from None
        except click.ClickException as error:
            error.message = plain_lines(error.message)  # click quotes what was typed
            raise

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002
        """All names, in alphabetical order."""
        return sorted(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002
        """Import a command, after the extensions. None if there is none of that name."""
        if cmd_name not in COMMANDS:
            return None
        if cmd_name not in WITHOUT_EXTENSIONS:
            loading.load()
        command = getattr(importlib.import_module(f"streams.cli.{cmd_name}"), cmd_name)
        assert isinstance(command, click.Command)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002
        """Write the list of commands without importing any."""
        with formatter.section("Commands"):
            formatter.write_dl(sorted(COMMANDS.items()))


@click.group(cls=LazyCommands)
@click.version_option(VERSION, message="sluice %(version)s")
def main() -> None:
    """Sluice: exact live views over marketplace events on Kafka.

    \b
    Examples:
      sluice demo                          all of it on this machine
      sluice replay events.ndjson.gz       send events
      sluice views kpi_gmv --watch         look at a view

    Every setting is an environment variable SLUICE_…: see `sluice settings`.
    """


if __name__ == "__main__":
    main(prog_name="sluice")
