"""`sluice bronze cost`: what the present settings of Bronze cost, and others."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from itertools import chain
from typing import Any

import click

from agents.bronze.cost import GZIP_RATIO, MONTH_DAYS, Cost, Limits, Prices, Traffic, cost_of, even_shares
from agents.bronze.layout import layout_of
from schemas.catalogue import EVENTS
from streams.cli.common import WrongUsage, echo_json, list_options
from streams.cli.formats import MISSING, age
from streams.cli.page import Page, echo_page, prose
from streams.cli.parameters import names
from streams.cli.screen import screen_of
from streams.cli.table import Column, Kind, table
from streams.cli.tsv import echo_tsv
from streams.roles.sinks.memory import MEMORY_BYTES
from streams.settings import Settings
from tables.query.values import did_you_mean

MIB = 1 << 20
OTHER_SECONDS = (60, 300, 900, 3600)
MORE_TIMES = 4
MOST_BYTES = 1 << 30
ASSUMED = Prices()
COLUMNS = (
    Column("max seconds", Kind.NUMBER), Column("max MiB", Kind.NUMBER), Column("by city", Kind.TEXT),
    Column("range"), Column("objects a range", Kind.NUMBER), Column("PUTs a day", Kind.NUMBER),
    Column("PUTs a month", Kind.NUMBER), Column("of the budget", Kind.NUMBER),
    Column("GB a month", Kind.NUMBER), Column("MiB held", Kind.NUMBER), Column("requests $", Kind.NUMBER),
    Column("storage $", Kind.NUMBER),
)  # fmt: skip
LEAST_NEEDED = ("MiB held", "PUTs a day", "by city", "range", "objects a range")


class Positive(click.FloatRange):
    """A number above 0 that is not without end: Python's floats have `nan` and `inf`, too."""

    def __init__(self, most: float) -> None:
        super().__init__(min=0, min_open=True, max=most)

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        """The number."""
        number = float(super().convert(value, param, ctx))
        if math.isnan(number):
            self.fail(f"{value!r} is no number", param, ctx)
        return number


def _price(name: str, default: float, what: str) -> Callable[[Any], Any]:
    text = f"US dollars for {what}; the default is an assumption."
    return click.option(name, type=Positive(1e6), default=default, show_default=True, help=text)


@click.command()
@click.option("--events-per-second", type=Positive(1e9), required=True, help="Of all raw topics together.")
@click.option("--bytes-per-event", type=Positive(1e9), required=True, help="Of the records' values.")
@click.option(
    "--partitions", type=click.IntRange(1, 100_000), help="[default: of all raw topics as they are made]"
)
@click.option(
    "--event", "events", type=names, multiple=True, metavar="LIST", help="Only these come, with commas."
)
@click.option(
    "--days",
    type=click.IntRange(1, 100_000),
    default=1,
    show_default=True,
    help="On how many days the events of one range occurred.",
)
@click.option(
    "--cities",
    type=click.IntRange(1, 1_000_000),
    default=50,
    show_default=True,
    help="How many cities there are, for SLUICE_BRONZE_CITY_DOMAINS.",
)
@click.option(
    "--gzip-ratio",
    type=Positive(10),
    default=GZIP_RATIO,
    show_default=True,
    help="Bytes that are stored for a byte of an event, in large objects.",
)
@click.option(
    "--kept-months",
    type=click.IntRange(1, 1200),
    default=12,
    show_default=True,
    help="How many months of Bronze the store holds.",
)
@_price("--put-price", ASSUMED.puts, "1,000 PUT or LIST requests")
@_price("--get-price", ASSUMED.gets, "1,000 GET requests")
@_price("--gb-price", ASSUMED.gb_month, "a GB kept for a month")
@list_options
def cost(*, as_json: bool, as_tsv: bool, **asked: Any) -> None:
    """Work out what Bronze costs in a month of 30 days: as it is set, and set otherwise.

    Every event is taken to come equally often, which makes the most objects that there can be. docs/cost.md
    has the formula, and what was measured. Neither Kafka nor the store is asked.

    \b
    Examples:
      sluice bronze cost --events-per-second 500 --bytes-per-event 350
      sluice bronze cost --events-per-second 500 --bytes-per-event 350 --event search.click,search.impression
    """
    settings = Settings.load()
    asked["events"] = _known(list(chain.from_iterable(asked["events"])))
    question = Question(**asked)
    rows = [question.row(settings), *(question.row(other) for other in question.others(settings))]
    if as_json:
        echo_json(rows)
    elif as_tsv:
        echo_tsv(list(rows[0]), rows)
    else:
        _show(rows, question)


def _known(events: list[str]) -> list[str]:
    for event in events:
        if event not in EVENTS:
            raise WrongUsage(f"no such event: {event}{did_you_mean(event, EVENTS)} (sluice schemas list)")
    return list(dict.fromkeys(events)) or list(EVENTS)


@dataclass(frozen=True)
class Question:
    """What was asked, as the options say it."""

    events_per_second: float
    bytes_per_event: float
    partitions: int | None
    events: list[str]
    days: int
    cities: int
    gzip_ratio: float
    kept_months: int
    put_price: float
    get_price: float
    gb_price: float

    def cost(self, settings: Settings) -> Cost:
        """Of these settings."""
        shares = even_shares(layout_of(settings.bronze_city_domains), self.events, self.days, self.cities)
        return cost_of(
            Traffic(self.events_per_second, self.bytes_per_event, shares, self.gzip_ratio),
            Limits(
                self.partitions or settings.partitions * len(settings.raw_topics),
                settings.bronze_max_seconds,
                settings.bronze_max_bytes,
            ),
            Prices(self.put_price, self.get_price, self.gb_price),
        )

    def others(self, settings: Settings) -> list[Settings]:
        """Settings that differ in one thing each; of those that cost the same, the first."""
        others = [replace(settings, bronze_max_seconds=seconds) for seconds in OTHER_SECONDS]
        more = min(MORE_TIMES * settings.bronze_max_bytes, MOST_BYTES)
        others += [replace(settings, bronze_max_bytes=more), replace(settings, bronze_city_domains=())]
        by_cost = {self.cost(one): one for one in reversed([settings, *others])}
        return [one for one in others if by_cost[self.cost(one)] is one]

    def row(self, settings: Settings) -> dict[str, Any]:
        """Settings, and what they cost."""
        cost, budget = self.cost(settings), settings.budget_puts
        return {
            "max_seconds": settings.bronze_max_seconds,
            "max_bytes": settings.bronze_max_bytes,
            "city_domains": ",".join(settings.bronze_city_domains),
            "range_seconds": round(cost.range_seconds, 3),
            "range_events": round(cost.range_events, 1),
            "range_objects": round(cost.range_objects, 1),
            "closes_by": cost.closes_by,
            "puts_per_day": round(cost.puts / MONTH_DAYS),
            "puts_per_month": round(cost.puts),
            "gets_per_month": round(cost.gets),
            "budget_ratio": round(cost.puts / budget, 4) if budget else None,
            "gb_per_month": round(cost.stored_bytes / 1e9, 3),
            "held_bytes": round(cost.held_bytes),
            "request_dollars": round(cost.request_dollars, 2),
            "storage_dollars": round(cost.kept_dollars * self.kept_months, 2),
        }


def _show(rows: list[dict[str, Any]], question: Question) -> None:
    screen = screen_of()
    shown = table(COLUMNS, [_cells(row) for row in rows], screen, least_needed=LEAST_NEEDED)
    months, held = question.kept_months, MEMORY_BYTES >> 20
    notes = (
        f"The first line is what is set. A month has 30 days; what is stored is that of {months} months.",
        "Prices are those of the options, by default assumptions.",
        f"All ranges of a worker hold at most {held} MiB: more takes several workers, or ranges close early.",
    )
    below = [line for note in notes for line in prose(note, screen, "aside")]
    echo_page(Page(shown.above, shown.rows, [*shown.below, "", *below]))


def _cells(row: dict[str, Any]) -> list[str]:
    ratio = row["budget_ratio"]
    return [
        str(row["max_seconds"]), f"{row['max_bytes'] / MIB:.4g}", row["city_domains"] or MISSING,
        f"{age(row['range_seconds'])} ({row['closes_by']})", f"{row['range_objects']:,.1f}",
        f"{row['puts_per_day']:,}", f"{row['puts_per_month']:,}",
        MISSING if ratio is None else f"{ratio:.0%}", f"{row['gb_per_month']:,.1f}",
        f"{row['held_bytes'] / MIB:,.0f}", f"{row['request_dollars']:,.2f}",
        f"{row['storage_dollars']:,.2f}",
    ]  # fmt: skip
