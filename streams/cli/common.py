"""What the commands share: failures with one line, JSON output, asking Kafka.

Every command imports this module, so it imports nothing heavy itself until it is needed.
"""

from __future__ import annotations

import asyncio
import logging
import sys
from collections.abc import Coroutine
from typing import Any, TypeVar

import click

from streams.plain_text import PlainFormatter, json_text, plain, plain_lines
from streams.settings import Settings

T = TypeVar("T")

json_option = click.option("--json", "as_json", is_flag=True, help="Answer in JSON.")


def list_options(command: Any) -> Any:
    """`--json` and `--tsv`, one of which may be given: for every command that lists."""

    def alone(ctx: click.Context, param: click.Parameter, value: bool) -> bool:
        if value and ctx.params.get("as_json" if param.name == "as_tsv" else "as_tsv"):
            raise click.UsageError("--json and --tsv: take one of them")
        return value

    tsv = "Answer in TSV: a line of names, then values as in JSON."
    command = click.option("--tsv", "as_tsv", is_flag=True, callback=alone, help=tsv)(command)
    return click.option("--json", "as_json", is_flag=True, callback=alone, help="Answer in JSON.")(command)


api_option = click.option(
    "--api", "url", metavar="URL",
    help="The api's URL.  [default: SLUICE_API_URL, else SLUICE_HTTP_HOST and SLUICE_HTTP_PORT]",
)  # fmt: skip


class Failure(click.ClickException):
    """An expected failure: one line on standard error and exit code 1, without a traceback."""

    def show(self, file: Any = None) -> None:
        """Write the line; what is quoted in it cannot act on the terminal."""
        click.echo(f"sluice: {plain_lines(self.message)}", file=file, err=file is None)


class WrongUsage(Failure):
    """A wrong setting or argument: one line on standard error and exit code 2."""

    exit_code = 2


def echo_json(answer: Any) -> None:
    """One JSON document on standard output, indented for people on a terminal, one line for a program."""
    click.echo(json_text(answer, indent=2 if sys.stdout.isatty() else None))


def say(text: object, *, err: bool = False) -> None:
    """One line to read, with what others wrote in it: nothing of it can act on the terminal."""
    click.echo(plain(text), err=err)


def plain_logs() -> None:
    """Warnings of ours as plain lines on standard error; a client library's own complaints are left out."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(PlainFormatter("sluice: %(message)s"))
    logging.basicConfig(level=logging.WARNING, handlers=[handler], force=True)
    for library in ("aiokafka", "asyncio"):
        logging.getLogger(library).setLevel(logging.CRITICAL)


def no_logs() -> None:
    """Nothing on standard error: it belongs to what is drawn."""
    logging.basicConfig(level=logging.CRITICAL + 1, handlers=[logging.NullHandler()], force=True)


def timeout_option(command: Any) -> Any:
    """`--timeout`: the one rule for every command that talks to Kafka."""
    return click.option(
        "--timeout",
        "timeout_seconds",
        type=click.FloatRange(min=0, min_open=True),
        default=10.0,
        show_default=True,
        metavar="SECONDS",
        help="How long Kafka may be silent before this fails.",
    )(command)


def ask_kafka(
    settings: Settings, question: Coroutine[Any, Any, T], seconds: float, longest: float | None = None
) -> T:
    """Run a coroutine that asks Kafka something.

    Raises `Failure` if Kafka is silent for `seconds`, if all takes `longest` seconds, if Kafka refuses, or if
    a batch of records cannot be read.
    """
    from aiokafka.errors import KafkaError  # noqa: PLC0415

    from streams.kafka.availability import KafkaAwayError, away, reason_of, while_it_answers  # noqa: PLC0415
    from streams.kafka.message_formats import UnreadableBatchError  # noqa: PLC0415
    from streams.kafka.refusals import refusal  # noqa: PLC0415

    async def asked() -> T:
        try:
            return await while_it_answers(settings, question, seconds, longest)
        except KafkaAwayError as error:
            raise Failure(str(error)) from None
        except TimeoutError as error:
            raise Failure(away(settings, await reason_of(settings, error))) from None
        except KafkaError as error:
            why = await reason_of(settings, error)
            raise Failure(why if refusal(error) else f"Kafka refused: {why}") from None
        except UnreadableBatchError as error:
            raise Failure(f"what Kafka has cannot be read: {error}") from None

    plain_logs()
    return asyncio.run(asked())


def await_kafka(settings: Settings, seconds: float) -> None:
    """Return when Kafka answers. Raises `Failure` if it does not within `seconds`."""
    from streams.kafka.availability import connected_admin  # noqa: PLC0415

    async def connected() -> None:
        async with connected_admin(settings):
            pass

    ask_kafka(settings, connected(), seconds)
