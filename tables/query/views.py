"""Answers of views: what is kept, over the panes and groups asked for, as docs/contract.md §6 shapes it.

A `scope` is the set of cities that may be seen, None for all of them and for null. It only ever filters
groups before they are added up, so every row, total and ratio comes from the scope's cities alone.
Experiments are of all cities: whoever may not see all sees none.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from schemas.times import format_time
from tables.codec import Group
from tables.query.experiments import experiment_rows
from tables.query.known_values import unknown_filters
from tables.query.params import EntityQuery, Filters, ViewQuery
from tables.query.steps import Steps
from tables.query.window import cut_hour, window_of
from tables.read.definitions import ViewState
from tables.read.entity_columns import EntityColumns
from tables.read.pane_sums import DROPPED, CutHourError, PaneSums, Part, join
from tables.read.sketch_entries import Ints
from tables.read.state import ReaderState
from tables.read.status import PartitionStatus, Situation, Status, resolve_as_of, status
from tables.scope import Scope, sees
from tables.spec.fields import CITY
from tables.spec.measures import finish
from tables.spec.view import View
from tables.spec.windowed import Windowed
from tables.times import MINUTE_US

Kept = dict[str, Any]
"""What is kept for each measure, by its name."""
RowKey = tuple[int, Group]
"""Epoch minute at which the step begins (0 where there are no steps), and the values of the `group_by`
dimensions.
"""


def answer_view(
    reader: ReaderState, view: View, query: ViewQuery, situation: Situation, scope: Scope = None
) -> dict[str, Any]:
    """The answer of GET /v1/views/{name}. Raises `ParameterError` for steps that cut what is kept as a whole.

    `view`: by the definition that answers, `reader.views[name].view`, which the query has been parsed for.
    `from` and `to` are those of the panes that were added up, null for an entity view. Rows are sorted by `t`
    and by their dimensions, null first. With `step` there is a row for each step that has data; steps begin
    at multiples of `step` since the epoch, by the clock of `tz`, the first and the last are cut by `from` and
    `to`, and `t` is the start.
    """
    state = reader.views[view.name]
    as_of_us, end_us = resolve_as_of(reader, query.as_of, situation)
    table: dict[RowKey, Kept] = {}
    first = end = None
    if state.panes is not None:
        first, end = window_of(reader, query, end_us)
        table = _windowed(state, query, first, end, scope)
    if state.entities is not None:
        _add_tracked(table, state, query, as_of_us, scope)
    if state.experiments is not None and scope is None:
        rows = experiment_rows(state.experiments, query, reader.newest_us())
        table = {(0, group): estimated for group, estimated in rows.items()}
    from_us = None if first is None else first * MINUTE_US
    warnings = warnings_of(reader, view, query, situation, scope)
    return {
        **head(view, as_of_us, status(reader, view, situation, from_us), (first, end), warnings),
        "rows": _rows(view, query, table, first or 0, as_of_us),
    }


def warnings_of(
    reader: ReaderState, view: View, query: ViewQuery | EntityQuery, situation: Situation, scope: Scope
) -> list[str]:
    """Whether a former definition answers, and what is probably a mistake in a query. Which values exist is
    known once the feed has been read."""
    former = reader.definitions.former(view.name)
    unknown = unknown_filters(reader, query.filters, scope) if situation.feed_read else []
    return [*([former] if former else []), *query.warnings, *unknown]


def head(
    view: View, as_of_us: int, found: Status, window: tuple[int | None, int | None], warnings: list[str]
) -> dict[str, Any]:
    """What every answer begins with; `window`: its first epoch minute and its end, both None without one.

    `incomplete_because` and `warnings` are there only where there is something to say.
    """
    freshness = found.freshness_seconds
    first, end = window
    return {
        "view": view.name,
        "kind": view.kind,
        "as_of": format_time(as_of_us),
        "from": None if first is None else format_time(first * MINUTE_US),
        "to": None if end is None else format_time(end * MINUTE_US),
        "watermark": None if found.watermark_us is None else format_time(found.watermark_us),
        "freshness_seconds": None if freshness is None else round(freshness, 3),
        "complete": found.complete,
        "since": None if found.since_us is None else format_time(found.since_us),
        "partitions": [_partition(partition) for partition in found.partitions],
        **({"incomplete_because": found.because} if found.because else {}),
        **({"warnings": warnings} if warnings else {}),
    }


def _partition(partition: PartitionStatus) -> dict[str, Any]:
    watermark = partition.watermark_us
    return {
        "topic": partition.source[0],
        "partition": partition.source[1],
        "watermark": None if watermark is None else format_time(watermark),
        "first_offset": partition.first_offset,
        "checkpoint_offset": partition.checkpoint_offset,
        "lag_records": partition.lag_records,
        **({} if partition.why is None else {"incomplete_because": partition.why}),
    }


def group_filter(fields: Sequence[str], filters: Filters, scope: Scope = None) -> Callable[[Group], bool]:
    """Whether a group, whose values are those of `fields`, is asked for and may be seen."""
    wanted = [(fields.index(name), values) for name, values in filters.items()]
    city = fields.index(CITY)

    def allows(group: Group) -> bool:
        return sees(scope, group[city]) and all(group[at] in values for at, values in wanted)

    return allows


def _windowed(state: ViewState, query: ViewQuery, first: int, end: int, scope: Scope) -> dict[RowKey, Kept]:
    view, panes = state.view, state.panes
    assert panes is not None
    assert isinstance(view, Windowed)
    part = panes.total(first, end) if query.steps is None else _stepped(panes, query.steps, first, end)
    size = max(1, len(panes.groups))
    shown, keys = _project(view, panes, query, scope, np.unique(part.keys % size))

    def shown_key(stepped: Ints) -> Ints:
        steps, numbers = np.divmod(stepped, size)
        return np.where(keys[numbers] < 0, DROPPED, steps * max(1, len(shown)) + keys[numbers])

    merged = panes.merged([part.moved(shown_key)])
    names = [total.name for total in view.sums]
    nothing = view.nothing()

    def row_key(key: int) -> RowKey:
        start, number = divmod(key, len(shown))
        return start, shown[number]

    table: dict[RowKey, Kept] = {
        row_key(key): {**nothing, **dict(zip(names, sums, strict=True))}
        for key, sums in zip(merged.keys.tolist(), join(merged.limbs), strict=True)
    }
    for entries, names_of in zip(merged.sketches, view.sketches.values(), strict=True):
        for key, sketch in entries.by_key():
            table[row_key(key)].update(dict.fromkeys(names_of, sketch))
    return table


def _stepped(panes: PaneSums, steps: Steps, first: int, end: int) -> Part:
    try:
        return panes.steps(first, end, steps.start_of)
    except CutHourError as error:  # of a worker that keeps hours for longer than the reader knows
        raise cut_hour(steps, error.hour) from None


def _project(
    view: View, panes: PaneSums, query: ViewQuery, scope: Scope, present: Ints
) -> tuple[list[Group], Ints]:
    """The shown groups, and group number → number of its shown group, -1 where it is filtered out."""
    fields = view.key
    allows = group_filter(fields, query.filters, scope)
    places = [fields.index(name) for name in query.group_by]
    index: dict[Group, int] = {}
    keys = np.full(max(1, len(panes.groups)), -1, np.int64)
    for number in present.tolist():
        group = panes.groups.groups[number]
        if allows(group):
            keys[number] = index.setdefault(tuple([group[at] for at in places]), len(index))
    return list(index), keys


def _add_tracked(
    table: dict[RowKey, Kept], state: ViewState, query: ViewQuery, as_of_us: int, scope: Scope
) -> None:
    """Put entity measures into the table: into every step of a group, or rows of their own where there are
    none.
    """
    view, entities = state.view, state.entities
    assert entities is not None
    tracked = _tracked(entities, view, query, as_of_us, scope)
    if query.steps is None:
        empty = view.nothing()
        for group in tracked:
            table.setdefault((0, group), dict(empty))
    nothing = {measure.name: measure.nothing for measure in view.entity_measures}
    for (_, group), kept in table.items():
        kept.update(tracked.get(group, nothing))


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


def sort_key(group: Group) -> tuple[tuple[bool, Any], ...]:
    """Sorts groups by their dimensions, null first; the values of one dimension are of one type."""
    return tuple([(value is not None, "" if value is None else value) for value in group])


def _rows(
    view: View, query: ViewQuery, table: dict[RowKey, Kept], first: int, as_of_us: int
) -> list[dict[str, Any]]:
    order = {group: sort_key(group) for _, group in table}
    rows = []
    for start, group in sorted(table, key=lambda key: (key[0], order[key[1]])):
        step = {} if query.steps is None else {"t": query.steps.text(max(start, first))}
        dims = dict(zip(query.group_by, group, strict=True))
        rows.append({**step, **dims, **finish(view.measures, table[start, group], as_of_us)})
    return rows
