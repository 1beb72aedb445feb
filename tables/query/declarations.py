"""The query parameters of views and entities, declared: what each is, and what it may be."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from tables.spec.view import View
from tables.spec.windowed import Windowed

DEFAULT_LIMIT, MAX_LIMIT = 100, 1000


class Parameter(NamedTuple):
    """A parameter as it is declared: the parser takes its name, the description of the API all of it.

    `schema`: its JSON Schema.
    """

    name: str
    description: str
    schema: dict[str, Any]


def _text(name: str, description: str, example: str = "", **schema: Any) -> Parameter:
    return Parameter(
        name, description, {"type": "string", **schema, **({"examples": [example]} if example else {})}
    )


_TIME = "RFC 3339, or milliseconds since 1970"
_AS_OF = _text(
    "as_of",
    f"A time ({_TIME}), `now` (follows SLUICE_CLOCK) or `watermark`: for ages, deadlines, the window's end."
    " It rewinds no entity.",
    "now",
    default="now",
)
_STEP = _text("step", "Adds `t`, a row per step with data. Whole minutes; where hours are kept, hours.", "5m")
_TZ = _text(
    "tz",
    "A time zone by whose clock steps begin, and days: `from` and `to` may then be dates. Where hours alone "
    "are kept, one of whole hours from UTC.",
    "Europe/Lisbon",
)
_WINDOW = (
    _text(
        "group_by",
        "Dimensions with commas, fewer than the view has: the rest is summed. Where money is measured, "
        "currency has to be among them.",
        "city,currency",
    ),
    _text(
        "window",
        "Length of a window that ends at as_of, in s, m, h or d. An entity view shows the latest state, "
        "whatever the window.",
        "15m",
        default="24h",
    ),
    _text(
        "from",
        f"Start ({_TIME}), instead of window. Whole panes that start inside count.",
        "2026-03-01T00:00:00Z",
    ),
    _text("to", f"End ({_TIME}), exclusive; as_of if left out.", "2026-03-02T00:00:00Z"),
)
LIMIT_SCHEMA = {"type": "integer", "minimum": 1, "maximum": MAX_LIMIT, "default": DEFAULT_LIMIT}
_LIMIT = Parameter("limit", f"Entities a page, at most {MAX_LIMIT}.", LIMIT_SCHEMA)
_CURSOR = _text("cursor", "The `cursor` of the page before.")


def filters(dimensions: Sequence[str]) -> list[Parameter]:
    """A parameter for each dimension."""
    says = "Only this value, or these, with commas or repeated (`\\,` is a comma in a value); empty: null."
    return [Parameter(name, says, {"type": "array", "items": {"type": "string"}}) for name in dimensions]


def view_parameters(view: View) -> list[Parameter]:
    """Parameters of a view's answer and of its stream."""
    steps = [_STEP, _TZ] if isinstance(view, Windowed) else []
    return [_AS_OF, *_WINDOW, *steps, *filters(view.dimensions)]


def row_parameters(view: View) -> list[Parameter]:
    """Those of them that choose rows, and do not change what a row is."""
    _, *window = _WINDOW
    return [_AS_OF, *window, *filters(view.dimensions)]


def entity_parameters(view: View) -> list[Parameter]:
    """Parameters of the entities of a view that has some."""
    assert view.tracks is not None
    says = "Only entities in this state: what rows show as `state`, or one of the view's selections."
    state = _text("state", says, enum=[*view.tracks.by_state])
    return [_AS_OF, state, _LIMIT, _CURSOR, *filters(view.dimensions)]
