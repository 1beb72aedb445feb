"""What the commands share: failures with one line, JSON output, tables, asking Kafka.

Every command imports this module, so it imports nothing heavy itself until it is needed.
"""

from __future__ import annotations

import asyncio
import json
import logging
import sys
from collections.abc import Coroutine
from typing import TYPE_CHECKING, Any, TypeVar

import click

from streams.settings import SettingError, Settings

if TYPE_CHECKING:
    from rich.console import Console

T = TypeVar("T")

WIDE = 10_000

json_option = click.option("--json", "as_json", is_flag=True, help="Answer in JSON.")


class Failure(click.ClickException):
    """An expected failure: one line on standard error and exit code 1, without a traceback."""

    def show(self, file: Any = None) -> None:
        """Write the line."""
        click.echo(f"sluice: {self.message}", file=file, err=file is None)


class WrongUsage(Failure):
    """A wrong setting or argument: one line on standard error and exit code 2."""

    exit_code = 2


class ErrorsToExitCodes(click.Group):
    """A group whose commands may raise `SettingError`: that is wrong usage."""

    def invoke(self, ctx: click.Context) -> Any:
        """Run the chosen command."""
        try:
            return super().invoke(ctx)
        except SettingError as error:
            raise WrongUsage(str(error)) from None


def echo_json(answer: Any) -> None:
    """One JSON document on standard output, indented for people on a terminal, one line for a program."""
    click.echo(json.dumps(answer, ensure_ascii=False, indent=2 if sys.stdout.isatty() else None))


def console() -> Console:
    """Where tables go. A file or a pipe has no width to fit into: there nothing is folded or cut."""
    from rich.console import Console  # noqa: PLC0415

    found = Console()
    return found if found.is_terminal else Console(width=WIDE)


def plain_logs() -> None:
    """Warnings of ours as plain lines on standard error; a client library's own complaints are left out."""
    logging.basicConfig(level=logging.WARNING, format="sluice: %(message)s", stream=sys.stderr, force=True)
    for library in ("aiokafka", "asyncio"):
        logging.getLogger(library).setLevel(logging.CRITICAL)


def ask_kafka(settings: Settings, question: Coroutine[Any, Any, T], seconds: float = 15.0) -> T:
    """Run a coroutine that asks Kafka something. Raises `Failure` if Kafka refuses or is silent too long."""
    from aiokafka.errors import KafkaError  # noqa: PLC0415

    async def within_time() -> T:
        return await asyncio.wait_for(question, seconds)

    plain_logs()
    try:
        return asyncio.run(within_time())
    except TimeoutError:
        where = ",".join(settings.kafka)
        raise Failure(f"Kafka at {where} does not answer (SLUICE_KAFKA says where it is)") from None
    except KafkaError as error:
        raise Failure(f"Kafka refused: {error}") from None
