"""Answers of views: what is kept, over the panes and groups asked for, as docs/contract.md §6 shapes it.

A `scope` is the set of cities that may be seen, None for all of them and for null. It only ever filters
groups before they are added up, so every row, total and ratio comes from the scope's cities alone.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from schemas.times import FIRST_US
from tables.codec import Group
from tables.query.params import EntityQuery, Filters, ParameterError, ViewQuery, format_time
from tables.read.entity_columns import EntityColumns
from tables.read.known_values import Scope, unknown_filters
from tables.read.pane_sums import Ints, PaneSums, Part, join, merge
from tables.read.state import ReaderState, ViewState, group_fields
from tables.read.status import PartitionStatus, Situation, Status, resolve_as_of, status
from tables.spec.measures import finish
from tables.spec.views import CITY, Oldest, Sum, View
from tables.spec.views import EntityMeasure as Tracking

MINUTE_US = 60_000_000
MICROS = 1_000_000
HOUR_MINUTES = 60

__all__ = ["Scope", "answer_view", "group_filter", "head", "sort_key", "warnings_of"]

Sums = dict[str, int | None]
RowKey = tuple[int, Group]
"""First epoch minute of the step (0 where there are no steps), and the values of the `group_by`
dimensions.
"""


def answer_view(
    reader: ReaderState, view: View, query: ViewQuery, situation: Situation, scope: Scope = None
) -> dict[str, Any]:
    """The answer of GET /v1/views/{name}. Raises `ParameterError` for a step finer than what is kept.

    `from` and `to` are those of the panes that were added up, null for an entity view. Rows are sorted by `t`
    and by their dimensions, null first. With `step` there is a row for each step that has data; steps begin
    at multiples of `step` since the epoch, the first and the last are cut by `from` and `to`, and `t` is the
    start.
    """
    state = reader.views[view.name]
    as_of_us, end_us = resolve_as_of(reader, query.as_of, situation)
    table: dict[RowKey, Sums] = {}
    first = end = None
    if state.panes is not None:
        first, end = _minutes(query, end_us)
        first, end = _widen(reader, state.panes, query, first, end)
        table = _windowed(state, query, first, end, scope)
    if state.entities is not None:
        _add_tracked(table, state, query, as_of_us, scope)
    from_us = None if first is None else first * MINUTE_US
    warnings = warnings_of(reader, query, situation, scope)
    return {
        **head(view, as_of_us, status(reader, view, situation, from_us), (first, end), warnings),
        "rows": _rows(view, query, table, first or 0, as_of_us),
    }


def warnings_of(
    reader: ReaderState, query: ViewQuery | EntityQuery, situation: Situation, scope: Scope
) -> list[str]:
    """What was asked for and hardly meant. Which values there are is known once the feed has been read."""
    unknown = unknown_filters(reader, query.filters, scope) if situation.feed_read else []
    return [*query.warnings, *unknown]


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
        "checkpoint_offset": partition.checkpoint_offset,
        "lag_records": partition.lag_records,
        **({} if partition.why is None else {"incomplete_because": partition.why}),
    }


def _minutes(query: ViewQuery, end_us: int) -> tuple[int, int]:
    """Epoch minutes [first, end) of the panes that start inside the window."""
    to_us = end_us if query.to_us is None else query.to_us
    if query.window_us is not None:
        from_us = to_us - query.window_us
    else:
        assert query.from_us is not None
        from_us = query.from_us
        if from_us >= to_us:
            raise ParameterError("from", "must be before as_of, where to is not given")
    return -(-max(from_us, FIRST_US) // MINUTE_US), -(-to_us // MINUTE_US)


def _widen(reader: ReaderState, panes: PaneSums, query: ViewQuery, first: int, end: int) -> tuple[int, int]:
    """Move ends that lie among hour panes out to whole hours."""
    rolled_until = reader.rolled_until(panes)
    if rolled_until is None or first >= rolled_until:
        return first, end
    if query.step_minutes is not None and query.step_minutes % HOUR_MINUTES:
        until = format_time(rolled_until * MINUTE_US)
        raise ParameterError(
            "step", f"must be whole hours before {until}: no minutes are kept there any more"
        )
    first = first // HOUR_MINUTES * HOUR_MINUTES
    if end < rolled_until:
        end = -(-end // HOUR_MINUTES) * HOUR_MINUTES
    return first, end


def group_filter(fields: Sequence[str], filters: Filters, scope: Scope) -> Callable[[Group], bool]:
    """Whether a group, whose values are those of `fields`, is asked for and may be seen."""
    wanted = [(fields.index(name), values) for name, values in filters.items()]
    city = fields.index(CITY)

    def allows(group: Group) -> bool:
        if scope is not None and group[city] not in scope:
            return False
        return all(group[at] in values for at, values in wanted)

    return allows


def _windowed(state: ViewState, query: ViewQuery, first: int, end: int, scope: Scope) -> dict[RowKey, Sums]:
    assert state.panes is not None
    panes, step = state.panes, query.step_minutes
    part = panes.total(first, end) if step is None else panes.steps(first, end, step)
    size = max(1, len(panes.groups))
    steps, numbers = np.divmod(part.keys, size)
    shown, keys = _project(state.view, panes, query, scope, np.unique(numbers))
    seen = keys[numbers] >= 0
    composite = steps[seen] * max(1, len(shown)) + keys[numbers[seen]]
    merged = merge([Part(composite, part.limbs[seen])], panes.width)
    names = [measure.name for measure in state.view.measures if isinstance(measure, Sum)]
    table: dict[RowKey, Sums] = {}
    for key, sums in zip(merged.keys.tolist(), join(merged.limbs), strict=True):
        at, number = divmod(key, len(shown))
        table[at * (step or 0), shown[number]] = dict(zip(names, sums, strict=True))
    return table


def _project(
    view: View, panes: PaneSums, query: ViewQuery, scope: Scope, present: Ints
) -> tuple[list[Group], Ints]:
    """The shown groups, and group number → number of its shown group, -1 where it is filtered out."""
    fields = group_fields(view)
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
    table: dict[RowKey, Sums], state: ViewState, query: ViewQuery, as_of_us: int, scope: Scope
) -> None:
    """Put entity measures into the table: into every step of a group, or rows of their own where there are
    none.
    """
    entities = state.entities
    assert entities is not None
    tracked = _tracked(entities, state.view, query, as_of_us, scope)
    if state.panes is not None:
        empty: Sums = {measure.name: 0 for measure in state.view.measures if isinstance(measure, Sum)}
        if query.step_minutes is None:
            for group in tracked:
                table.setdefault((0, group), dict(empty))
        nothing: Sums = _nothing(state.view)
        for (_, group), sums in table.items():
            sums.update(tracked.get(group, nothing))
    else:
        table.update({(0, group): sums for group, sums in tracked.items()})


def _nothing(view: View) -> Sums:
    """Entity measures over no entity."""
    return {
        measure.name: None if isinstance(measure, Oldest) or getattr(measure, "null_if_none", False) else 0
        for measure in view.measures
        if isinstance(measure, Tracking)
    }


def _tracked(
    entities: EntityColumns, view: View, query: ViewQuery, as_of_us: int, scope: Scope
) -> dict[Group, Sums]:
    """Entity measures by shown group; of an Oldest the earliest time."""
    fields = group_fields(view)
    allows = group_filter(fields, query.filters, scope)
    places = [fields.index(name) for name in query.group_by]
    measures = [measure for measure in view.measures if isinstance(measure, Tracking)]
    table: dict[Group, Sums] = {}
    for number, values in entities.measure(measures, as_of_us).items():
        group = entities.groups.groups[number]
        if not allows(group):
            continue
        shown = tuple([group[at] for at in places])
        sums = table.get(shown)
        if sums is None:
            table[shown] = values
            continue
        for measure in measures:
            there = [value for value in (sums[measure.name], values[measure.name]) if value is not None]
            together = min if isinstance(measure, Oldest) else sum
            sums[measure.name] = together(there) if there else None
    return table


def sort_key(group: Group) -> tuple[tuple[bool, Any], ...]:
    """Sorts groups by their dimensions, null first; the values of one dimension are of one type."""
    return tuple([(value is not None, "" if value is None else value) for value in group])


def _rows(
    view: View, query: ViewQuery, table: dict[RowKey, Sums], first: int, as_of_us: int
) -> list[dict[str, Any]]:
    order = {group: sort_key(group) for _, group in table}
    rows = []
    for at, group in sorted(table, key=lambda key: (key[0], order[key[1]])):
        row: dict[str, Any] = (
            {} if query.step_minutes is None else {"t": format_time(max(at, first) * MINUTE_US)}
        )
        row.update(zip(query.group_by, group, strict=True))
        row.update(finish(view.measures, table[at, group], as_of_us))
        rows.append(row)
    return rows
