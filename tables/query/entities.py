"""Answers of /v1/views/{name}/entities: the entities themselves, oldest first, page by page."""

from __future__ import annotations

from typing import Any

import numpy as np

from schemas.times import format_time
from tables.query.params import Cursor, EntityQuery, encode_cursor
from tables.query.rows import group_filter
from tables.query.views import head, warnings_of
from tables.read.entity_columns import EntityColumns, Mask
from tables.read.state import ReaderState
from tables.read.status import Situation, resolve_as_of, status
from tables.scope import Scope
from tables.spec.fields import CITY, Kind
from tables.spec.tracked import EntityState, Tracked
from tables.spec.view import View


def answer_entities(
    reader: ReaderState, view: View, query: EntityQuery, situation: Situation, scope: Scope = None
) -> dict[str, Any]:
    """One page of a view's entities, by (time of the latest event, id); `cursor` is null on the last
    page.

    All pages of a cursor share the `as_of` of the first, so that deadlines don't move between them. An entity
    that changes while pages are read moves to its new place: it may come twice, in two states, and is never
    left out.
    """
    entities = reader.views[view.name].entities
    assert entities is not None
    assert view.tracks is not None
    cursor = query.cursor
    as_of_us = cursor.as_of_us if cursor else resolve_as_of(reader, query.as_of, situation)[0]
    selection = None if query.state is None else view.tracks.by_state[query.state]
    mask = entities.select(selection, as_of_us, scope)
    if query.filters:
        mask &= _wanted(entities, view, query)
    page = _page(entities, mask, query.limit + 1, cursor)
    more = len(page) > query.limit
    warnings = warnings_of(reader, view, query, situation, scope)
    page = page[: query.limit]
    following = encode_cursor(view, Cursor(as_of_us, *page[-1][:2])) if more else None
    return {
        **head(view, as_of_us, status(reader, view, situation), (None, None), warnings),
        "state": query.state,
        "rows": [_shown(view.tracks, entity_id, entities.state(slot)) for _, entity_id, slot in page],
        "cursor": following,
    }


def _wanted(entities: EntityColumns, view: View, query: EntityQuery) -> Mask:
    wants = group_filter(view.key, query.filters)
    by_group: Mask = np.array([wants(group) for group in entities.groups.groups] or [False])
    return by_group[entities.column("group")]


def _page(
    entities: EntityColumns, mask: Mask, size: int, cursor: Cursor | None
) -> list[tuple[int, str, int]]:
    """The first `size` of the masked slots after the cursor, as (occurred_us, id, slot), in that order."""
    times = entities.column("occurred")
    slots = np.flatnonzero(mask if cursor is None else mask & (times >= cursor.occurred_us))
    if cursor is not None:
        seen = [
            at
            for at in np.flatnonzero(times[slots] == cursor.occurred_us)
            if (entities.ids[slots[at]] or "") <= cursor.entity_id
        ]
        slots = np.delete(slots, seen)
    if len(slots) > size:
        latest = np.partition(times[slots], size - 1)[size - 1]
        slots = slots[times[slots] <= latest]
    found = [
        (at, entities.ids[slot] or "", slot)
        for at, slot in zip(times[slots].tolist(), slots.tolist(), strict=True)
    ]
    return sorted(found)[:size]


def _shown(tracks: Tracked, entity_id: str, state: EntityState) -> dict[str, Any]:
    """One entity: its id fields, city, state, the time of its latest event, and the kept fields."""
    ids = entity_id.split(":", len(tracks.id_fields) - 1)
    shown: dict[str, Any] = dict(zip(tracks.id_fields, ids, strict=True))
    stage = tracks.by_rank.get(state.rank)
    shown[CITY] = state.city
    shown["state"] = stage.state if stage else None
    shown["occurred_at"] = format_time(state.occurred_us)
    for kept in tracks.keep:
        value = getattr(state, kept.field)
        shown[kept.field] = format_time(value) if kept.kind is Kind.TIME and value is not None else value
    return shown
