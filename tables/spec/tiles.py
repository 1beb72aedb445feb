"""A view's tiles: those that it declares, or the one that it gets, and what can be wrong with them."""

from __future__ import annotations

from collections.abc import Iterator

from tables.spec.experiment import Experiment
from tables.spec.fields import CITY
from tables.spec.tile import OTHERS, Tile, TileKind
from tables.spec.view import View
from tables.spec.windowed import Windowed

CURRENCY = "currency"


def tiles_of(view: View) -> tuple[Tile, ...]:
    """Its tiles; of a view that declares none a table of everything."""
    kind = TileKind.INTERVALS if isinstance(view, Experiment) else TileKind.TABLE
    return view.tiles or (Tile(OTHERS, view.name, kind),)


def rows_by(view: View, tile: Tile) -> tuple[str, ...]:
    """The dimensions that tell a tile's rows apart: those that it names, and the currency of money."""
    if tile.kind in (TileKind.GATES, TileKind.INTERVALS):
        return view.dimensions
    named = tile.by or (view.dimensions if tile.kind is TileKind.TABLE else ())
    return tuple(name for name in view.dimensions if name in named or (name == CURRENCY and view.has_money))


def tile_problems(view: View) -> Iterator[tuple[str, str]]:
    """What is wrong with a view's tiles: where, and what to do."""
    measures = tuple(measure.name for measure in view.measures)
    states = tuple(view.tracks.by_state) if view.tracks else ()
    for tile in view.tiles:
        where = f", tile {tile.title!r}"
        if not tile.group.strip() or not tile.title.strip():
            yield where, "has no group or no title: name both"
        named = (
            ("measure", (*tile.measures, *tile.rates, *tile.trend), measures),
            ("dimension", tile.by, view.dimensions),
            ("state", tile.states, states),
        )
        for what, names, known in named:
            for name in names:
                if name not in known:
                    listed = f"take one of {', '.join(known)}" if known else "there is none to take"
                    yield where, f"the view has no {what} {name}: {listed}"
        yield from ((where, what) for what in _kind_problems(view, tile))


def _kind_problems(view: View, tile: Tile) -> Iterator[str]:
    if tile.kind is TileKind.FUNNEL and len(tile.rates) != len(tile.measures) - 1:
        yield "a funnel has a rate for each stage but the first: name as many"
    if tile.kind is not TileKind.FUNNEL and tile.rates:
        yield "only a funnel has rates: leave them out"
    if tile.trend and not isinstance(view, Windowed):
        yield "only a windowed view has a trend: leave it out"
    if tile.trend and tile.kind is not TileKind.NUMBERS:
        yield "only numbers have a trend: take that kind, or leave it out"
    if (tile.kind is TileKind.INTERVALS) != isinstance(view, Experiment):
        yield "intervals are for experiments, and experiments are shown as intervals: take the other kind"
    if tile.kind is TileKind.GATES and {CITY, CURRENCY} != {*view.dimensions}:
        yield "a gate is of a city and a currency: take another kind for other dimensions"
