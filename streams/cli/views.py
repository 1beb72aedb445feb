"""`sluice views`: a view as a table in the terminal, asked of the api; and what is done to one."""

from __future__ import annotations

import re
from typing import Any

import click

from streams.cli.asking import again, asking
from streams.cli.common import api_option, echo_json, list_options, say
from streams.cli.page import echo_page
from streams.cli.screen import screen_of
from streams.cli.tsv import echo_tsv
from streams.cli.views_rebuild import rebuild
from streams.cli.views_table import caveats, view_page, views_page
from streams.cli.watch import Watched, watch
from streams.client import SluiceClient
from streams.client.configured import client_of
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
STAMPS = ("as_of", "complete")
"""Members of the answer that CSV has in each row."""
LISTED = ("name", "kind", "dimensions", "description")


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
@api_option
@click.option(
    "--watch", "watched", is_flag=True,
    help="Keep it fresh until Ctrl-C or SIGTERM; in a pipe, print each change.",
)  # fmt: skip
@list_options
def views(
    *, name: str | None, url: str | None, watched: bool, as_json: bool, as_tsv: bool, **asked: Any
) -> None:
    """Show the view NAME as a table; without NAME, list the views.

    On a terminal that is too narrow for a view, the columns that one needs least are left out and named
    below, or each row is a block of lines; no number is ever cut.

    \b
    Examples:
      sluice views
      sluice views kpi_gmv --window 7d --group-by currency
      sluice views ops_recon_variance --filter city=london,paris --watch
      sluice views ops_payout_backlog --entities --state overdue
    """
    settings = Settings.load()
    client = client_of(settings, url=url)
    with asking():
        if name is None:
            _list(client, as_json=as_json, as_tsv=as_tsv)
            return
        question = _Question(client, name, asked)
        write = echo_json if as_json else question.echo_tsv if as_tsv else None
        if watched:
            with client.kept_open():
                watch(Watched(again(question.ask), view_page, _what_counts, write), settings.stream_seconds)
        elif write:
            write(question.ask())
        else:
            echo_page(view_page(question.ask(), screen_of()))


class _Question:
    """What is asked of the api, ready to be asked again and again."""

    def __init__(self, client: SluiceClient, name: str, asked: dict[str, Any]) -> None:
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
        answer = self.client.json(self._path, self._parameters)
        assert isinstance(answer, dict)
        return answer

    def echo_tsv(self, answer: dict[str, Any]) -> None:
        """The rows; what has to be known of them besides is on standard error."""
        for caveat in caveats(answer):
            say(f"sluice: {caveat}", err=True)
        rows = answer["rows"]
        echo_tsv(list(rows[0]) if rows else self._names(), rows)

    def _names(self) -> list[str]:
        """Those of the members of rows, of which there are none: as the heading of CSV has them."""
        heading, *_ = self.client.text(self._path, [*self._parameters, ("format", "csv")]).splitlines()
        return [name for name in heading.split(",") if name not in STAMPS]


def _list(client: SluiceClient, *, as_json: bool, as_tsv: bool) -> None:
    listed = client.json("/v1/views")
    found: list[dict[str, Any]] = listed["views"] if isinstance(listed, dict) else listed
    if as_json:
        echo_json(listed)
    elif as_tsv:
        echo_tsv(LISTED, found)
    else:
        echo_page(views_page(found, screen_of()))


def _what_counts(answer: dict[str, Any]) -> object:
    """What makes an answer another one: not an age, an offset or a lag, which grow by themselves."""
    rows = [
        {name: cell for name, cell in row.items() if not name.endswith("_seconds")} for row in answer["rows"]
    ]
    return rows, [answer.get(name) for name in CHANGES]
