"""Tiles: what contradicts its view is refused, and what is computed stays the same with and without them."""

from __future__ import annotations

from dataclasses import replace

import pytest

from schemas.validation.fast_path import EVENT_TYPES
from tables.spec.problems import problems
from tables.spec.tile import OTHERS, Tile, TileKind
from tables.spec.tiles import rows_by, tiles_of
from tables.spec.view import View
from tables.spec.written import decode_view, encode_view
from tables.views import OWN
from tables.views.exp_metric_cuped import EXP_METRIC_CUPED
from tables.views.kpi_funnel import KPI_FUNNEL
from tables.views.kpi_gmv import KPI_GMV
from tables.views.ops_payout_backlog import OPS_PAYOUT_BACKLOG

NUMBERS, FUNNEL = TileKind.NUMBERS, TileKind.FUNNEL


@pytest.mark.parametrize(
    ("view", "tile", "why"),
    [
        (KPI_GMV, Tile("Executive", "x", measures=("gmv",)), "has no measure gmv: take one"),
        (KPI_GMV, Tile("Executive", "x", NUMBERS, trend=("gvm",)), "the view has no measure gvm"),
        (KPI_GMV, Tile("Executive", "x", by=("channel",)), "no dimension channel: take one of city"),
        (KPI_GMV, Tile("Executive", "x", states=("open",)), "no state open: there is none to take"),
        (OPS_PAYOUT_BACKLOG, Tile("x", "y", states=("late",)), "no state late: take one of open, overdue"),
        (KPI_GMV, Tile("", "x"), "has no group or no title"),
        (KPI_GMV, Tile("Executive", " "), "has no group or no title"),
        (KPI_FUNNEL, Tile("x", "y", FUNNEL, ("clicks", "confirms")), "a rate for each stage but the first"),
        (KPI_FUNNEL, Tile("x", "y", NUMBERS, ("clicks",), rates=("click_rate",)), "only a funnel has rates"),
        (OPS_PAYOUT_BACKLOG, Tile("x", "y", NUMBERS, trend=("open",)), "only a windowed view has a trend"),
        (KPI_GMV, Tile("x", "y", trend=("bookings",)), "only numbers have a trend"),
        (KPI_GMV, Tile("x", "y", TileKind.INTERVALS), "intervals are for experiments"),
        (EXP_METRIC_CUPED, Tile("x", "y"), "intervals are for experiments"),
        (KPI_FUNNEL, Tile("x", "y", TileKind.GATES), "a gate is of a city and a currency"),
    ],
)  # fmt: skip
def test_what_contradicts_its_view_is_refused(view: View, tile: Tile, why: str) -> None:
    (said,) = problems(replace(view, tiles=(tile,)), EVENT_TYPES)
    assert said.startswith(f"view {view.name}, tile {tile.title!r}: ")
    assert why in said


@pytest.mark.parametrize("view", OWN.values(), ids=OWN)
def test_a_tile_changes_nothing_that_is_computed_or_kept(view: View) -> None:
    without = replace(view, tiles=())
    assert view.tiles, "each view of Sluice's own says what the console shows of it"
    assert (view.definition_hash, encode_view(view)) == (without.definition_hash, encode_view(without))
    assert b'"tiles"' not in encode_view(view)
    assert decode_view(encode_view(view), EVENT_TYPES) == view


def test_a_view_without_a_tile_gets_one() -> None:
    assert tiles_of(replace(KPI_GMV, tiles=())) == (Tile(OTHERS, "kpi_gmv"),)
    assert tiles_of(replace(EXP_METRIC_CUPED, tiles=()))[0].kind is TileKind.INTERVALS
    assert tiles_of(KPI_GMV) == KPI_GMV.tiles


def test_money_is_never_added_up_over_currencies() -> None:
    for view in OWN.values():
        for tile in view.tiles:
            assert not view.has_money or "currency" in rows_by(view, tile), (view.name, tile.title)
    assert rows_by(KPI_FUNNEL, KPI_FUNNEL.tiles[0]) == ()
    assert rows_by(KPI_GMV, Tile("x", "y")) == ("city", "currency")
