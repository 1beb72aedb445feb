"""The rows of answers: what is kept for each measure by group and step, in columns, and then finished."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from tables.codec import Group
from tables.query.params import Filters, ParameterError, ViewQuery
from tables.query.steps import Steps
from tables.query.window import cut_hour
from tables.read.definitions import ViewState
from tables.read.entity_columns import EntityColumns
from tables.read.group_table import sort_key
from tables.read.pane_sums import DROPPED, CutHourError, PaneSums, Part, join_columns
from tables.read.sketch_entries import Ints
from tables.scope import Scope, sees
from tables.spec.fields import CITY
from tables.spec.measures import finish_all
from tables.spec.view import View
from tables.spec.windowed import Windowed

MOST_ROWS = 200_000
"""By steps there may be as many rows as steps times groups. So many take a second of the one thread that
answers, in which nobody else is answered, and are over 40 MB of JSON."""

Kept = dict[str, Any]
"""What is kept for each measure of a row, by its name."""
RowKey = tuple[int, Group]
"""Epoch minute at which the step begins (0 where there are no steps), and the values of the `group_by`
dimensions.
"""


class Table(NamedTuple):
    """Rows, sorted by their keys, null first; `kept`: what is kept for each measure, a column each."""

    keys: list[RowKey]
    kept: dict[str, list[Any]]


def group_filter(fields: Sequence[str], filters: Filters, scope: Scope = None) -> Callable[[Group], bool]:
    """Whether a group, whose values are those of `fields`, is asked for and may be seen."""
    wanted = [(fields.index(name), values) for name, values in filters.items()]
    city = fields.index(CITY)

    def allows(group: Group) -> bool:
        return sees(scope, group[city]) and all(group[at] in values for at, values in wanted)

    return allows


def windowed(state: ViewState, query: ViewQuery, first: int, end: int, scope: Scope) -> Table:
    """What is kept of the epoch minutes [first, end). Raises `ParameterError` where a step cuts an hour, and
    for steps of too many rows."""
    view, panes = state.view, state.panes
    assert panes is not None
    assert isinstance(view, Windowed)
    part = panes.total(first, end) if query.steps is None else _stepped(panes, query.steps, first, end)
    size = max(1, len(panes.groups))
    shown, place = panes.groups.projected([view.key.index(name) for name in query.group_by])
    if query.filters or scope is not None:
        allows = group_filter(view.key, query.filters, scope)
        place = place.copy()
        place[_refused(panes, np.unique(part.keys % size), allows)] = -1
    width = max(1, len(shown))

    def shown_key(stepped: Ints) -> Ints:
        steps, numbers = np.divmod(stepped, size)
        return np.where(place[numbers] < 0, DROPPED, steps * width + place[numbers])

    merged = panes.merged([part.moved(shown_key)])
    if query.steps is not None and len(merged.keys) > MOST_ROWS:
        raise ParameterError(
            "step",
            f"this makes {len(merged.keys):,} rows, and there are {MOST_ROWS:,} at most: ask for a longer"
            " step, a shorter window or fewer dimensions",
        )
    starts, places = np.divmod(merged.keys, width)
    groups = [shown[at] for at in places.tolist()]
    count = len(groups)
    kept: dict[str, list[Any]] = {name: [nothing] * count for name, nothing in view.nothing().items()}
    kept.update(zip([total.name for total in view.sums], join_columns(merged.limbs), strict=True))
    if view.sketches:
        row_of = {key: row for row, key in enumerate(merged.keys.tolist())}
        for entries, names in zip(merged.sketches, view.sketches.values(), strict=True):
            for key, sketch in entries.by_key():
                for name in names:
                    kept[name][row_of[key]] = sketch
    return Table(list(zip(starts.tolist(), groups, strict=True)), kept)


def _stepped(panes: PaneSums, steps: Steps, first: int, end: int) -> Part:
    try:
        return panes.steps(first, end, steps.start_of)
    except CutHourError as error:  # of a worker that keeps hours for longer than the reader knows
        raise cut_hour(steps, error.hour) from None


def _refused(panes: PaneSums, present: Ints, allows: Callable[[Group], bool]) -> list[int]:
    """The numbers of groups that are not asked for, or may not be seen."""
    groups = panes.groups.groups
    return [number for number in present.tolist() if not allows(groups[number])]


def with_entities(table: Table, state: ViewState, query: ViewQuery, as_of_us: int, scope: Scope) -> Table:
    """The table with the entity measures: in every step of a group, or in rows of their own where there are
    none.
    """
    view, entities = state.view, state.entities
    assert entities is not None
    tracked = _tracked(entities, view, query, as_of_us, scope)
    keys, kept = list(table.keys), {name: list(column) for name, column in table.kept.items()}
    if query.steps is None:
        there = {group for _, group in keys}
        more: list[RowKey] = [(0, group) for group in tracked if group not in there]
        keys += more
        for name, nothing in view.nothing().items():
            kept[name] += [nothing] * len(more)
    nothing_tracked = {measure.name: measure.nothing for measure in view.entity_measures}
    rows = [tracked.get(group, nothing_tracked) for _, group in keys]
    kept.update({name: [row[name] for row in rows] for name in nothing_tracked})
    return _sorted(keys, kept)


def of_experiments(view: View, rows: Mapping[Group, Mapping[str, Any]]) -> Table:
    """What is kept of experiments, by their groups."""
    names = [measure.name for measure in view.measures if not measure.needs]
    kept = {name: [row[name] for row in rows.values()] for name in names}
    return _sorted([(0, group) for group in rows], kept)


def _sorted(keys: list[RowKey], kept: dict[str, list[Any]]) -> Table:
    by = [(start, sort_key(group)) for start, group in keys]
    order = sorted(range(len(keys)), key=by.__getitem__)
    return Table(
        [keys[at] for at in order], {name: [column[at] for at in order] for name, column in kept.items()}
    )


def _tracked(
    entities: EntityColumns, view: View, query: ViewQuery, as_of_us: int, scope: Scope
) -> dict[Group, Kept]:
    """What is kept for entity measures, by shown group."""
    wants = group_filter(view.key, query.filters)
    places = [view.key.index(name) for name in query.group_by]
    table: dict[Group, Kept] = {}
    for number, values in entities.measure(view.entity_measures, as_of_us, scope).items():
        group = entities.groups.groups[number]
        if not wants(group):
            continue
        kept = table.setdefault(tuple([group[at] for at in places]), values)
        if kept is not values:
            for measure in view.entity_measures:
                kept[measure.name] = measure.merge(kept[measure.name], values[measure.name])
    return table


def finished(view: View, query: ViewQuery, table: Table, first: int, as_of_us: int) -> list[dict[str, Any]]:
    """The rows: `t` where there are steps, the dimensions, the measures. `first`: the window's first epoch
    minute, which cuts the first step."""
    if not table.keys:
        return []
    columns: dict[str, Sequence[Any]] = {}
    starts, groups = zip(*table.keys, strict=True)
    if query.steps is not None:
        texts = {start: query.steps.text(max(start, first)) for start in set(starts)}
        columns["t"] = [texts[start] for start in starts]
    columns |= zip(query.group_by, zip(*groups, strict=True), strict=True)
    columns |= finish_all(view.measures, table.kept, as_of_us)
    names = tuple(columns)
    return [dict(zip(names, row, strict=True)) for row in zip(*columns.values(), strict=True)]
