"""Tiles: what of a view the console shows, and as what. They are declared beside the view's measures."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

GROUPS = (
    "Executive",
    "Operations",
    "Trust",
    "Promotions",
    "Comms",
    "Studios",
    "Experiments",
    "Pipeline",
)
"""The console's pages, in their order; groups that are none of these come behind them."""
OTHERS = "Other views"
"""The group of the views that declare no tile."""


class TileKind(StrEnum):
    """What a tile shows its measures as."""

    NUMBERS = "numbers"  # a number each, of everything that is filtered for
    FUNNEL = "funnel"  # stages, each beside the rate against the one before
    BUCKETS = "buckets"  # shares of their sum
    TABLE = "table"  # a row for each group
    GATES = "gates"  # a row for each recon gate, with its state
    INTERVALS = "intervals"  # a row for each variant of an experiment, with its interval


@dataclass(frozen=True)
class Tile:
    """One tile of the console.

    `group`: the page that it is on. `measures`: what it shows, all if empty. `by`: the dimensions of its
    rows, of a table all if empty; a currency is added where money is measured. `rates`: a funnel's measures
    beside its stages, one for each but the first. `trend`: the measures that are also drawn by day, over a
    week. `states`: the states and selections whose entities can be listed from the tile.
    """

    group: str
    title: str
    kind: TileKind = TileKind.TABLE
    measures: tuple[str, ...] = ()
    by: tuple[str, ...] = ()
    rates: tuple[str, ...] = ()
    trend: tuple[str, ...] = ()
    states: tuple[str, ...] = ()
