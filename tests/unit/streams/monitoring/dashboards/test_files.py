"""The dashboards: what Grafana's SDK reads of them is what is written, and nothing hangs over an edge."""

from __future__ import annotations

import json
from itertools import combinations
from pathlib import Path
from typing import Any

import pytest
import yaml
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.cog.plugins import register_default_plugins
from grafana_foundation_sdk.models.dashboard import Dashboard

from schemas.extensions import Extension
from streams.monitoring.dashboards import api_query
from streams.monitoring.dashboards.files import dashboard_files, extension_file
from streams.monitoring.options import Options
from tables.spec.tile import GROUPS, Tile
from tables.spec.tiles import tiles_of
from tables.spec.windowed import Sum, Term, Windowed
from tables.views import OWN
from tests.support.paths import ROOT

GRAFANA = ROOT / "deploy" / "grafana"
FILES = sorted((GRAFANA / "dashboards").glob("*.json"))
GIFTS = Windowed(
    name="acme_gifts",
    description="Gifts.",
    dimensions=("city",),
    measures=(Sum("sold", "Gifts sold", (Term("booking.confirmed"),)),),
    tiles=(Tile("Gifts", "Gifts"),),
)


def document(file: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(file.read_text("utf-8"))
    return found


def test_there_is_one_for_every_group_of_tiles() -> None:
    assert {document(file)["title"] for file in FILES} == {f"Sluice: {group}" for group in GROUPS}


def test_every_tile_is_on_the_dashboard_of_its_group() -> None:
    shown = {file.stem: [panel["title"] for panel in document(file)["panels"]] for file in FILES}
    for view in OWN.values():
        for tile in tiles_of(view):
            assert tile.title in shown[tile.group.lower()]


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_the_sdk_reads_what_is_written(file: Path) -> None:
    """It knows the members of a dashboard, its panels and queries: one that it does not know is lost."""
    register_default_plugins()
    api_query.register()
    written = document(file)
    read = json.loads(JSONEncoder().encode(Dashboard.from_json(written)))
    for panel in read["panels"]:
        if panel["type"] != "row":
            panel["fieldConfig"]["defaults"].pop("custom", None)  # defaults, which it adds
    assert read == written


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_panels_have_a_place_of_their_own_and_a_source_that_is_provisioned(file: Path) -> None:
    sources = yaml.safe_load((GRAFANA / "datasources.yml").read_text("utf-8"))["datasources"]
    known = {(source["type"], source["uid"]) for source in sources}
    panels = document(file)["panels"]
    assert len({panel["id"] for panel in panels}) == len(panels)
    for panel in panels:
        place = panel["gridPos"]
        assert 0 <= place["x"] < place["x"] + place["w"] <= 24
        if panel["type"] != "row":
            assert (panel["datasource"]["type"], panel["datasource"]["uid"]) in known
            assert panel["targets"]
    for one, other in combinations((panel["gridPos"] for panel in panels), 2):
        beside = one["x"] + one["w"] <= other["x"] or other["x"] + other["w"] <= one["x"]
        below = one["y"] + one["h"] <= other["y"] or other["y"] + other["h"] <= one["y"]
        assert beside or below


def test_an_extension_has_its_own() -> None:
    extension = Extension("acme_gifts", "1", events=(), views=(GIFTS,))
    ((path, content),) = extension_file(extension, Options.load()).items()
    assert path == "grafana/dashboards/acme-gifts.json"
    (panel,) = json.loads(content)["panels"]
    (target,) = panel["targets"]
    assert target["url"] == "/v1/views/acme_gifts"
    assert {"key": "group_by", "value": "city"} in target["url_options"]["params"]


def test_the_selector_is_in_every_query_of_prometheus() -> None:
    made = dashboard_files(Options.load([("selector", 'namespace="here"')]))
    pipeline = json.loads(made["grafana/dashboards/pipeline.json"])
    asked = [
        target["expr"]
        for panel in pipeline["panels"]
        for target in panel.get("targets", ())
        if "expr" in target
    ]
    assert asked
    assert all('{namespace="here"' in expr or expr.startswith("sluice:") for expr in asked)
