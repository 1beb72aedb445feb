"""The dashboards as files that Grafana provisions (deploy/grafana/dashboards.yml)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import chain

from grafana_foundation_sdk.builders.dashboard import Dashboard, Row
from grafana_foundation_sdk.cog.builder import Builder
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.models.dashboard import GridPos, Panel

from schemas.extensions import Extension
from streams.monitoring.dashboards import pipeline_panels, tile_panels
from streams.monitoring.options import Options
from streams.monitoring.rule import Query
from tables.spec.tile import GROUPS
from tables.spec.tiles import tiles_of
from tables.spec.view import View
from tables.views import OWN

FOLDER = "grafana/dashboards"
PIPELINE = "Pipeline"
WIDTH = 24


def dashboard_files(options: Options) -> dict[str, str]:
    """Path, below deploy/ or another folder, to content: one for each group of tiles."""
    query = Query(options)
    made = {group: _dashboard(group, _tiles(OWN.values(), group)) for group in GROUPS if group != PIPELINE}
    pipeline = _dashboard(PIPELINE, _tiles(OWN.values(), PIPELINE))
    for title, shown in pipeline_panels.rows(query):
        pipeline = pipeline.with_row(Row(title))
        for panel in shown:
            pipeline = pipeline.with_panel(panel)
    return {_path(group): _json(one) for group, one in {**made, PIPELINE: pipeline}.items()}


def extension_file(extension: Extension, options: Options) -> dict[str, str]:
    """That of an extension: its events, and the tiles of its views."""
    first = []
    if extension.events:
        names = tuple(spec.name for spec in extension.events)
        first = [pipeline_panels.events(Query(options), names)]
    dashboard = _dashboard(extension.package, chain(first, _tiles(extension.views, None)))
    return {_path(extension.package): _json(dashboard)}


def _tiles(views: Iterable[View], group: str | None) -> Iterator[Builder[Panel]]:
    """The panels of a group's tiles; None: of all tiles."""
    for view in views:
        for tile in tiles_of(view):
            if group in (None, tile.group):
                yield from tile_panels.panels(view, tile)


def _dashboard(title: str, panels: Iterable[Builder[Panel]]) -> Dashboard:
    made = Dashboard(f"Sluice: {title}").uid(f"sluice-{_slug(title)}").tags(["sluice"]).readonly()
    made = made.time("now-24h", "now").refresh("30s").timezone("browser")
    for panel in panels:
        made = made.with_panel(panel)
    return made


def _json(dashboard: Dashboard) -> str:
    built = dashboard.build()
    for number, panel in enumerate(built.panels or (), 1):
        panel.id_val = number
    _lay_out([panel.grid_pos for panel in built.panels or () if panel.grid_pos is not None])
    return JSONEncoder(indent=2, sort_keys=True).encode(built) + "\n"


def _lay_out(places: list[GridPos]) -> None:
    """Line by line, from left to right; the SDK lets a panel that does not fit hang over the edge."""
    x = y = height = 0
    for place in places:
        if x + place.w > WIDTH:
            x, y, height = 0, y + height, 0
        place.x, place.y = x, y
        x, height = x + place.w, max(height, place.h)


def _slug(title: str) -> str:
    return title.lower().replace("_", "-")


def _path(title: str) -> str:
    return f"{FOLDER}/{_slug(title)}.json"
