"""The query parameters of the view routes as the OpenAPI document describes them.

The routes parse them themselves (tables/query/params.py): which there are depends on the view.
"""

from __future__ import annotations

from typing import Any

from tables.query.params import DEFAULT_LIMIT, MAX_LIMIT
from tables.views import VIEWS


def _parameter(name: str, description: str, example: str, **schema: Any) -> dict[str, Any]:
    return {
        "name": name,
        "in": "query",
        "description": description,
        "schema": {"type": "string", **schema},
        "example": example,
    }


NAME = {
    "name": "name",
    "in": "path",
    "required": True,
    "description": "A view's name.",
    "schema": {"type": "string", "enum": [*VIEWS]},
}

AS_OF = _parameter(
    "as_of",
    "A time (RFC 3339, or milliseconds since 1970), `now` (follows SLUICE_CLOCK) or `watermark`: for ages,"
    " deadlines, the window's end. It rewinds no entity.",
    "now",
    default="now",
)

_WINDOWED = [
    _parameter(
        "window",
        "Length of a window that ends at as_of, in s, m, h or d. An entity view shows the latest state,"
        " whatever the window.",
        "15m",
        default="24h",
    ),
    _parameter(
        "from",
        "Start (RFC 3339, or milliseconds since 1970), instead of window. Whole panes that start inside"
        " count.",
        "2026-03-01T00:00:00Z",
    ),
    _parameter(
        "to",
        "End (RFC 3339, or milliseconds since 1970), exclusive; as_of if left out.",
        "2026-03-02T00:00:00Z",
    ),
    _parameter(
        "step",
        "Windowed views: adds `t`, a row per step with data. Whole minutes; where hours are kept, hours.",
        "5m",
    ),
]


def _filters() -> list[dict[str, Any]]:
    names: dict[str, list[str]] = {}
    for view in VIEWS.values():
        for dimension in view.dimensions:
            names.setdefault(dimension, []).append(view.name)
    return [
        {
            "name": name,
            "in": "query",
            "description": "Only this value, or these, with commas or repeated (`\\,` is a comma in a value);"
            f" empty: null. In {', '.join(views)}.",
            "schema": {"type": "array", "items": {"type": "string"}},
        }
        for name, views in names.items()
    ]


def of_view() -> list[dict[str, Any]]:
    """Parameters of a view's answer and of its stream."""
    group_by = _parameter(
        "group_by",
        "Dimensions with commas, fewer than the view has: the rest is summed. Where money is measured,"
        " currency has to be among them.",
        "city,currency",
    )
    return [NAME, *_WINDOWED, AS_OF, group_by, *_filters()]


def of_entities() -> list[dict[str, Any]]:
    """Parameters of the entities route."""
    states = sorted({name for view in VIEWS.values() if view.tracks for name in view.tracks.by_state})
    limit = _parameter(
        "limit", f"Entities a page, at most {MAX_LIMIT}.", str(DEFAULT_LIMIT), default=str(DEFAULT_LIMIT)
    )
    limit["schema"] = {"type": "integer", "minimum": 1, "maximum": MAX_LIMIT, "default": DEFAULT_LIMIT}
    cursor = _parameter("cursor", "The `cursor` of the page before.", "")
    del cursor["example"]
    return [
        NAME,
        _parameter(
            "state",
            "Only entities in this state: what rows show as `state`, or one of the view's selections.",
            "open",
            enum=states,
        ),
        limit,
        cursor,
        AS_OF,
        *_filters(),
    ]
