"""Panels of a view's tiles: the same as the console shows, over the dashboard's time range."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from grafana_foundation_sdk.builders import bargauge, common, piechart, stat, table, timeseries
from grafana_foundation_sdk.cog.builder import Builder
from grafana_foundation_sdk.models.dashboard import DataTransformerConfig, DynamicConfigValue, Panel

from streams.monitoring.dashboards.api_query import API, ApiQuery, ApiQueryBuilder, Column
from tables.gates.declared import RECON
from tables.spec.measures import Unit
from tables.spec.tile import Tile, TileKind
from tables.spec.tiles import CURRENCY, rows_by
from tables.spec.view import View

COUNTED = "short"
UNITS = {
    Unit.COUNT: COUNTED,
    Unit.MINOR: COUNTED,  # a currency's minor units are not always hundredths
    Unit.RATIO: "percentunit",
    Unit.NUMBER: COUNTED,
    Unit.SECONDS: "s",
}
HEIGHT, HALF, THIRD = 8, 12, 8
GATE_COLUMNS = ("city", CURRENCY, "state", "open", "variance_minor", "variance_ratio", "since", "reason")
Shape = bargauge.Panel | piechart.Panel | stat.Panel | table.Panel | timeseries.Panel


def panels(view: View, tile: Tile) -> Iterator[Builder[Panel]]:
    """A tile, and a line for each measure that it draws over time."""
    measures = tile.measures or tuple(measure.name for measure in view.measures)
    if tile.kind is TileKind.GATES:
        yield _gates(tile)
    elif tile.kind is TileKind.FUNNEL:
        yield _shown(view, tile, measures, _numbers(bargauge.Panel()))
        yield _shown(view, tile, tile.rates, _numbers(stat.Panel()), f"{tile.title}: rates")
    elif tile.kind is TileKind.BUCKETS and not rows_by(view, tile):
        yield _shown(view, tile, measures, _numbers(piechart.Panel()))
    elif tile.kind is TileKind.NUMBERS and not rows_by(view, tile):
        yield _shown(view, tile, measures, _numbers(stat.Panel()))
    else:
        yield _shown(view, tile, measures, table.Panel())
    yield from (_trend(view, tile, name) for name in tile.trend)


def _numbers(panel: bargauge.Panel | piechart.Panel | stat.Panel) -> Shape:
    """One row, of which each column is a number."""
    return panel.reduce_options(common.ReduceDataOptions().values(False).calcs(["lastNotNull"]))


def _shown(
    view: View, tile: Tile, measures: Sequence[str], panel: Shape, title: str | None = None
) -> Builder[Panel]:
    by = rows_by(view, tile)
    query = _query(view, by, measures)
    panel = _framed(panel, title or tile.title, f"{view.description} View {view.name}.", query, HALF)
    for measure in view.measures:
        if measure.name in measures and UNITS[measure.unit] != COUNTED:
            panel = panel.override_by_name(measure.name, [DynamicConfigValue("unit", UNITS[measure.unit])])
    return panel


def _trend(view: View, tile: Tile, name: str) -> Builder[Panel]:
    """A measure by the hour; of money a line for each currency."""
    (measure,) = (one for one in view.measures if one.name == name)
    by = (CURRENCY,) if view.has_money else ()
    query = _query(view, by, (name,), {"step": "1h"}, (Column("t", "time", "timestamp"),))
    title = f"{tile.title}: {measure.description}"
    panel = _framed(timeseries.Panel(), title, f"By the hour. View {view.name}.", query, THIRD)
    panel = panel.unit(UNITS[measure.unit])
    assert isinstance(panel, timeseries.Panel)
    if by:
        lines = {"fields": [CURRENCY], "keepFields": False, "naming": {"asLabels": True}}
        panel = panel.with_transformation(DataTransformerConfig(id_val="partitionByValues", options=lines))
    return panel


def _gates(tile: Tile) -> Builder[Panel]:
    columns = tuple(Column(name, name, "string") for name in GATE_COLUMNS)
    query = ApiQuery(f"/v1/gates/{RECON.name}", {}, columns)
    about = "Every gate's newest record; one that is stale or in alarm is closed (docs/gates.md)."
    return _framed(table.Panel(), tile.title, about, query, 2 * HALF)


def _framed(panel: Shape, title: str, about: str, query: ApiQuery, width: int) -> Shape:
    panel = panel.title(title).description(about).unit(COUNTED).datasource(API).height(HEIGHT).span(width)
    return panel.with_target(ApiQueryBuilder(query))


def _query(
    view: View,
    by: Sequence[str],
    measures: Sequence[str],
    more: dict[str, str] | None = None,
    first: tuple[Column, ...] = (),
) -> ApiQuery:
    params = {"group_by": ",".join(by)}
    if view.kind == "windowed":
        params |= {"from": "${__from}", "to": "${__to}"}
    columns = (
        *first,
        *(Column(name, name, "string") for name in by),
        *(Column(name, name, "number") for name in measures),
    )
    return ApiQuery(f"/v1/views/{view.name}", {**params, **(more or {})}, columns)
