"""`sluice views`: a view as a table in the terminal, asked of the api; and what is done to one."""

from __future__ import annotations

import os
import re
import sys
import time
from collections.abc import Sequence
from typing import Any, NoReturn

import click
from rich.console import Group, RenderableType
from rich.live import Live
from rich.text import Text

from streams import shutdown
from streams.cli.common import Failure, WrongUsage, as_text, console, echo_json, json_option, say
from streams.cli.views_rebuild import rebuild
from streams.cli.views_table import view_table, views_table
from streams.http.client import ApiClient, ApiError, ApiRefusalError
from streams.settings import Settings

CHANGES = (
    "from",
    "to",
    "watermark",
    "complete",
    "since",
    "incomplete_because",
    "warnings",
    "state",
    "cursor",
)
"""Members of an answer that make it another one, besides its rows."""


def _filter(text: str) -> tuple[str, str]:
    dimension, equals, wanted = text.partition("=")
    if not equals or not re.fullmatch(r"[a-z_]+", dimension):
        raise click.BadParameter(f"{text!r} is not dimension=value, such as city=london")
    return dimension, wanted


class _Views(click.Group):
    """A command that takes a view's name, or one of its own commands in place of that."""

    allow_extra_args = False
    allow_interspersed_args = True

    def make_context(
        self, info_name: str | None, args: list[str], parent: click.Context | None = None, **extra: Any
    ) -> click.Context:
        """That of the command, where its name comes first."""
        below = self.commands.get(args[0]) if args else None
        if below is None:
            return super().make_context(info_name, args, parent, **extra)
        return below.make_context(f"{info_name} {args[0]}", args[1:], parent, **extra)


@click.group(
    cls=_Views, commands={"rebuild": rebuild}, invoke_without_command=True, subcommand_metavar="| COMMAND …"
)
@click.argument("name", required=False)
@click.option("--window", metavar="LENGTH", help="15m, 24h, 7d …; it ends at --as-of.  [default: 24h]")
@click.option("--from", "from_", metavar="TIME", help="RFC 3339 or epoch milliseconds; instead of --window.")
@click.option("--to", metavar="TIME", help="RFC 3339 or epoch milliseconds; not included.")
@click.option("--as-of", metavar="TIME", help="A time, `now` or `watermark`.  [default: now]")
@click.option("--step", metavar="LENGTH", help="A row per step, such as 5m.")
@click.option("--tz", metavar="ZONE", help="By whose clock steps begin, such as Europe/Lisbon.")
@click.option("--group-by", metavar="DIMENSIONS", help="Fewer dimensions, such as city,currency.")
@click.option(
    "--filter", "filters", type=_filter, multiple=True, metavar="DIMENSION=VALUE",
    help="Only these rows, such as city=london,paris.",
)  # fmt: skip
@click.option("--entities", is_flag=True, help="The entities themselves, oldest first.")
@click.option("--state", metavar="STATE", help="Only entities in this state, such as open or overdue.")
@click.option("--limit", type=click.IntRange(1, 1000), help="How many entities.")
@click.option("--cursor", help="Entities after those of the last answer.")
@click.option("--api", "url", help="The api's URL.  [default: from SLUICE_HTTP_HOST and SLUICE_HTTP_PORT]")
@click.option(
    "--watch", is_flag=True, help="Keep it fresh until Ctrl-C or SIGTERM; in a pipe, print each change."
)
@json_option
def views(*, name: str | None, url: str | None, watch: bool, as_json: bool, **asked: Any) -> None:
    """Show the view NAME as a table; without NAME, list the views.

    \b
    Examples:
      sluice views
      sluice views kpi_gmv --window 7d --group-by currency
      sluice views ops_recon_variance --filter city=london,paris --watch
      sluice views ops_payout_backlog --entities --state overdue
    """
    settings = Settings.load()
    client = ApiClient.of(settings, url=url)
    try:
        if name is None:
            _list(client, as_json=as_json)
        elif watch:
            _watch(_Question(client, name, asked), settings.stream_seconds, as_json=as_json)
        else:
            _show(_Question(client, name, asked), as_json=as_json)
    except ApiRefusalError as error:
        raise WrongUsage(str(error)) from None
    except ApiError as error:
        raise Failure(str(error)) from None


class _Question:
    """What is asked of the api, ready to be asked again and again."""

    def __init__(self, client: ApiClient, name: str, asked: dict[str, Any]) -> None:
        entities = asked.pop("entities")
        for option in ("state", "limit", "cursor"):
            if asked[option] is not None and not entities:
                raise click.UsageError(f"--{option} goes with --entities")
        self.client = client
        self._path = f"/v1/views/{name}" + ("/entities" if entities else "")
        filters = asked.pop("filters")
        parameters = {"from": asked.pop("from_"), **asked}
        self._parameters = [(key, str(value)) for key, value in parameters.items() if value is not None]
        self._parameters += filters

    def ask(self) -> dict[str, Any]:
        """The answer. Raises `ApiError`."""
        answer = self.client.get(self._path, self._parameters)
        assert isinstance(answer, dict)
        return answer


def _list(client: ApiClient, *, as_json: bool) -> None:
    listed = client.get("/v1/views")
    found: Sequence[dict[str, Any]] = listed["views"] if isinstance(listed, dict) else listed
    if as_json:
        echo_json(listed)
    else:
        console().print(views_table(found))


def _show(question: _Question, *, as_json: bool) -> None:
    answer = question.ask()
    if as_json:
        echo_json(answer)
    else:
        console().print(view_table(answer))


def _watch(question: _Question, seconds: float, *, as_json: bool) -> None:
    answer = question.ask()  # what cannot be asked at all is said at once
    screen = console()
    try:
        shutdown.interrupt_on_signals()
        with question.client.kept_open():
            if as_json or not sys.stdout.isatty():
                _print_changes(question, answer, seconds, as_json=as_json)
            with Live(view_table(answer), console=screen, auto_refresh=False) as live:
                while True:
                    time.sleep(seconds)
                    shown, answer = _again(question, answer)
                    live.update(shown, refresh=True)
    except KeyboardInterrupt:
        screen.show_cursor()  # the way to end it, also while the first table is drawn
    except BrokenPipeError:  # such as `| head`: whoever reads has enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # or Python complains at its end


def _print_changes(question: _Question, answer: dict[str, Any], seconds: float, *, as_json: bool) -> NoReturn:
    """Print each answer that differs, whole: for a pipe or a file, where nothing can be drawn over."""
    shown: object = None
    away = ""
    while True:
        if not away and _what_counts(answer) != shown:
            if as_json:
                echo_json(answer)
            else:
                click.echo(_rendered(view_table(answer)))
            sys.stdout.flush()
            shown = _what_counts(answer)
        time.sleep(seconds)
        former, away = away, ""
        try:
            answer = question.ask()
        except ApiRefusalError:
            raise
        except ApiError as error:
            away = str(error)
            if away != former:
                say(f"sluice: {away}", err=True)


def _rendered(table: RenderableType) -> str:
    """As `console().print` would write it, which ends the process when nobody reads any more."""
    wide = console()
    with wide.capture() as captured:
        wide.print(table)
    return captured.get()


def _what_counts(answer: dict[str, Any]) -> object:
    """What makes an answer another one: not an age, an offset or a lag, which grow by themselves."""
    rows = [
        {name: cell for name, cell in row.items() if not name.endswith("_seconds")} for row in answer["rows"]
    ]
    return rows, [answer.get(name) for name in CHANGES]


def _again(question: _Question, former: dict[str, Any]) -> tuple[RenderableType, dict[str, Any]]:
    """The next answer; while the api is away, the former one with a line that says so."""
    try:
        answer = question.ask()
    except ApiRefusalError:
        raise
    except ApiError as error:
        return Group(view_table(former), Text(), as_text(error, "red")), former
    return view_table(answer), answer
