"""What the commands share: failures with one line, JSON output, tables, asking Kafka.

Every command imports this module, so it imports nothing heavy itself until it is needed.
"""

from __future__ import annotations

import asyncio
import logging
import sys
from collections.abc import Collection, Coroutine, Iterable, Sequence
from typing import TYPE_CHECKING, Any, TypeVar

import click

from streams.plain_text import PlainFormatter, json_text, plain, plain_lines
from streams.settings import Settings

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

T = TypeVar("T")

WIDE = 10_000

json_option = click.option("--json", "as_json", is_flag=True, help="Answer in JSON.")


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


def as_text(value: object, style: str = "") -> Text:
    """A table's cell or a line, as it is: no markup, nothing that acts on the terminal."""
    from rich.text import Text  # noqa: PLC0415

    return Text(plain(value), style=style)


def new_table(headings: Sequence[str], *, right: Collection[str] = (), fold: bool = True) -> Table:
    """An empty table with these columns, those in `right` adjusted to the right. Rows: `add_row`."""
    from rich.table import Table  # noqa: PLC0415

    table = Table(box=None, pad_edge=False, header_style="bold cyan", padding=(0, 2, 0, 0))
    for heading in headings:
        table.add_column(
            as_text(heading),
            justify="right" if heading in right else "left",
            overflow="fold",
            no_wrap=not fold,
        )
    return table


def add_row(table: Table, cells: Iterable[object]) -> None:
    """A row of texts; one that is styled already stays so."""
    from rich.text import Text  # noqa: PLC0415

    table.add_row(*(cell if isinstance(cell, Text) else as_text(cell) for cell in cells))


def console() -> Console:
    """Where tables go. A file or a pipe has no width to fit into: there nothing is folded or cut."""
    from rich.console import Console  # noqa: PLC0415

    found = Console()
    return found if found.is_terminal else Console(width=WIDE)


def plain_logs() -> None:
    """Warnings of ours as plain lines on standard error; a client library's own complaints are left out."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(PlainFormatter("sluice: %(message)s"))
    logging.basicConfig(level=logging.WARNING, handlers=[handler], force=True)
    for library in ("aiokafka", "asyncio"):
        logging.getLogger(library).setLevel(logging.CRITICAL)


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

    async def asked() -> T:
        try:
            return await while_it_answers(settings, question, seconds, longest)
        except KafkaAwayError as error:
            raise Failure(str(error)) from None
        except TimeoutError as error:
            raise Failure(away(settings, await reason_of(settings, error))) from None
        except KafkaError as error:
            raise Failure(f"Kafka refused: {await reason_of(settings, error)}") from None
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
