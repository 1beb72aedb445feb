"""The numbers of the console's tiles: what the api tells of them, and what the page shows."""

from __future__ import annotations

import json
from collections import Counter
from decimal import Decimal
from typing import Any

from playwright.sync_api import Locator

from tests.support.console import MONEY, Pipeline
from tests.support.console_page import FIGURES

Values = Counter[tuple[str, Any]]
"""How often a measure has a value. An age grows from one answer to the next, and is not compared."""
AGED = "aged"
INTERVALS = ("users", "mean_cuped", "diff", "always_valid_low", "always_valid_high", "srm_p", "crossovers")


def tiles_of(pipeline: Pipeline, group: str) -> list[dict[str, Any]]:
    return [tile for tile in pipeline.json("/v1/console")["tiles"] if tile["group"] == group]


def units_of(pipeline: Pipeline, view: str) -> dict[str, str]:
    """By measure."""
    (listed,) = (one for one in pipeline.json("/v1/views")["views"] if one["name"] == view)
    return {name: about["unit"] for name, about in listed["about"].items()}


def rows_of(pipeline: Pipeline, tile: dict[str, Any]) -> list[dict[str, Any]]:
    """What the api answers to what a tile shows: of a table the rows in which anything is counted."""
    group_by = {} if tile["kind"] == "intervals" else {"group_by": ",".join(tile["group_by"])}
    answer = pipeline.json(f"/v1/views/{tile['view']}", window="24h", **group_by)
    assert answer["complete"] is True
    rows: list[dict[str, Any]] = answer["rows"]
    counted = [row for row in rows if any(row[name] for name in tile["measures"])]
    return counted if tile["kind"] == "table" else rows


def values_of(tile: dict[str, Any], rows: list[dict[str, Any]], units: dict[str, str]) -> Values:
    return Counter((name, _compared(row[name], units[name])) for row in rows for name in _measures(tile))


def texts_of(tile: dict[str, Any], rows: list[dict[str, Any]], units: dict[str, str]) -> set[str]:
    """How some of the numbers should be written."""
    told = (written(row[name], units[name], row.get("currency")) for row in rows for name in _measures(tile))
    return {text for text in told if text is not None}


def values_shown(tile: Locator, units: dict[str, str]) -> Values:
    found: list[tuple[str, str]] = tile.locator(FIGURES).evaluate_all(
        "all => all.map(one => [one.dataset.measure, one.firstElementChild.value])"
    )
    return Counter((name, _compared(json.loads(value or "null"), units[name])) for name, value in found)


def texts_shown(tile: Locator) -> set[str]:
    return {text.strip() for text in tile.locator(FIGURES).all_inner_texts()}


def written(value: Any, unit: str, currency: str | None) -> str | None:
    """A number as the page should write it; None where that is not asked."""
    if value is None:
        return "–"
    if unit == "minor":
        decimals = MONEY.get(currency or "", 2)
        amount = Decimal(value).scaleb(-decimals)
        return f"{'−' if amount < 0 else ''}{abs(amount):,.{decimals}f} {currency}"
    return f"{value:,}" if unit == "count" else None


def _measures(tile: dict[str, Any]) -> list[str]:
    return [*INTERVALS] if tile["kind"] == "intervals" else [*tile["measures"], *tile["rates"]]


def _compared(value: Any, unit: str) -> Any:
    return AGED if unit == "seconds" and value is not None else value
