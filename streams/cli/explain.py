"""`sluice explain`: the events behind a view's rows, asked of the api."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Any

import click

from streams.cli.common import api_option, echo_json, list_options, say
from streams.cli.explain_page import explain_page, verdict_of
from streams.cli.page import echo_page
from streams.cli.screen import screen_of
from streams.cli.tsv import echo_tsv
from streams.settings import Settings

_DIMENSION = re.compile(r"--(?P<name>[a-z][a-z0-9_]*)(=(?P<value>.*))?", re.DOTALL)


@click.command(context_settings={"ignore_unknown_options": True})
@click.argument("words", nargs=-1, type=click.UNPROCESSED, metavar="VIEW [--DIMENSION VALUE]…")
@click.option("--window", metavar="LENGTH", help="15m, 24h, 7d …; it ends at --as-of.  [default: 24h]")
@click.option("--from", "from_", metavar="TIME", help="RFC 3339 or epoch milliseconds; instead of --window.")
@click.option("--to", metavar="TIME", help="RFC 3339 or epoch milliseconds; not included.")
@click.option("--as-of", metavar="TIME", help="A time, `now` or `watermark`.  [default: now]")
@click.option(
    "--timeout",
    "seconds",
    type=click.FloatRange(min=0, min_open=True),
    default=120.0,
    show_default=True,
    metavar="SECONDS",
    help="How long to wait for the api.",
)
@api_option
@list_options
def explain(
    *, words: tuple[str, ...], seconds: float, url: str | None, as_json: bool, as_tsv: bool,
    **asked: str | None,
) -> None:  # fmt: skip
    """Show the events behind a view's rows: what they add, the newest and largest, and which are left out.

    The rows are chosen by the view's dimensions, such as --city and --currency: a value, several with commas,
    or an empty one for null. The api looks into Bronze, and into Kafka for what is not there yet
    (SLUICE_BRONZE_URL, SLUICE_EXPLAIN_SECONDS).

    Exit code 1 where they do not add up to the rows. In TSV there is what they add, by event.

    \b
    Examples:
      sluice explain kpi_gmv --city london --currency GBP --window 1h
      sluice explain ops_payout_backlog --city= --json
    """
    settings = Settings.load()
    from streams.cli.asking import asking  # noqa: PLC0415 - these take a moment
    from streams.client.configured import client_of  # noqa: PLC0415

    name, filters = _parsed(words)
    given = {"from": asked.pop("from_"), **asked}
    params = [*((key, value) for key, value in given.items() if value is not None), *filters]
    with asking():
        answer = client_of(settings, seconds, url).json(f"/v1/views/{name}/explain", params)
    if as_json:
        echo_json(answer)
    elif as_tsv:
        _echo_tsv(answer)
    else:
        echo_page(explain_page(answer, screen_of()))
    if answer["adds_up"] is False:
        raise click.exceptions.Exit(1)


def _echo_tsv(answer: dict[str, Any]) -> None:
    """What the events add; what has to be known of it besides is on standard error."""
    for caveat in (verdict_of(answer), *answer["notes"]):
        say(f"sluice: {caveat}", err=True)
    rows = answer["events"]
    echo_tsv(list(rows[0]) if rows else ("event", "records"), rows)


def _parsed(words: Sequence[str]) -> tuple[str, list[tuple[str, str]]]:
    """The view's name, and the filters. Which dimensions there are is the api's to say."""
    names: list[str] = []
    filters: list[tuple[str, str]] = []
    left = iter(words)
    for word in left:
        if word.startswith("-"):
            filters.append(_filter(word, left))
        else:
            names.append(word)
    if len(names) != 1:
        raise click.UsageError(f"Name one view, not {len(names)}: sluice explain kpi_gmv --city london")
    return names[0], filters


def _filter(word: str, left: Iterator[str]) -> tuple[str, str]:
    found = _DIMENSION.fullmatch(word)
    if found is None:
        raise click.UsageError(f"{word} is not --dimension value, such as --city london")
    value = next(left, None) if found["value"] is None else found["value"]
    if value is None:
        raise click.UsageError(f"{word} has no value: such as --city london, or --city= for null")
    return found["name"].replace("-", "_"), value
