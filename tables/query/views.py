"""Answers of views: what is kept, over the panes and groups asked for, as docs/contract.md §6 shapes it.

A `scope` is the set of cities that may be seen, None for all of them and for null. It only ever chooses among
groups, and among an entity's states in different cities, before anything is added up, so every row, total and
ratio comes from the scope's cities alone. Experiments are of all cities: whoever may not see all sees none.
"""

from __future__ import annotations

from typing import Any

from schemas.times import format_time
from tables.query.experiments import experiment_rows
from tables.query.known_values import unknown_filters
from tables.query.params import EntityQuery, ViewQuery
from tables.query.rows import Table, finished, of_experiments, windowed, with_entities
from tables.query.window import window_of
from tables.read.state import ReaderState
from tables.read.status import PartitionStatus, Situation, Status, resolve_as_of, status
from tables.scope import Scope
from tables.spec.view import View
from tables.times import MINUTE_US


def answer_view(
    reader: ReaderState, view: View, query: ViewQuery, situation: Situation, scope: Scope = None
) -> dict[str, Any]:
    """The answer of GET /v1/views/{name}. Raises `ParameterError` for steps that cut what is kept as a whole,
    or make more than `MOST_ROWS`.

    `view`: by the definition that answers, `reader.views[name].view`, which the query has been parsed for.
    `from` and `to` are those of the panes that were added up, null for an entity view. Rows are sorted by `t`
    and by their dimensions, null first. With `step` there is a row for each step that has data; steps begin
    at multiples of `step` since the epoch, by the clock of `tz`, the first and the last are cut by `from` and
    `to`, and `t` is the start.
    """
    state = reader.views[view.name]
    as_of_us, end_us = resolve_as_of(reader, query.as_of, situation)
    table = Table([], {name: [] for name in view.nothing()})
    first = end = None
    if state.panes is not None:
        first, end = window_of(reader, query, end_us)
        table = windowed(state, query, first, end, scope)
    if state.entities is not None:
        table = with_entities(table, state, query, as_of_us, scope)
    if state.experiments is not None:
        found = experiment_rows(state.experiments, query, reader.newest_us()) if scope is None else {}
        table = of_experiments(view, found)
    from_us = None if first is None else first * MINUTE_US
    warnings = warnings_of(reader, view, query, situation, scope)
    return {
        **head(view, as_of_us, status(reader, view, situation, from_us), (first, end), warnings),
        "rows": finished(view, query, table, first or 0, as_of_us),
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
