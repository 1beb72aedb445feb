"""Which values a dimension has in all that the feed holds: what a filter can name."""

from __future__ import annotations

from tables.query.params import Filters
from tables.query.values import no_such
from tables.read.state import ReaderState
from tables.scope import Scope, sees
from tables.spec.fields import CITY


def known_values(reader: ReaderState, dimension: str, scope: Scope, *, everywhere: bool = True) -> set[str]:
    """The values of a dimension, over all views and times, in what has the cities of `scope`; null apart.

    Not `everywhere`: those that queries have come across, for which no packed pane is looked into.
    """
    found: set[object] = set()
    for state in reader.views.values():
        fields = state.view.key
        if dimension not in fields:
            continue
        if everywhere and state.panes is not None:
            state.panes.name_all_groups()
        at = fields.index(dimension)
        if state.experiments is not None:
            found |= {names[at] for names in state.experiments.names()} if scope is None else set()
            continue
        city = fields.index(CITY)
        for groups in (part.groups for part in (state.panes, state.entities) if part is not None):
            if scope is None:
                found |= groups.values(at)
            else:
                found |= {group[at] for group in groups.groups if sees(scope, group[city])}
    return {value for value in found if isinstance(value, str)}


def unknown_filters(reader: ReaderState, filters: Filters, scope: Scope) -> list[str]:
    """Warnings for values that no state has, and that are therefore probably a mistake."""
    said: list[str] = []
    for dimension, values in filters.items():
        asked = {value for value in values if value is not None}
        if asked <= known_values(reader, dimension, scope, everywhere=False):
            continue
        known = known_values(reader, dimension, scope)
        said += no_such(dimension, asked - known, known)
    return said
